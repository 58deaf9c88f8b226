//! A step that is a process: started under a keeper, watched, and judged by how it ended.

mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tokio::sync::watch::Receiver;

use self::watch::Watch;
use super::{Ending, StepTry, Told, environment};
use crate::log::StepLog;
use crate::process::{Error, Spec};

/// What to start.
pub(super) struct Start {
    /// What it counts as.
    pub(super) kind: &'static str,
    pub(super) argv: Vec<String>,
    /// What the step adds to the environment.
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: PathBuf,
}

/// Runs a process to its end.
pub(super) async fn carry_out(
    step: &StepTry,
    wanted: Start,
    timeout_ms: u64,
    log: &StepLog,
    told: Receiver<Told>,
) -> Ending {
    let output = output_file(step);
    let environment = match environment::of(step, wanted.env, &output) {
        Ok(environment) => environment,
        Err(why) => return Ending::failed(why),
    };
    let mut watch = Watch::new(step, told, timeout_ms);
    let spec = Spec {
        argv: wanted.argv,
        env: environment,
        cwd: wanted.cwd,
        grace_ms: u64::try_from(step.kit.grace.as_millis()).unwrap_or(u64::MAX),
        deadline_ns: watch.deadline_ns,
    };
    let started = match step.kit.keepers.start(&spec).await {
        Ok(process) => process,
        Err(error @ (Error::Spec(_) | Error::Keeper { .. } | Error::Lost)) => {
            return Ending::failed(runtime::fault::chain(&error));
        }
    };
    step.started(wanted.kind);
    let (exit, warning) = watch.see_through(started, log).await;
    let mut ending = watch.judge(exit, warning);
    if ending.is_well() {
        match outputs(&output) {
            Ok(outputs) => ending.outputs = outputs,
            Err(why) => {
                ending = Ending {
                    exit_code: ending.exit_code,
                    ..Ending::failed(why)
                }
            }
        }
    }
    let _ = std::fs::remove_file(&output);
    ending
}

/// Where a try writes its outputs. Nothing is there until it does.
fn output_file(step: &StepTry) -> PathBuf {
    let facts = &step.facts;
    let name: String = format!(
        "{}.{}.{}.{}",
        facts.run_id, facts.attempt, step.of.step, step.of.number
    );
    step.kit.outputs.join(name.replace('/', "-"))
}

fn outputs(path: &Path) -> Result<std::collections::HashMap<String, String>, String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| {
        file.take(steps::outputs::MAX_BYTES as u64 + 1)
            .read_to_end(&mut text)
    });
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok([].into()),
        Err(error) => return Err(format!("the output file can't be read: {error}")),
    }
    let outputs = steps::outputs::parse(&text).map_err(|error| error.to_string())?;
    Ok(outputs.into_iter().collect())
}
