//! The control group in which this executor's keepers make those of their steps.
//!
//! **Invariant:** what is in it is this executor's alone: it has its name, and no two executors of
//! one name live at once. So what an earlier start left in it is killed without a look at what it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use keeper::cgroup::{KEEPERS, STEP, kill};

/// Makes the executor's group below `parent`, and kills what an earlier start left there.
///
/// # Errors
/// `parent` isn't a group of version 2 that we may write, or processes can't be moved into it.
pub(crate) fn prepare(parent: &Path, executor: &str) -> io::Result<PathBuf> {
    // Named so that no executor's name leads out of the parent.
    let home = parent.join(format!("executor-{executor}"));
    let keepers = home.join(KEEPERS);
    // Not all of the way: a group is not to be made of a directory's misspelt name.
    for group in [&home, &keepers] {
        match fs::create_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    if !keepers.join("cgroup.kill").exists() {
        let _ = fs::remove_dir(&keepers);
        let _ = fs::remove_dir(&home);
        return Err(io::Error::other("it is no control group of version 2"));
    }
    for left in fs::read_dir(&home)? {
        let left = left?;
        if left.file_name().to_string_lossy().starts_with(STEP) {
            end(&left.path());
        }
    }
    try_to_enter(&keepers)?;
    Ok(home)
}

/// Kills what is in a group and removes it. One whose processes take a while to die is removed
/// by the next start.
pub(super) fn end(group: &Path) {
    if kill(group).is_ok() {
        let _ = fs::remove_dir(group);
    }
}

/// The group of the step of this keeper.
pub(super) fn of_step(home: &Path, keeper: u32) -> PathBuf {
    home.join(format!("{STEP}{keeper}"))
}

/// Moves a process there, as keepers are going to move themselves.
fn try_to_enter(group: &Path) -> io::Result<()> {
    let tried = Command::new("/bin/sh")
        .args(["-c", "echo 0 > \"$1/cgroup.procs\"", "-"])
        .arg(group)
        .output()?;
    if tried.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    let said: String = said.trim().chars().take(300).collect();
    Err(io::Error::other(format!(
        "no process can be moved into it: {said}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_directory_is_refused_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let error = prepare(folder.path(), "one").unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(prepare(&folder.path().join("misspelt"), "one").is_err());
    }
}
