//! The machine's process table, as `/proc` shows it: rows that are out of date as soon as they
//! are read, and how to signal a process without hitting another that got its number.

use std::fs::{self, File};
use std::io::{self, Read};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// A process as it was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) pid: Pid,
    /// The parent's id; 0 for a process whose parent is out of sight.
    pub(crate) parent: i32,
    /// Its process group.
    pub(crate) group: i32,
    /// Whether it is stopped, and would not act on a signal before it continues.
    pub(crate) is_stopped: bool,
    /// When it started, in clock ticks: with the id, this names a process.
    started: u64,
}

/// The ids of all processes, the newest (by number) first.
pub(crate) fn pids() -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?;
    let mut pids: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(pids.into_iter().filter_map(Pid::from_raw).collect())
}

/// The row of a process, unless it is gone.
pub(crate) fn row(pid: Pid) -> Option<Row> {
    // Longer than any such line can be: a name of 64 bytes and some fifty numbers.
    let mut line = [0; 2048];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut line).ok()?;
    parse(pid, line.get(..length)?)
}

/// Reads a line of `/proc/<pid>/stat`. The name in it may contain anything, brackets too.
fn parse(pid: Pid, line: &[u8]) -> Option<Row> {
    let name_end = line.iter().rposition(|&byte| byte == b')')?;
    let mut fields = std::str::from_utf8(line.get(name_end + 1..)?)
        .ok()?
        .split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    // The 22nd field of the line; the group was the fifth.
    let started = fields.nth(16)?.parse().ok()?;
    Some(Row {
        pid,
        parent,
        group,
        is_stopped: state == "T",
        started,
    })
}

/// Does `act` while the process of this row is surely not another one, and says whether it was
/// still there to do it to.
pub(crate) fn while_pinned(
    known: &Row,
    act: impl FnOnce(&dyn Fn(Signal) -> Result<(), Errno>),
) -> bool {
    let pidfd = pidfd_open(known.pid, PidfdFlags::empty());
    match pidfd {
        Err(Errno::NOSYS) => act(&|signal| kill_process(known.pid, signal)),
        Err(_) => return false,
        Ok(_) if row(known.pid).is_none_or(|now| now.started != known.started) => return false,
        Ok(pidfd) => act(&|signal| pidfd_send_signal(&pidfd, signal)),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(raw: i32) -> Pid {
        Pid::from_raw(raw).unwrap()
    }

    #[test]
    fn a_name_full_of_brackets_and_spaces_is_read_over() {
        let line = b"42 (a) T 1 (b) T 7 40 41 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2\n";
        let row = parse(pid(42), line).unwrap();
        assert_eq!((row.parent, row.group, row.started), (7, 40, 98765));
        assert!(row.is_stopped);
    }

    #[test]
    fn a_line_that_was_cut_is_no_row() {
        assert_eq!(parse(pid(42), b"42 (a) S 7 40"), None);
        assert_eq!(parse(pid(42), b""), None);
    }

    #[test]
    fn this_process_has_a_row() {
        let own = row(rustix::process::getpid()).unwrap();
        assert_eq!(
            Some(own.parent),
            rustix::process::getppid().map(Pid::as_raw_pid)
        );
        assert!(pids().unwrap().contains(&own.pid));
    }

    #[test]
    fn a_number_that_went_to_another_process_is_left_alone() {
        let mut other = row(rustix::process::getpid()).unwrap();
        other.started += 1;
        assert!(!while_pinned(&other, |_| panic!("signalled a stranger")));
    }
}
