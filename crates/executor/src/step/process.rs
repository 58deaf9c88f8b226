//! A step that is a process: started under a keeper, watched, and judged by how it ended.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use contracts::message::Stream;
use contracts::pipeline::Outcome;
use futures::future::OptionFuture;
use keeper::monotonic_ns;
use steps::kinds::Process as Wanted;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Ending, StepTry, Told, environment};
use crate::lease::Term;
use crate::log::{Lines, StepLog};
use crate::process::{Error, Exit, Process, Spec};

/// How long the rest of the output may take to be logged once no process is left.
const REST: Duration = Duration::from_secs(5);

/// Runs a process to its end.
pub(super) async fn carry_out(
    step: &StepTry,
    wanted: Wanted,
    timeout_ms: u64,
    log: &StepLog,
    told: watch::Receiver<Told>,
) -> Ending {
    let output = output_file(step);
    let environment = match environment::of(step, wanted.env, &output) {
        Ok(environment) => environment,
        Err(why) => return Ending::failed(why),
    };
    let mut watch = Watch::new(step, told, timeout_ms);
    let spec = Spec {
        argv: wanted.argv,
        env: environment,
        cwd: step.workspace.path().to_owned(),
        grace_ms: u64::try_from(step.kit.grace.as_millis()).unwrap_or(u64::MAX),
        deadline_ns: watch.deadline_ns,
    };
    let started = match step.kit.keepers.start(&spec).await {
        Ok(process) => process,
        Err(error @ (Error::Spec(_) | Error::Keeper { .. } | Error::Lost)) => {
            return Ending::failed(runtime::fault::chain(&error));
        }
    };
    step.started("process");
    let (exit, warning) = watch.see_through(started, log).await;
    let mut ending = watch.judge(exit, warning);
    if ending.is_well() {
        match outputs(&output) {
            Ok(outputs) => ending.outputs = outputs,
            Err(why) => {
                ending = Ending {
                    exit_code: ending.exit_code,
                    ..Ending::failed(why)
                }
            }
        }
    }
    let _ = std::fs::remove_file(&output);
    ending
}

/// What a keeper may be early by, as far as this process can tell.
const PRECISION: Duration = Duration::from_millis(5);

/// A process being watched, and what was done about it.
struct Watch {
    told: watch::Receiver<Told>,
    terms: watch::Receiver<Term>,
    grace: Duration,
    timeout_ms: u64,
    /// What its keeper was told last.
    deadline_ns: u64,
    /// How long the lease is that the deadline comes from.
    lease: Duration,
    timeout_at: Instant,
    has_timed_out: bool,
    stopped_at: Option<Instant>,
    /// Its keeper may have begun to end it by itself, because the lease was about to lapse.
    was_in_jeopardy: bool,
}

impl Watch {
    fn new(step: &StepTry, told: watch::Receiver<Told>, timeout_ms: u64) -> Self {
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
    async fn see_through(&mut self, mut process: Process, log: &StepLog) -> (Exit, Option<String>) {
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
            Told::Term => process.term(),
            Told::Kill => process.kill(),
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

    fn judge(&self, exit: Exit, warning: Option<String>) -> Ending {
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

/// Where a try writes its outputs. Nothing is there until it does.
fn output_file(step: &StepTry) -> PathBuf {
    let facts = &step.facts;
    let name: String = format!(
        "{}.{}.{}.{}",
        facts.run_id, facts.attempt, step.of.step, step.of.number
    );
    step.kit.outputs.join(name.replace('/', "-"))
}

fn outputs(path: &Path) -> Result<std::collections::HashMap<String, String>, String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| {
        file.take(steps::outputs::MAX_BYTES as u64 + 1)
            .read_to_end(&mut text)
    });
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok([].into()),
        Err(error) => return Err(format!("the output file can't be read: {error}")),
    }
    let outputs = steps::outputs::parse(&text).map_err(|error| error.to_string())?;
    Ok(outputs.into_iter().collect())
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
