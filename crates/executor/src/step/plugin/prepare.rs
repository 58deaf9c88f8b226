//! The directory that a plug-in works in, and the data that is put there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use steps::plugins::unit::{self, Writer};

use crate::workspace;

/// Where the directories of all steps are, below the workspace.
const PLUGINS: [&str; 2] = [".penstock", "plugins"];
/// What is copied between two looks whether it is still wanted, in bytes.
const CHUNK: u64 = 4 << 20;

/// An input port, and the step and port of each of its sources.
pub(super) type Input = (String, Vec<(String, String)>);

/// What a plug-in finds.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) workspace: PathBuf,
    pub(super) step: String,
    pub(super) config: String,
    pub(super) inputs: Vec<Input>,
    /// The ports that it is given a directory for.
    pub(super) outputs: BTreeSet<String>,
    /// It never writes to what it reads, so it may be given the files themselves.
    pub(super) may_link: bool,
}

/// Why data can't be laid out, or isn't any.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    System {
        /// Which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// What a step has left at a port is no data unit.
    #[error("what step {step} has at its output {port}: {source}")]
    Source {
        /// Whose.
        step: String,
        /// Which output.
        port: String,
        /// What is wrong with it.
        source: unit::Error,
    },
    /// The inputs can't be written.
    #[error("the input {port}: {source}")]
    Input {
        /// Which.
        port: String,
        /// What is wrong.
        source: unit::Error,
    },
    /// The try is to end.
    #[error("stopped")]
    GivenUp,
}

impl Fault {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::System {
            path: path.to_owned(),
            source,
        }
    }
}

impl Layout {
    /// Where the plug-in works.
    pub(super) fn folder(&self) -> PathBuf {
        self.all().join(&self.step)
    }

    fn all(&self) -> PathBuf {
        self.workspace.join(PLUGINS[0]).join(PLUGINS[1])
    }

    /// Makes the directory anew, without outputs and with all that the inputs' sources have left.
    pub(super) fn prepare(&self, is_given_up: &AtomicBool) -> Result<(), Fault> {
        let mut path = self.workspace.clone();
        for part in PLUGINS {
            path.push(part);
            own_directory(&path)?;
        }
        let folder = self.folder();
        workspace::remove_tree(&folder).map_err(Fault::at(&folder))?;
        fs::create_dir(&folder).map_err(Fault::at(&folder))?;
        let config = folder.join("config.xml");
        fs::write(&config, &self.config).map_err(Fault::at(&config))?;
        for port in &self.outputs {
            let data = folder.join("output").join(port).join(unit::DATA);
            fs::create_dir_all(&data).map_err(Fault::at(&data))?;
        }
        for (port, sources) in &self.inputs {
            self.merge(port, sources, is_given_up)?;
        }
        Ok(())
    }

    fn merge(
        &self,
        port: &str,
        sources: &[(String, String)],
        is_given_up: &AtomicBool,
    ) -> Result<(), Fault> {
        let at_input = |source| Fault::Input {
            port: port.to_owned(),
            source,
        };
        let mut writer =
            Writer::create(&self.folder().join("input").join(port)).map_err(at_input)?;
        for (step, source_port) in sources {
            let from = self.unit_of(step, source_port);
            let entries = unit::read(&from).map_err(|source| Fault::Source {
                step: step.clone(),
                port: source_port.clone(),
                source,
            })?;
            for entry in entries {
                let content = from.join(unit::DATA).join(&entry.file);
                self.take(&content, &writer.next(), is_given_up)?;
                writer.add(entry).map_err(at_input)?;
            }
        }
        writer.finish().map_err(at_input)
    }

    /// What a step has left at a port, whose name may be written in another case.
    fn unit_of(&self, step: &str, port: &str) -> PathBuf {
        let outputs = self.all().join(step).join("output");
        let exact = outputs.join(port);
        if is_filled(&exact) {
            return exact;
        }
        let names = fs::read_dir(&outputs).into_iter().flatten().flatten();
        let mut names = names.filter_map(|it| it.file_name().into_string().ok());
        names
            .find(|name| name.eq_ignore_ascii_case(port) && is_filled(&outputs.join(name)))
            .map_or(exact, |name| outputs.join(name))
    }

    fn take(&self, from: &Path, to: &Path, is_given_up: &AtomicBool) -> Result<(), Fault> {
        if is_given_up.load(Ordering::Relaxed) {
            return Err(Fault::GivenUp);
        }
        if self.may_link && fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        let mut source = File::open(from).map_err(Fault::at(from))?;
        let mut target = File::create_new(to).map_err(Fault::at(to))?;
        loop {
            let length = io::copy(&mut (&mut source).take(CHUNK), &mut target);
            if length.map_err(Fault::at(to))? == 0 {
                return target.flush().map_err(Fault::at(to));
            }
            if is_given_up.load(Ordering::Relaxed) {
                return Err(Fault::GivenUp);
            }
        }
    }

    /// Sees that all that it has left are data units.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let outputs = self.folder().join("output");
        let ports = match fs::read_dir(&outputs) {
            Ok(ports) => ports,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Fault::at(&outputs)(error)),
        };
        for port in ports {
            let port = port.map_err(Fault::at(&outputs))?.path();
            unit::read(&port).map_err(|source| Fault::Source {
                step: self.step.clone(),
                port: port.file_name().unwrap_or_default().display().to_string(),
                source,
            })?;
        }
        Ok(())
    }

    /// Removes the inputs, and the outputs as well unless they count.
    pub(super) fn tidy(&self, keeps_outputs: bool) {
        let folder = self.folder();
        let parts: &[&str] = if keeps_outputs {
            &["input", "scratch"]
        } else {
            &["input", "scratch", "output"]
        };
        for part in parts {
            if let Err(error) = workspace::remove_tree(&folder.join(part)) {
                tracing::warn!("data of a plug-in can't be removed: {error}");
            }
        }
    }
}

/// Whether something was left there: the directory alone may have been made ahead.
fn is_filled(unit: &Path) -> bool {
    let mut data = fs::read_dir(unit.join(unit::DATA)).into_iter().flatten();
    unit.join(unit::ENTRIES).exists() || data.next().is_some()
}

/// Sees that there is a directory, and no link to one.
fn own_directory(path: &Path) -> Result<(), Fault> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Fault::at(path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let meta = fs::symlink_metadata(path).map_err(Fault::at(path))?;
    if meta.is_dir() {
        Ok(())
    } else {
        Err(Fault::at(path)(io::Error::other("is no directory")))
    }
}

#[cfg(test)]
mod tests {
    use steps::plugins::unit::Entry;

    use super::*;

    fn layout(workspace: &Path, step: &str, inputs: &[(&str, &[(&str, &str)])]) -> Layout {
        let owned = |(step, port): &(&str, &str)| ((*step).to_owned(), (*port).to_owned());
        let input = |(port, sources): &(&str, &[(&str, &str)])| {
            ((*port).to_owned(), sources.iter().map(owned).collect())
        };
        Layout {
            workspace: workspace.to_owned(),
            step: step.to_owned(),
            config: "<object-stream/>".to_owned(),
            inputs: inputs.iter().map(input).collect(),
            outputs: ["output".to_owned()].into(),
            may_link: true,
        }
    }

    fn leave(layout: &Layout, names: &[&str]) {
        let output = layout.folder().join("output/output");
        let mut writer = Writer::create(&output).unwrap();
        for name in names {
            fs::write(writer.next(), name).unwrap();
            let name = (*name).to_owned();
            writer
                .add(Entry {
                    name,
                    ..Entry::default()
                })
                .unwrap();
        }
        writer.finish().unwrap();
    }

    fn prepared(layout: &Layout) {
        layout.prepare(&AtomicBool::new(false)).unwrap();
    }

    #[test]
    fn inputs_are_merged_in_order_and_outputs_begin_empty() {
        let workspace = tempfile::tempdir().unwrap();
        for (step, names) in [("one", &["a", "b"][..]), ("two", &["../c"])] {
            let layout = layout(workspace.path(), step, &[]);
            prepared(&layout);
            leave(&layout, names);
        }
        let sources = [("two", "OUTPUT"), ("one", "output"), ("never", "output")];
        for may_link in [true, false] {
            let layout = Layout {
                may_link,
                ..layout(workspace.path(), "three", &[("input", &sources)])
            };
            prepared(&layout);
            let input = layout.folder().join("input/input");
            let entries = unit::read(&input).unwrap();
            let names: Vec<_> = entries.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["../c", "a", "b"]);
            let content = fs::read_to_string(input.join("data/1")).unwrap();
            assert_eq!(content, "a");
            assert_eq!(
                unit::read(&layout.folder().join("output/output")).unwrap(),
                []
            );
            leave(&layout, &["left of an earlier try"]);
        }
    }

    #[test]
    fn a_copy_can_be_changed_without_changing_its_source() {
        let workspace = tempfile::tempdir().unwrap();
        let one = layout(workspace.path(), "one", &[]);
        prepared(&one);
        leave(&one, &["a"]);
        let two = Layout {
            may_link: false,
            ..layout(workspace.path(), "two", &[("in", &[("one", "output")])])
        };
        prepared(&two);
        fs::write(two.folder().join("input/in/data/0"), "changed").unwrap();
        let source = one.folder().join("output/output/data/0");
        assert_eq!(fs::read_to_string(source).unwrap(), "a");
    }

    #[test]
    fn a_link_in_the_place_of_its_directory_is_not_followed() {
        let (workspace, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(elsewhere.path().join("plugins/one")).unwrap();
        let link = workspace.path().join(".penstock");
        std::os::unix::fs::symlink(elsewhere.path(), link).unwrap();
        let layout = layout(workspace.path(), "one", &[]);
        assert!(layout.prepare(&AtomicBool::new(false)).is_err());
        assert!(elsewhere.path().join("plugins/one").exists());
    }

    #[test]
    fn what_is_no_data_unit_is_said_with_step_and_port() {
        let workspace = tempfile::tempdir().unwrap();
        let layout = layout(workspace.path(), "one", &[]);
        prepared(&layout);
        let list = layout.folder().join("output/output/entries.jsonl");
        fs::write(list, r#"{"name": "a", "file": "../../config.xml"}"#).unwrap();
        let fault = layout.check().unwrap_err().to_string();
        assert!(
            fault.starts_with("what step one has at its output output: line 1"),
            "{fault}"
        );
        layout.tidy(false);
        assert!(!layout.folder().join("output").exists());
    }
}
