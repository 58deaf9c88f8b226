//! Starts the main process of a step.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Pid;

use crate::message::Spec;

/// Where a program is searched when the step has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Starts the process in a group of its own, or says in words for the step's author why not.
///
/// It gets these two files as standard output and error, and none of this process's own.
pub(crate) fn spawn(spec: &Spec, [out, err]: [OwnedFd; 2]) -> Result<Pid, String> {
    let name = spec.argv.first().map_or("", String::as_str);
    if !spec.cwd.is_dir() {
        return Err(format!(
            "the working directory {} does not exist",
            spec.cwd.display()
        ));
    }
    let child = Command::new(program(name, spec)?)
        .arg0(name)
        .args(spec.argv.iter().skip(1))
        .env_clear()
        .envs(&spec.env)
        .current_dir(&spec.cwd)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("could not start `{name}`: {error}"))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| format!("`{name}` got an impossible process id"))
}

/// The file of a program. It is searched here and not by the system, which could then only start
/// it by forking, and could not say what it missed.
fn program(name: &str, spec: &Spec) -> Result<PathBuf, String> {
    if name.contains('/') {
        return Ok(PathBuf::from(name));
    }
    let path = spec.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    let mut files = path
        .split(':')
        .map(|folder| spec.cwd.join(folder).join(name));
    files
        .find(|file| is_executable(file))
        .ok_or_else(|| format!("there is no program `{name}` on the PATH ({path})"))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
