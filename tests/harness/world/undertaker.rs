//! Kills what is left when the test itself is killed and can't: a shell that waits for our end.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// Reads process groups, a line each, and kills them when its input ends.
const SCRIPT: &str = "groups=; while read -r group; do groups=\"$groups -$group\"; done; \
                      kill -9 $groups 2>/dev/null";

/// Waits for the end of this process. Dropped, it has nothing to do.
#[derive(Debug)]
pub(super) struct Undertaker(Mutex<Child>);

impl Undertaker {
    pub(super) fn hire() -> Self {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(Mutex::new(shell.expect("sh can be started")))
    }

    /// Notes a process that leads its group.
    pub(super) fn note(&self, pid: u32) {
        let mut shell = self.0.lock().expect("nobody panics in here");
        if let Some(input) = shell.stdin.as_mut() {
            let _ = writeln!(input, "{pid}");
        }
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        if let Ok(shell) = self.0.get_mut() {
            let _ = shell.kill();
            let _ = shell.wait();
        }
    }
}
