//! Processes that outlive the command that started them: who they are, how they are told, when they
//! are gone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, anyhow, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// How many bytes of a log an error quotes.
const TAIL: usize = 2_000;

/// Waits until `ready` answers true; after `limit` the error says `what` was waited for.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while !ready()? {
        if Instant::now() >= deadline {
            bail!("{what} took longer than {} s", limit.as_secs());
        }
        pause();
    }
    Ok(())
}

/// Lets a moment pass between two looks at a condition.
#[allow(
    clippy::disallowed_methods,
    reason = "a task polls, and blocks no worker of a runtime"
)]
fn pause() {
    thread::sleep(POLL);
}

/// Sends `signal` to a process; one that is gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    match kill_process(valid(pid)?, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("process {pid} could not be signalled")),
    }
}

/// Says whether a process has ended, reaping it where it is a child of ours.
pub(crate) fn is_gone(pid: u32) -> bool {
    if let Ok(pid) = valid(pid) {
        // It is a child only if this very process started it; else there is nothing to reap.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
    stat(pid).is_none_or(|stat| stat.state == 'Z')
}

/// Says whether `pid` runs and names `path` in its command line, so that a number that was given
/// anew isn't mistaken.
pub(crate) fn runs_with(pid: u32, path: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    !is_gone(pid) && String::from_utf8_lossy(&line).contains(&*path.to_string_lossy())
}

/// A process and everything below it, parents before children.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let all: Vec<Stat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| stat(entry.ok()?.file_name().to_str()?.parse().ok()?))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(
            all.iter()
                .filter(|stat| stat.parent == parent)
                .map(|stat| stat.pid),
        );
        next += 1;
    }
    family
}

/// An error that ends with the last lines of the log that may explain it.
pub(crate) fn with_tail(error: &anyhow::Error, log: &Path) -> anyhow::Error {
    let text = fs::read(log).unwrap_or_default();
    let tail = String::from_utf8_lossy(&text[text.len().saturating_sub(TAIL)..]);
    anyhow!(
        "{error:#}\nthe end of {}:\n{}",
        log.display(),
        tail.trim_end()
    )
}

/// A command line as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

struct Stat {
    pid: u32,
    state: char,
    parent: u32,
}

/// What the kernel says about a process; the name in parentheses may itself hold spaces and
/// parentheses.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some(Stat {
        pid,
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
    })
}

fn valid(pid: u32) -> anyhow::Result<Pid> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
    number.with_context(|| format!("{pid} is no process id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(
        clippy::zombie_processes,
        reason = "that `is_gone` reaps it is what is tested"
    )]
    fn a_killed_child_is_gone_though_nobody_waited_for_it() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        assert!(!is_gone(pid) && family(std::process::id()).contains(&pid));
        signal(pid, Signal::KILL).unwrap();
        wait_until("the end", Duration::from_secs(5), || Ok(is_gone(pid))).unwrap();
        signal(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn a_wait_ends_at_its_deadline_and_names_what_was_missing() {
        let error = wait_until("the moon", Duration::ZERO, || Ok(false)).unwrap_err();
        assert_eq!(error.to_string(), "the moon took longer than 0 s");
    }
}
