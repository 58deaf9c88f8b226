//! A step that is a plug-in: its data laid out, carried out as a process, and judged by what it left.
//!
//! A native one is this program started again, any other an executable of its name in `executor.plugins`, which comes
//! first. Both work in `.penstock/plugins/<step>` of the workspace, on `config.xml`, `input/<port>/` and
//! `output/<port>/`.
//!
//! **Invariants:** a try starts with no outputs, and only one that ended well leaves any. Data of another step is never
//! written to. Nothing that data is called is ever a path.

mod prepare;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use contracts::pipeline::Outcome;
use rustix::fs::OFlags;
use steps::kinds::{Kind, PluginCall, plugin};
use steps::plugins::{self, Direction, Plugin};
use tokio::sync::watch;

use self::prepare::Layout;
use super::process::{self, Start};
use super::{Ending, StepTry, Told, files};
use crate::log::StepLog;
use crate::process::OWN_PROGRAM;

/// What is read of why a plug-in failed, in bytes.
const LONGEST_FAILURE: u64 = 4096;

/// Runs a plug-in to its end.
pub(super) async fn carry_out(
    step: &StepTry,
    call: PluginCall,
    timeout_ms: u64,
    log: &StepLog,
    mut told: watch::Receiver<Told>,
) -> Ending {
    let known = plugins::known(&call.name);
    let program = match program(step, &call) {
        Ok(program) => program,
        Err(why) => return Ending::failed(why),
    };
    if let Some(why) = known.and_then(|known| missing_input(known, &call)) {
        return Ending::failed(why);
    }
    let layout = Arc::new(Layout {
        workspace: step.workspace.path().to_owned(),
        step: step.of.step.clone(),
        config: call.config.clone(),
        inputs: with_known_names(known, &call),
        outputs: outputs(step, &call.name),
        may_link: matches!(program, Program::Own(_)),
    });
    if let Err(ending) = prepared(&layout, &mut told).await {
        return ending;
    }
    let start = Start {
        kind: "plugin",
        argv: program.argv(),
        env: environment(step, &call),
        cwd: layout.folder(),
    };
    let ending = process::carry_out(step, start, timeout_ms, log, told).await;
    finished(step, layout, ending).await
}

/// What is started.
enum Program {
    Own(&'static Plugin),
    Outside(PathBuf),
}

impl Program {
    fn argv(&self) -> Vec<String> {
        match self {
            Self::Own(plugin) => [OWN_PROGRAM, "plugin", plugin.name]
                .map(str::to_owned)
                .into(),
            Self::Outside(path) => vec![path.display().to_string()],
        }
    }
}

fn program(step: &StepTry, call: &PluginCall) -> Result<Program, String> {
    let supplied = step.kit.plugins.as_ref().map(|it| it.join(&call.name));
    if let Some(path) = supplied.filter(|path| is_executable(path)) {
        return Ok(Program::Outside(path));
    }
    plugins::find(&call.name)
        .map(Program::Own)
        .ok_or_else(|| unknown(step, call))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// What to say of a plug-in that nothing can carry out.
fn unknown(step: &StepTry, call: &PluginCall) -> String {
    let name = &call.name;
    let directory = match &step.kit.plugins {
        Some(directory) => format!("{} has no executable of that name", directory.display()),
        None => "executor.plugins names no directory with others".to_owned(),
    };
    let (inputs, outputs) = match plugins::known(name) {
        Some(known) => (
            names(known, Direction::Input),
            names(known, Direction::Output),
        ),
        None => (
            call.inputs.keys().cloned().collect(),
            outputs(step, name).into_iter().collect(),
        ),
    };
    format!(
        "there is no implementation of the plug-in {name}: it is not native, and {directory}. Its inputs are {}, its \
         outputs {}. Put an executable called {name} into the directory that executor.plugins names; it is started \
         where config.xml and input/<port>/ are and writes output/<port>/, as docs/plugins.md says",
        listed(&inputs),
        listed(&outputs),
    )
}

fn names(plugin: &Plugin, direction: Direction) -> Vec<String> {
    let ports = plugin.of(direction);
    ports
        .map(|port| {
            let optional = if port.is_optional { ", optional" } else { "" };
            format!("{} ({}{optional})", port.name, port.data.name())
        })
        .collect()
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// What to say of an input that must be connected and isn't.
fn missing_input(known: &Plugin, call: &PluginCall) -> Option<String> {
    let is_connected = |name: &str| {
        let mut inputs = call.inputs.iter();
        inputs.any(|(port, sources)| port.eq_ignore_ascii_case(name) && !sources.is_empty())
    };
    let missing = known
        .of(Direction::Input)
        .find(|port| !port.is_optional && !is_connected(port.name))?;
    Some(format!(
        "the plug-in {} gets nothing at its input {port}, which it can't do without: give its step \
         `inputs: {{{port}: [STEP.PORT]}}`. Its inputs are {}, its outputs {}",
        known.name,
        listed(&names(known, Direction::Input)),
        listed(&names(known, Direction::Output)),
        port = missing.name,
    ))
}

/// The inputs under the names that the plug-in knows them by.
fn with_known_names(known: Option<&Plugin>, call: &PluginCall) -> Vec<prepare::Input> {
    let name = |written: &str| {
        let port = known.and_then(|known| known.port(Direction::Input, written));
        port.map_or_else(|| written.to_owned(), |port| port.name.to_owned())
    };
    let inputs = call.inputs.iter();
    inputs
        .map(|(port, sources)| (name(port), sources.clone()))
        .collect()
}

/// The outputs that there are, or that later steps expect.
fn outputs(step: &StepTry, name: &str) -> BTreeSet<String> {
    if let Some(known) = plugins::known(name) {
        let ports = known.of(Direction::Output);
        return ports.map(|port| port.name.to_owned()).collect();
    }
    let mut expected = BTreeSet::new();
    for other in step.facts.steps() {
        let Kind::Plugin(other) = &other.kind else {
            continue;
        };
        let sources = other.inputs.values().flatten();
        let own = sources
            .filter_map(|it| plugin::source(it))
            .filter(|(id, _)| *id == step.of.step);
        expected.extend(own.map(|(_, port)| port.to_owned()));
    }
    expected
}

fn environment(step: &StepTry, call: &PluginCall) -> BTreeMap<String, String> {
    let mut environment = call.env.clone();
    environment.insert("PENSTOCK_PLUGIN".to_owned(), call.name.clone());
    if let Some(plugins) = &step.kit.plugins {
        let directory = plugins.display().to_string();
        environment.insert("PENSTOCK_PLUGINS".to_owned(), directory);
    }
    environment
}

/// Lays its data out, unless the try is told to end meanwhile.
async fn prepared(layout: &Arc<Layout>, told: &mut watch::Receiver<Told>) -> Result<(), Ending> {
    let is_given_up = Arc::new(AtomicBool::new(false));
    let (wanted, seen) = (layout.clone(), is_given_up.clone());
    let mut work = tokio::task::spawn_blocking(move || wanted.prepare(&seen));
    let done = tokio::select! {
        done = &mut work => done,
        () = files::harder(told, Told::Nothing) => {
            is_given_up.store(true, Ordering::Relaxed);
            // It looks at that often, and nothing of it goes on beside what follows.
            let _ = work.await;
            return Err(Ending::cancelled());
        }
    };
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(fault)) => Err(Ending::failed(fault.to_string())),
        Err(error) => Err(Ending::failed(error.to_string())),
    }
}

/// Sees that what it left are data units, and removes what nobody needs any more.
async fn finished(step: &StepTry, layout: Arc<Layout>, ending: Ending) -> Ending {
    let is_well = ending.is_well();
    let keeps_all = step.facts.is_debugging;
    let ending = explained(ending, &layout.folder());
    let seen = tokio::task::spawn_blocking(move || {
        let seen = if is_well { layout.check() } else { Ok(()) };
        if !keeps_all {
            layout.tidy(is_well && seen.is_ok());
        }
        seen
    });
    match seen.await {
        Ok(Ok(())) => ending,
        Ok(Err(fault)) => Ending {
            exit_code: ending.exit_code,
            ..Ending::failed(fault.to_string())
        },
        Err(error) => Ending::failed(error.to_string()),
    }
}

/// Says why it failed, if the plug-in has said so.
fn explained(ending: Ending, folder: &Path) -> Ending {
    if ending.outcome != Outcome::Failed || ending.exit_code.is_none() {
        return ending;
    }
    let mut text = Vec::new();
    // Nobody waits for what is no file.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(folder.join(plugins::FAILURE));
    let read = opened.and_then(|file| file.take(LONGEST_FAILURE).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    if read.is_err() || text.is_empty() {
        return ending;
    }
    Ending {
        message: text.to_owned(),
        ..ending
    }
}
