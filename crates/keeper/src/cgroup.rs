//! A control group of the step's own, where the executor has one to make it in: all that is in it
//! dies of one write, which no fork escapes.
//!
//! **Invariant:** the keeper itself is in the group only until it has started the main process,
//! which is born there; a group that it could not leave is never killed. Without a group everything
//! works as well, with more searching.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::process::getpid;

/// What the groups of steps are called, before the keeper's process id.
pub const STEP: &str = "step-";
/// The group, beside those of steps, in which keepers are while their step runs.
pub const KEEPERS: &str = "keepers";

/// The group of a step.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    /// The keeper is in it.
    is_inside: bool,
}

impl Group {
    /// Makes a group below `parent` and goes into it.
    pub(crate) fn enter(parent: &Path) -> io::Result<Self> {
        let folder = parent.join(format!("{STEP}{}", getpid().as_raw_pid()));
        fs::create_dir(&folder)?;
        let mut group = Self {
            folder,
            is_inside: false,
        };
        write(&group.folder.join("cgroup.procs"), "0")?;
        group.is_inside = true;
        Ok(group)
    }

    /// Goes out of it, to where the other keepers are. What was started meanwhile stays.
    pub(crate) fn leave(mut self) -> io::Result<Self> {
        self.go_out()?;
        Ok(self)
    }

    fn go_out(&mut self) -> io::Result<()> {
        let keepers = self.folder.with_file_name(KEEPERS);
        write(&keepers.join("cgroup.procs"), "0")?;
        self.is_inside = false;
        Ok(())
    }

    /// Kills all that is in it, and says whether that is all it takes: whatever is left of the
    /// step is in it and dying.
    pub(crate) fn kill(&self) -> bool {
        kill(&self.folder).is_ok() && self.is_populated()
    }

    fn is_populated(&self) -> bool {
        fs::read_to_string(self.folder.join("cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.is_inside {
            let _ = self.go_out();
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Kills all that is in the group of this directory.
///
/// # Errors
/// It is no group, or not ours to write.
pub fn kill(group: &Path) -> io::Result<()> {
    write(&group.join("cgroup.kill"), "1")
}

/// Writes to what is there: an ordinary directory must not get files for looking like a group.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options().write(true).open(file)?;
    file.write_all(text.as_bytes())
}
