//! Served steps: operations of tools that an outside consumer carries out.
//!
//! An executor is granted the step like any other; once its tool is known to be served outside, the try
//! is handed over, and what the consumer replies is its end.
//!
//! **Invariants:** a reply counts for the try that it names as long as that is open, and each only
//! once. A step that is killed, or is not done soon enough after a cancel, ends without a reply;
//! whoever serves it is told whenever a step is to stop or nobody waits for it any more.

use std::collections::BTreeMap;

use steps::flow::StepState;
use steps::outputs;

use super::{EndCause, News, Outcome, Run, StopMode};

/// How long a step that is cancelled has to end, in milliseconds.
const GRACE_MS: i64 = 30_000;
/// Lines of a try that are kept.
const LINES: u32 = 1000;

/// What was heard of a step's latest try.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// The highest number of what was said about it.
    pub heard: u64,
    /// Lines that it has in the log.
    pub lines: u32,
}

/// What a consumer replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It carries the request out.
    Accepted {
        /// Who, for people.
        by: String,
    },
    /// How it goes.
    Progressed {
        /// Ascending within the request; 0 if it has none.
        sequence: u64,
        /// For the log.
        lines: Vec<String>,
    },
    /// It is done with it.
    Ended {
        /// What it came to; a timeout is none of a consumer's.
        outcome: Outcome,
        /// In words.
        message: String,
        /// For later steps.
        outputs: BTreeMap<String, String>,
    },
}

/// What came of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It counts.
    Recorded,
    /// It says what is known.
    Repeated,
    /// Its try is not open, or not any more.
    Late,
    /// The run has no such step, or there is no such run.
    Unknown,
}

impl Hearing {
    /// The word of it in a metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Repeated => "repeated",
            Self::Late => "late",
            Self::Unknown => "unknown",
        }
    }
}

impl Run {
    /// A try that was granted is handed over to whoever serves its tool. Answers whether it is to be
    /// requested; not if a stop came first, or if it isn't running.
    pub fn hand_over(&mut self, position: usize, of_try: u32, tool: &str, now_ms: i64) -> bool {
        let planned = &self.plan.steps[position];
        let is_wanted = match self.stop.as_ref().map(|stop| stop.mode) {
            None => true,
            Some(StopMode::Graceful | StopMode::Cancel) => planned.always,
            Some(StopMode::Kill) => false,
        };
        let limit_ms = i64::try_from(planned.timeout_ms).ok().filter(|it| *it > 0);
        let step = &mut self.steps[position];
        if step.progress.state != StepState::Running || step.progress.tries != of_try {
            return false;
        }
        if is_wanted {
            step.progress.state = StepState::Waiting {
                until_ms: limit_ms.map(|limit_ms| now_ms.saturating_add(limit_ms)),
            };
            step.served = Served::default();
            step.message = format!("requested of whoever serves {tool}");
            step.changed = true;
            self.news.push(News::Step(position));
        } else {
            self.end_step(position, StepState::Cancelled, now_ms);
        }
        self.settle(now_ms);
        is_wanted
    }

    /// Whether a consumer's outcome is awaited for a step.
    pub fn is_served(&self, position: usize) -> bool {
        let is_tool = matches!(self.plan.steps[position].kind, steps::Kind::Tool(_));
        let state = self.steps[position].progress.state;
        is_tool && matches!(state, StepState::Waiting { .. })
    }

    /// Until when the outcome of a served step is awaited, 0 for ever; nothing if it isn't.
    pub fn awaited_until(&self, position: usize) -> Option<i64> {
        let state = self.steps[position].progress.state;
        if let StepState::Waiting { until_ms } = state {
            return Some(until_ms.unwrap_or_default());
        }
        None
    }

    /// A consumer replies about a try of a step. `random` in 0..1 spreads retries.
    pub fn hear(
        &mut self,
        (step_id, of_try): (&str, u32),
        reply: Reply,
        now_ms: i64,
        random: f64,
    ) -> Hearing {
        let Some(position) = self.plan.index_of(step_id) else {
            return Hearing::Unknown;
        };
        if !self.is_served(position) || self.steps[position].progress.tries != of_try {
            return Hearing::Late;
        }
        match reply {
            Reply::Accepted { by } => self.accepted(position, &by),
            Reply::Progressed { sequence, lines } => self.progressed(position, sequence, lines),
            Reply::Ended {
                outcome,
                message,
                outputs,
            } => {
                self.served_ended(position, (outcome, message, outputs), (now_ms, random));
                Hearing::Recorded
            }
        }
    }

    fn accepted(&mut self, position: usize, by: &str) -> Hearing {
        let step = &mut self.steps[position];
        let message = match by {
            "" => "accepted".to_owned(),
            by => format!("accepted by {by}"),
        };
        if step.message == message {
            return Hearing::Repeated;
        }
        (step.message, step.changed) = (message, true);
        self.news.push(News::Step(position));
        Hearing::Recorded
    }

    fn progressed(&mut self, position: usize, sequence: u64, mut lines: Vec<String>) -> Hearing {
        let step = &mut self.steps[position];
        if sequence > 0 && sequence <= step.served.heard {
            return Hearing::Repeated;
        }
        let had = step.served.lines;
        let room = LINES.saturating_sub(had);
        let count = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        if count > room {
            lines.truncate(room as usize);
            if room > 0 || had == LINES {
                lines.push(format!("what follows the first {LINES} lines is left out"));
            }
        }
        step.served = Served {
            heard: step.served.heard.max(sequence),
            // One more than there is room for, once it was said that lines are left out.
            lines: had.saturating_add(count).min(LINES + 1),
        };
        step.changed = true;
        if !lines.is_empty() {
            self.news.push(News::Said { position, lines });
        }
        Hearing::Recorded
    }

    fn served_ended(
        &mut self,
        position: usize,
        (outcome, message, outputs): (Outcome, String, BTreeMap<String, String>),
        (now_ms, random): (i64, f64),
    ) {
        let is_stopped = self.stop.is_some();
        let step = &mut self.steps[position];
        (step.message, step.ended_at_ms, step.changed) = (message, Some(now_ms), true);
        let outcome = match outputs::check(&outputs) {
            Ok(()) => {
                step.outputs = outputs;
                outcome
            }
            Err(why) => {
                step.message = format!("its outputs can't be taken: {why}");
                Outcome::Failed
            }
        };
        match outcome {
            Outcome::Succeeded => step.progress.state = StepState::Succeeded,
            Outcome::Warned => step.progress.state = StepState::Warned,
            Outcome::Cancelled if is_stopped => step.progress.state = StepState::Cancelled,
            Outcome::Cancelled | Outcome::Failed => {
                self.failed(position, EndCause::StepFailed, now_ms, random);
            }
            Outcome::TimedOut => self.failed(position, EndCause::StepTimedOut, now_ms, random),
        }
        self.lost_in_a_row = 0;
        self.news.push(News::Step(position));
        self.settle(now_ms);
    }

    /// Tells whoever serves open steps of a stop, and ends those that a kill doesn't wait for.
    /// Finalizers finish, but for a kill.
    pub(super) fn stop_served(&mut self, mode: StopMode, now_ms: i64) {
        for position in 0..self.steps.len() {
            if !self.is_served(position) {
                continue;
            }
            match mode {
                StopMode::Kill => {
                    self.steps[position].message = "the run was killed".into();
                    self.end_step(position, StepState::Cancelled, now_ms);
                }
                StopMode::Graceful | StopMode::Cancel if self.plan.steps[position].always => {}
                StopMode::Graceful => self.news.push(News::Recalled(position)),
                StopMode::Cancel => {
                    let step = &mut self.steps[position];
                    if let StepState::Waiting { until_ms } = &mut step.progress.state {
                        let grace_ms = now_ms.saturating_add(GRACE_MS);
                        *until_ms = Some(until_ms.map_or(grace_ms, |it| it.min(grace_ms)));
                    }
                    step.changed = true;
                    self.news.push(News::Recalled(position));
                }
            }
        }
    }

    /// The time of a served step is over.
    pub(super) fn served_overdue(&mut self, position: usize, now_ms: i64) {
        let is_cancelled = self
            .stop
            .as_ref()
            .is_some_and(|stop| stop.mode >= StopMode::Cancel);
        let planned = &self.plan.steps[position];
        if is_cancelled && !planned.always {
            self.steps[position].message = "whoever serves it did not end it after the stop".into();
            self.end_step(position, StepState::Cancelled, now_ms);
            return;
        }
        let limit = std::time::Duration::from_millis(planned.timeout_ms);
        let limit = steps::duration::format(limit);
        let step = &mut self.steps[position];
        step.message =
            format!("whoever serves it did not end it within {limit}, which is its time");
        (step.ended_at_ms, step.changed) = (Some(now_ms), true);
        self.news.push(News::Recalled(position));
        // Nothing was decided by chance: there is one time that all who wait for it know.
        self.failed(position, EndCause::StepTimedOut, now_ms, 0.5);
        self.news.push(News::Step(position));
    }
}
