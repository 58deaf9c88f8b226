//! A process of a step while it runs: what it writes is logged, what holds for it is passed on.
//!
//! **Invariant:** an end that its keeper may have brought about, because the lease was about to lapse,
//! is not taken for the step's own.

use std::pin::pin;
use std::time::Duration;

use contracts::message::Stream;
use contracts::pipeline::Outcome;
use futures::future::OptionFuture;
use keeper::monotonic_ns;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::lease::Term;
use crate::log::{Lines, StepLog};
use crate::process::{Exit, Process};
use crate::step::{Ending, StepTry, Told};

/// How long the rest of the output may take to be logged once no process is left.
const REST: Duration = Duration::from_secs(5);
/// What a keeper may be early by, as far as this process can tell.
const PRECISION: Duration = Duration::from_millis(5);

/// A process being watched, and what was done about it.
pub(super) struct Watch {
    told: watch::Receiver<Told>,
    terms: watch::Receiver<Term>,
    grace: Duration,
    timeout_ms: u64,
    /// What its keeper was told last.
    pub(super) deadline_ns: u64,
    /// How long the lease is that the deadline comes from.
    lease: Duration,
    timeout_at: Instant,
    has_timed_out: bool,
    stopped_at: Option<Instant>,
    /// Its keeper may have begun to end it by itself, because the lease was about to lapse.
    was_in_jeopardy: bool,
}

impl Watch {
    pub(super) fn new(step: &StepTry, told: watch::Receiver<Told>, timeout_ms: u64) -> Self {
        let mut terms = step.kit.lease.follow();
        let Term {
            deadline_ns,
            length: lease,
            ..
        } = *terms.borrow_and_update();
        Self {
            told,
            terms,
            grace: step.kit.grace,
            timeout_ms,
            deadline_ns,
            lease,
            timeout_at: Instant::now() + Duration::from_millis(timeout_ms),
            has_timed_out: false,
            stopped_at: None,
            was_in_jeopardy: false,
        }
    }

    /// Logs what it writes and passes on what holds for it, until nothing of it is left.
    pub(super) async fn see_through(
        &mut self,
        mut process: Process,
        log: &StepLog,
    ) -> (Exit, Option<String>) {
        let out = process
            .stdout
            .take()
            .map(|it| log.follow(it, Lines::of(Stream::Stdout)));
        let err = process
            .stderr
            .take()
            .map(|it| log.follow(it, Lines::of(Stream::Stderr)));
        let reading = async { tokio::join!(OptionFuture::from(out), OptionFuture::from(err)) };
        let mut reading = pin!(reading);
        let mut read = None;
        let mut is_told = true;
        // What was told before it started is heard now.
        self.pass_on(&process);
        let exit = loop {
            tokio::select! {
                exit = process.wait() => break exit,
                warnings = &mut reading, if read.is_none() => read = Some(warnings),
                changed = self.told.changed(), if is_told => {
                    is_told = changed.is_ok();
                    self.pass_on(&process);
                }
                Ok(()) = self.terms.changed() => self.extend(&process),
                () = tokio::time::sleep_until(self.timeout_at), if !self.has_timed_out => {
                    self.has_timed_out = true;
                    process.term();
                }
            }
        };
        self.note_jeopardy();
        let warnings = match read {
            Some(warnings) => warnings,
            None => tokio::time::timeout(REST, reading)
                .await
                .unwrap_or_else(|_| {
                    log.cut_off();
                    (None, None)
                }),
        };
        (exit, warnings.0.flatten().or(warnings.1.flatten()))
    }

    fn pass_on(&mut self, process: &Process) {
        let told = *self.told.borrow_and_update();
        match told {
            Told::Nothing => return,
            Told::Leave | Told::Term => process.term(),
            Told::Drop | Told::Kill => process.kill(),
        }
        self.stopped_at.get_or_insert_with(Instant::now);
    }

    fn extend(&mut self, process: &Process) {
        self.note_jeopardy();
        let Term {
            deadline_ns,
            length,
            ..
        } = *self.terms.borrow_and_update();
        (self.deadline_ns, self.lease) = (deadline_ns, length);
        process.extend(self.deadline_ns);
    }

    /// Notes whether the deadline was so near that the keeper may have acted on it.
    fn note_jeopardy(&mut self) {
        let last = self.grace.min(self.lease / keeper::LAST_PART) + PRECISION;
        let last_ns = u64::try_from(last.as_nanos()).unwrap_or(u64::MAX);
        self.was_in_jeopardy |= monotonic_ns().saturating_add(last_ns) >= self.deadline_ns;
    }

    pub(super) fn judge(&self, exit: Exit, warning: Option<String>) -> Ending {
        let ending = judged(exit, warning);
        if let Some(stopped_at) = self.stopped_at {
            metrics::histogram!("penstock_stop_seconds").record(stopped_at.elapsed().as_secs_f64());
            return Ending {
                exit_code: ending.exit_code,
                ..Ending::cancelled()
            };
        }
        if self.has_timed_out {
            return Ending {
                exit_code: ending.exit_code,
                ..Ending::timed_out(self.timeout_ms)
            };
        }
        let is_cut = self.was_in_jeopardy && !ending.is_well();
        Ending { is_cut, ..ending }
    }
}

/// What an exit means by itself.
fn judged(exit: Exit, warning: Option<String>) -> Ending {
    match (exit, warning) {
        (Exit::Code(0), None) => Ending {
            outcome: Outcome::Succeeded,
            exit_code: Some(0),
            ..Ending::default()
        },
        (Exit::Code(0), Some(message)) => Ending {
            outcome: Outcome::Warned,
            exit_code: Some(0),
            message,
            ..Ending::default()
        },
        (Exit::Code(code), _) => {
            let failed = Ending::failed(format!("ended with exit code {code}"));
            Ending {
                exit_code: Some(code),
                ..failed
            }
        }
        (Exit::Signal(signal), _) => {
            let failed = Ending::failed(format!("was ended by signal {signal}"));
            Ending {
                exit_code: Some(128 + signal),
                ..failed
            }
        }
        (Exit::Failed(reason), _) => Ending::failed(reason),
        (Exit::Lost, _) => {
            Ending::failed("the keeper of its processes was killed, and so were they")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_means_what_it_says() {
        let warning = || Some("careful".to_owned());
        for (exit, warning, outcome, exit_code, message) in [
            (Exit::Code(0), None, Outcome::Succeeded, Some(0), ""),
            (
                Exit::Code(0),
                warning(),
                Outcome::Warned,
                Some(0),
                "careful",
            ),
            (
                Exit::Code(3),
                warning(),
                Outcome::Failed,
                Some(3),
                "ended with exit code 3",
            ),
            (
                Exit::Signal(9),
                None,
                Outcome::Failed,
                Some(137),
                "was ended by signal 9",
            ),
            (
                Exit::Failed("no sh".into()),
                None,
                Outcome::Failed,
                None,
                "no sh",
            ),
        ] {
            let ending = judged(exit, warning);
            assert_eq!((ending.outcome, ending.exit_code), (outcome, exit_code));
            assert_eq!(ending.message, message);
        }
    }
}
