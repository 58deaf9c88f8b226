//! Processes known by a mark in their environment: the last resort against those whose keeper was
//! itself killed.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use crate::{monotonic_ns, table};

/// More environment than Linux lets a process start with, in bytes.
const ENVIRON_MAX_BYTES: u64 = 8 << 20;
/// How often it is looked for what the condemned have forked meanwhile.
const ROUNDS: usize = 16;
/// How long the condemned of a round may take to be gone.
const ROUND: Duration = Duration::from_secs(1);

/// The environment with which a process was started.
pub struct Environ(Vec<u8>);

impl Environ {
    fn of(pid: Pid) -> Option<Self> {
        let mut text = Vec::new();
        let file = File::open(format!("/proc/{pid}/environ")).ok()?;
        file.take(ENVIRON_MAX_BYTES).read_to_end(&mut text).ok()?;
        Some(Self(text))
    }

    /// The value of a variable, if it is there and is text.
    pub fn value(&self, name: &str) -> Option<&str> {
        let value = self
            .0
            .split(|&byte| byte == 0)
            .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
        std::str::from_utf8(value).ok()
    }
}

/// Kills all processes that `condemned` finds by their environment, and answers how many it
/// killed. It returns when none of them is left, or after some seconds if one can't die.
///
/// A process is seen only while this one may look into it, and by the environment it was started
/// with. The caller itself is never killed.
///
/// # Errors
/// The process table can't be read.
pub fn kill_marked(condemned: impl Fn(&Environ) -> bool) -> io::Result<usize> {
    let mut killed = 0;
    for _ in 0..ROUNDS {
        let dying = kill_round(&condemned)?;
        if dying.is_empty() {
            break;
        }
        killed += dying.len();
        let until = monotonic_ns() + u64::try_from(ROUND.as_nanos()).unwrap_or(u64::MAX);
        for process in &dying {
            wait_for_end(process, until);
        }
    }
    Ok(killed)
}

fn kill_round(condemned: &impl Fn(&Environ) -> bool) -> io::Result<Vec<OwnedFd>> {
    let mut dying = Vec::new();
    for pid in table::pids()?.into_iter().filter(|&pid| pid != getpid()) {
        // Opened before it is looked at, so what is killed is what was looked at.
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        if Environ::of(pid).is_some_and(|environ| condemned(&environ))
            && pidfd_send_signal(&pidfd, Signal::KILL).is_ok()
        {
            dying.push(pidfd);
        }
    }
    Ok(dying)
}

fn wait_for_end(process: &OwnedFd, until: u64) {
    let left = Duration::from_nanos(until.saturating_sub(monotonic_ns()));
    let timeout = Timespec::try_from(left).ok();
    let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], timeout.as_ref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let environ = Environ(b"RUN_ID=no\0RUN=a=b\0EMPTY=\0RAW=\xff\0".to_vec());
        assert_eq!(environ.value("RUN"), Some("a=b"));
        assert_eq!(environ.value("EMPTY"), Some(""));
        assert_eq!(environ.value("RU"), None);
        assert_eq!(environ.value("RAW"), None);
    }
}
