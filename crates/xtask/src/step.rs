//! The steps of a longer task: each is announced, timed and counted, and a table at the end says
//! what became of all.

use std::fmt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;

use crate::process;

/// No step may run longer; then it and all it started are killed, and it has failed.
const LIMIT: Duration = Duration::from_mins(40);

/// What became of a step.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed => f.write_str("FAILED"),
            Self::Skipped(why) => write!(f, "skipped: {why}"),
        }
    }
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration, Outcome)>,
}

impl Steps {
    /// Runs a command of ours, its output shown as it comes; answers whether it passed.
    pub(crate) fn command(&mut self, name: &'static str, command: &mut Command) -> bool {
        self.command_within(LIMIT, name, command)
    }

    /// The same with a limit of its own.
    pub(crate) fn command_within(
        &mut self,
        limit: Duration,
        name: &'static str,
        command: &mut Command,
    ) -> bool {
        eprintln!("\n── {name}: {}", process::shown(command));
        self.timed(name, || {
            let status = within(limit, command.spawn().context("it could not be started")?)?;
            anyhow::ensure!(status.success(), "{status}");
            Ok(())
        })
    }

    /// Runs a deed of ours; answers whether it passed.
    pub(crate) fn deed(
        &mut self,
        name: &'static str,
        deed: impl FnOnce() -> anyhow::Result<()>,
    ) -> bool {
        eprintln!("\n── {name}");
        self.timed(name, deed)
    }

    /// Notes that a step was left out, and why; that is no failure.
    pub(crate) fn skip(&mut self, name: &'static str, why: impl Into<String>) {
        let why = why.into();
        eprintln!("\n── {name} is skipped: {why}");
        self.done
            .push((name, Duration::ZERO, Outcome::Skipped(why)));
    }

    /// Says whether no step has failed.
    pub(crate) fn passed(&self) -> bool {
        self.done
            .iter()
            .all(|(_, _, outcome)| *outcome != Outcome::Failed)
    }

    /// Prints the table of all steps and answers whether none failed.
    pub(crate) fn summary(&self) -> bool {
        println!("\n{:<28} {:>8}  outcome", "step", "seconds");
        for (name, took, outcome) in &self.done {
            println!("{name:<28} {:>8.1}  {outcome}", took.as_secs_f64());
        }
        let total: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        println!("{:<28} {:>8.1}  {verdict}", "all", total.as_secs_f64());
        self.passed()
    }

    fn timed(&mut self, name: &'static str, deed: impl FnOnce() -> anyhow::Result<()>) -> bool {
        let begun = Instant::now();
        let outcome = match deed() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                Outcome::Failed
            }
        };
        let passed = outcome == Outcome::Passed;
        self.done.push((name, begun.elapsed(), outcome));
        passed
    }
}

/// Waits for a child's end; at the limit it and everything below it are killed.
fn within(limit: Duration, mut child: Child) -> anyhow::Result<ExitStatus> {
    let mut status = None;
    let ended = process::wait_until("it", limit, || {
        status = child.try_wait()?;
        Ok(status.is_some())
    });
    if let Some(status) = status {
        return Ok(status);
    }
    for member in process::family(child.id()) {
        process::signal(member, Signal::KILL)?;
    }
    child.wait()?;
    ended.and(Err(anyhow::anyhow!("it has no status")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_task_and_a_skipped_one_does_not() {
        let mut steps = Steps::default();
        assert!(steps.command("true", &mut Command::new("true")));
        steps.skip("later", "not today");
        assert!(steps.summary());
        assert!(!steps.command("false", &mut Command::new("false")));
        assert!(!steps.command("nothing", &mut Command::new("/nonexistent")));
        assert!(!steps.summary());
    }

    #[test]
    fn a_step_over_its_limit_is_killed_with_its_children() {
        let mut command = Command::new("sh");
        let child = command.args(["-c", "sleep 600 & wait"]).spawn().unwrap();
        let pid = child.id();
        process::wait_until("the child", LIMIT, || Ok(process::family(pid).len() == 2)).unwrap();
        let family = process::family(pid);
        assert!(within(Duration::ZERO, child).is_err());
        process::wait_until("the end", LIMIT, || {
            Ok(family.iter().all(|pid| process::is_gone(*pid)))
        })
        .unwrap();
    }
}
