//! A step that is an operation of an outside tool: its connector decides what comes next, and this
//! sends it, waits and logs.
//!
//! **Invariants:** what a later attempt must know to go on is written to the workspace before it can
//! be needed. A start that is under way is waited for, also by a stop, because only its answer says
//! what there is to stop. A stop reaches the tool; an attempt that is given back or isn't ours any
//! more leaves alone what runs there.

mod exchange;
mod left;

use std::time::Duration;

use contracts::message::Stream;
use contracts::pipeline::Outcome;
use steps::connector::{self, Deed, End, Facts, Heard, Job, Machine, Note, Verdict};
use steps::kinds::ToolCall;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Ending, StepTry, Told};
use crate::log::{Lines, StepLog};

/// What is logged at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// Sees an operation through.
pub(super) async fn carry_out(
    step: &StepTry,
    call: ToolCall,
    timeout_ms: u64,
    log: &StepLog,
    told: watch::Receiver<Told>,
) -> Ending {
    let Ok(tool) = serde_json::from_slice::<connector::Tool>(&step.tool) else {
        return Ending::failed("this step was granted no tool that can be read");
    };
    let secrets: Vec<Vec<u8>> = tool
        .secrets
        .iter()
        .map(|it| it.clone().into_bytes())
        .collect();
    step.journal.hide(secrets.iter());
    let left = left::Left::of(step);
    let job = Job {
        tool,
        kind: call.kind,
        operation: call.operation,
        with: call.with,
        every: call.every,
        facts: facts(step),
        left: left.of_earlier(),
    };
    let machine = match job.begin() {
        Ok(machine) => machine,
        Err(why) => return Ending::failed(why),
    };
    step.started("tool");
    let conversation = Conversation {
        step,
        log,
        left,
        lines: Lines::of(Stream::Stdout),
        told,
        timeout_ms,
        timeout_at: Instant::now() + Duration::from_millis(timeout_ms),
        stop: None,
        is_stop_due: false,
        is_leaving: false,
    };
    conversation.hold(machine).await
}

fn facts(step: &StepTry) -> Facts {
    Facts {
        id: step.facts.run_id.clone(),
        count: step.facts.run_count,
        pipeline: step.facts.pipeline_id.clone(),
        pipeline_name: step.facts.pipeline_name.clone(),
        step: step.of.step.clone(),
        r#try: step.of.number,
    }
}

/// That it is to end, and by when.
#[derive(Debug, Clone, Copy)]
struct Stop {
    is_hard: bool,
    is_timeout: bool,
    by: Instant,
}

/// What came of something that was waited for.
enum Waited<T> {
    /// It came.
    For(T),
    /// It was given up for a stop.
    Stopped,
}

struct Conversation<'a> {
    step: &'a StepTry,
    log: &'a StepLog,
    left: left::Left,
    lines: Lines,
    told: watch::Receiver<Told>,
    timeout_ms: u64,
    timeout_at: Instant,
    stop: Option<Stop>,
    /// The machine has not heard of the stop yet.
    is_stop_due: bool,
    /// The attempt goes; what runs in the tool stays.
    is_leaving: bool,
}

impl Conversation<'_> {
    async fn hold(mut self, mut machine: Machine) -> Ending {
        let ending = self.go_through(&mut machine).await;
        let (Ok(ending) | Err(ending)) = ending;
        let last: Vec<_> = self.lines.finish(&self.log.mask()).into_iter().collect();
        // What was written last has room in a moment or not at all: nothing may hold an end up.
        let _ = tokio::time::timeout(self.step.kit.grace, self.log.write(last)).await;
        if !self.is_leaving && !ending.is_cut {
            self.left.end(ending.is_well());
        }
        ending
    }

    async fn go_through(&mut self, machine: &mut Machine) -> Result<Ending, Ending> {
        let mut heard = Heard::Begin;
        loop {
            let next = machine.next(heard);
            for note in next.notes {
                self.take_note(note).await?;
            }
            if self.is_leaving {
                return Err(Ending::cancelled());
            }
            if let (true, Some(stop)) = (self.is_stop_due, self.stop)
                && !matches!(next.deed, Deed::End(_))
            {
                self.is_stop_due = false;
                let hard = stop.is_hard;
                heard = Heard::Stop { hard };
                continue;
            }
            let waited = match next.deed {
                Deed::End(end) => return Ok(self.ending(end)),
                Deed::Wait(pause) => {
                    let pause = async {
                        tokio::time::sleep(pause).await;
                        Heard::Waited
                    };
                    self.wait(pause, true).await?
                }
                Deed::Send(ask) => {
                    let is_repeatable = ask.is_repeatable;
                    let asked = exchange::ask(self.step, ask);
                    match self.wait(asked, is_repeatable).await? {
                        Waited::For(Ok(heard)) => Waited::For(heard),
                        Waited::For(Err(denied)) => return Err(Ending::failed(denied.to_string())),
                        Waited::Stopped => Waited::Stopped,
                    }
                }
            };
            heard = match waited {
                Waited::For(heard) => heard,
                Waited::Stopped => {
                    self.is_stop_due = false;
                    let hard = self.stop.is_some_and(|stop| stop.is_hard);
                    Heard::Stop { hard }
                }
            };
        }
    }

    /// Waits for something, or gives it up for a stop if that may be.
    async fn wait<T>(
        &mut self,
        work: impl Future<Output = T>,
        may_be_dropped: bool,
    ) -> Result<Waited<T>, Ending> {
        let mut work = std::pin::pin!(work);
        let mut is_told = true;
        loop {
            let stop_by = self.stop.map(|stop| stop.by);
            let is_timely = self.stop.is_none();
            tokio::select! {
                biased;
                changed = self.told.changed(), if is_told => {
                    is_told = changed.is_ok();
                    let told = if is_told { *self.told.borrow_and_update() } else { Told::Drop };
                    self.hear(told);
                }
                () = self.step.kit.lease.lapsed() => {
                    return Err(Ending { is_cut: true, ..Ending::cancelled() });
                }
                () = tokio::time::sleep_until(self.timeout_at), if is_timely => {
                    self.begin_stop(false, true);
                }
                () = by(stop_by) => return Err(self.overdue()),
                done = &mut work => return Ok(Waited::For(done)),
            }
            if self.is_leaving && may_be_dropped {
                return Err(Ending::cancelled());
            }
            if self.is_stop_due && may_be_dropped {
                return Ok(Waited::Stopped);
            }
        }
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Nothing => {}
            Told::Leave | Told::Drop => {
                self.is_leaving = true;
                let by = Instant::now() + self.step.kit.grace;
                self.stop.get_or_insert(Stop {
                    is_hard: false,
                    is_timeout: false,
                    by,
                });
            }
            Told::Term => self.begin_stop(false, false),
            Told::Kill => self.begin_stop(true, false),
        }
    }

    fn begin_stop(&mut self, is_hard: bool, is_timeout: bool) {
        self.is_leaving = false;
        let is_harder = self.stop.is_none_or(|before| is_hard && !before.is_hard);
        if is_harder {
            let is_timeout = self.stop.map_or(is_timeout, |before| before.is_timeout);
            let by = Instant::now() + self.step.kit.grace;
            self.stop = Some(Stop {
                is_hard,
                is_timeout,
                by,
            });
            self.is_stop_due = true;
        }
    }

    async fn take_note(&mut self, note: Note) -> Result<(), Ending> {
        match note {
            Note::Say(text) => self.log.say(text),
            Note::Hide(secret) => {
                let secret = secret.into_bytes();
                self.step.journal.hide(std::iter::once(&secret));
            }
            Note::Checkpoint(record) => {
                if let Err(error) = self.left.keep(record, &self.log.mask()) {
                    return Err(Ending::failed(format!(
                        "what was started can't be noted down: {error}"
                    )));
                }
                // A workspace that can't be saved now may be saved when the step has ended.
                let step = self.step;
                let saved = async { step.workspace.save().await };
                if let Waited::For(Err(fault)) = self.wait(saved, true).await? {
                    tracing::warn!("{fault}");
                }
            }
            Note::Output(text) => self.put_out(&text).await?,
            Note::Cut => {
                let last: Vec<_> = self.lines.finish(&self.log.mask()).into_iter().collect();
                let log = self.log;
                self.wait(log.write(last), true).await?;
            }
        }
        Ok(())
    }

    /// Logs what the tool wrote, no faster than it is shipped.
    async fn put_out(&mut self, mut text: &[u8]) -> Result<(), Ending> {
        while !text.is_empty() {
            let taken = self.lines.take(&mut text, &self.log.mask(), CHUNK);
            let log = self.log;
            if let Waited::Stopped = self.wait(log.write(taken), true).await? {
                log.cut_off();
                return Ok(());
            }
        }
        Ok(())
    }

    fn ending(&self, end: End) -> Ending {
        let End {
            verdict,
            message,
            outputs,
        } = end;
        let ending = match (self.stop, verdict) {
            (Some(_), Verdict::Left) => self.stopped(&message),
            (Some(_), _) => self.stopped(""),
            (None, Verdict::Succeeded) => Ending {
                outcome: Outcome::Succeeded,
                ..Ending::default()
            },
            (None, Verdict::Warned) => Ending {
                outcome: Outcome::Warned,
                message,
                ..Ending::default()
            },
            // It was cancelled there: nobody here said so.
            (None, Verdict::Failed | Verdict::Cancelled | Verdict::Left) => Ending::failed(message),
        };
        let outputs = outputs.into_iter().collect();
        Ending { outputs, ..ending }
    }

    fn overdue(&self) -> Ending {
        self.stopped("the tool has not ended it in time, so it may go on there")
    }

    fn stopped(&self, more: &str) -> Ending {
        let is_timeout = self.stop.is_some_and(|stop| stop.is_timeout);
        let ending = if is_timeout {
            Ending::timed_out(self.timeout_ms)
        } else {
            Ending::cancelled()
        };
        let message = match more {
            "" => ending.message,
            more => format!("{}: {more}", ending.message),
        };
        Ending { message, ..ending }
    }
}

async fn by(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
