//! A run: what may happen to it, decided without I/O.
//!
//! The store reads a [`Run`] under its row's lock, tells it what happened, and writes back what
//! changed together with the [`News`] that it left. Every method ends in [`Run::settle`], which
//! looks at what is and decides what follows, whatever came before.
//!
//! **Invariants:** I2 (states follow the graph), I4 (an ended attempt's report is refused), I8
//! (after a stop nothing starts but finalizers).

use std::collections::BTreeMap;
use std::sync::Arc;

use steps::Plan;
use steps::definition::OnLost;
use steps::flow::{self, Phase, StepState};

use crate::state::{End, Event, State};

mod child;
mod gate;
mod lost;
mod report;
mod resume;
mod stop;
#[cfg(test)]
mod tests;

pub use child::ChildEnd;
pub use gate::{Decision, Refusal};
pub use report::{Outcome, StepReport};
pub use stop::{Stop, StopMode};

/// Attempts that may be lost one after the other without a newly finished step between them.
pub const LOST_IN_A_ROW: u32 = 3;
/// How often an executor that works beside an open outside step looks whether more is to do.
const LOOK_MS: i64 = 2000;

/// Who did something, as the caller's service told.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Actor {
    /// A user's id, or `system`.
    pub user_id: String,
    /// For people.
    pub name: String,
    /// The token's id, if one was used.
    pub token_id: String,
    /// Empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// Its steps were through.
    Completed,
    /// A step failed.
    StepFailed,
    /// A step took longer than its timeout.
    StepTimedOut,
    /// Its attempts were lost or came to nothing, [`LOST_IN_A_ROW`] times without progress or at a
    /// step that says so.
    ExecutorLost,
    /// Someone stopped it.
    Stopped,
    /// Someone reset its pipeline.
    Reset,
    /// Someone rejected it at a gate.
    Rejected,
}

/// A step of a run, in the plan's order.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    /// Where it is, how often it was tried and how often that failed.
    pub progress: flow::Progress,
    /// Of the last try; absent without a process.
    pub exit_code: Option<i32>,
    /// What there is to say about its state.
    pub message: String,
    /// When the first try started; milliseconds since 1970-01-01 UTC, as all times here.
    pub started_at_ms: Option<i64>,
    /// When the last try ended.
    pub ended_at_ms: Option<i64>,
    /// What it handed to later steps.
    pub outputs: BTreeMap<String, String>,
    /// Written back by the store when set.
    pub changed: bool,
}

/// The executor that works on the run, while one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub executor: String,
    /// Its boot number.
    pub boot: u64,
}

/// A run and its steps, as they are.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it does, pinned when it was accepted.
    pub plan: Arc<Plan>,
    /// Where it is.
    pub state: State,
    /// The latest attempt; 0 before the first.
    pub attempt: u32,
    /// Who works on that attempt; nobody once it has ended.
    pub holder: Option<Holder>,
    /// Attempts that were lost, or came to nothing by a fault, since a step was last finished.
    pub lost_in_a_row: u32,
    /// It wants no executor: what is left to do is done outside of them.
    pub parked: bool,
    /// The stop that holds, if one was accepted.
    pub stop: Option<Stop>,
    /// Why it ended, or is about to.
    pub cause: Option<EndCause>,
    /// The same in words.
    pub reason: String,
    /// Who made it end, when someone did without a stop.
    pub ended_by: Option<Actor>,
    /// When the first attempt began.
    pub started_at_ms: Option<i64>,
    /// When it came into its final state.
    pub ended_at_ms: Option<i64>,
    /// The last log entry that the latest attempt is known to have numbered.
    pub last_seq: u64,
    /// As many as the plan has.
    pub steps: Vec<StepRun>,
    /// What has happened since it was read, oldest first.
    pub news: Vec<News>,
}

/// Something that others are to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The state changed.
    Changed {
        /// What it was.
        from: State,
        /// What it is.
        to: State,
    },
    /// It waits for an executor, for this attempt.
    Requested(u32),
    /// A stop was accepted or escalated.
    StopRequested,
    /// The attempt began, and who has it.
    Began(u32, Holder),
    /// The attempt ended.
    Ended(u32, AttemptEnd),
    /// A step started a try, or came into another state; its position in the plan.
    Step(usize),
    /// Someone decided at a gate.
    Decided(Decision),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// There was nothing left to do for it.
    Finished,
    /// The executor gave it back.
    HandedBack,
    /// The lease lapsed, or the executor came back without it.
    Lost,
}

/// What an executor is told when it wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has the attempt (perhaps since an earlier try to begin).
    Begun,
    /// The run has ended, or another attempt is due.
    Over,
}

impl Run {
    /// Whether attempt `n` is the live one.
    pub fn is_live(&self, attempt: u32) -> bool {
        self.holder.is_some() && self.attempt == attempt
    }

    /// Whether it is queued, for the first time or again, its finalizers included.
    pub fn is_queued(&self) -> bool {
        self.holder.is_none()
            && !self.parked
            && matches!(
                self.state,
                State::Queued | State::Cancelling | State::Failing
            )
    }

    /// Whether an attempt ever began.
    pub fn has_begun(&self) -> bool {
        self.started_at_ms.is_some()
    }

    /// Whether it takes one of its pipeline's places: begun and not ended.
    pub fn holds_place(&self) -> bool {
        self.has_begun() && !self.state.is_final()
    }

    /// An executor wants to begin attempt `n`.
    pub fn begin(&mut self, attempt: u32, holder: Holder, now_ms: i64) -> Verdict {
        if self.is_live(attempt) && self.holder.as_ref() == Some(&holder) {
            return Verdict::Begun;
        }
        if !self.is_queued() || attempt != self.attempt + 1 {
            return Verdict::Over;
        }
        self.attempt = attempt;
        self.holder = Some(holder.clone());
        self.last_seq = 0;
        self.started_at_ms.get_or_insert(now_ms);
        self.news.push(News::Began(attempt, holder));
        self.happen(Event::Begun);
        self.settle(now_ms);
        if self.is_live(attempt) {
            Verdict::Begun
        } else {
            Verdict::Over
        }
    }

    /// Grants every step that may start now. Answers their positions in the plan.
    pub fn grant(&mut self, now_ms: i64) -> Vec<usize> {
        if self.holder.is_none() || self.state.is_final() {
            return Vec::new();
        }
        let ready = self.next(now_ms).start;
        for &position in &ready {
            let step = &mut self.steps[position];
            step.progress.state = StepState::Running;
            step.progress.tries += 1;
            step.started_at_ms.get_or_insert(now_ms);
            (step.exit_code, step.ended_at_ms, step.changed) = (None, None, true);
            step.message.clear();
            self.news.push(News::Step(position));
        }
        ready
    }

    /// The steps that run now, by position.
    pub fn running(&self) -> impl Iterator<Item = usize> + '_ {
        let running = |(_, step): &(usize, &StepRun)| step.progress.state == StepState::Running;
        self.steps
            .iter()
            .enumerate()
            .filter(running)
            .map(|(position, _)| position)
    }

    /// When the executor is to report again though nothing has ended: the earliest retry is due, or
    /// an open outside step may have ended and let others start.
    pub fn wake_ms(&self, now_ms: i64) -> Option<i64> {
        let retry = self.next(now_ms).wake_ms;
        let waits = |it: &StepRun| matches!(it.progress.state, StepState::Waiting { .. });
        let is_open = !self.state.is_final() && self.steps.iter().any(waits);
        let look = is_open.then_some(now_ms + LOOK_MS);
        retry.into_iter().chain(look).min()
    }

    fn next(&self, now_ms: i64) -> flow::Next {
        let progress: Vec<_> = self.steps.iter().map(|step| step.progress).collect();
        flow::next(&self.plan, &progress, self.phase(), now_ms)
    }

    fn phase(&self) -> Phase {
        let Some(stop) = &self.stop else {
            return if self.state == State::Failing {
                Phase::Failing
            } else {
                Phase::Normal
            };
        };
        // Finalizers clean up after steps: a run that never began has nothing to clean up.
        if stop.mode == StopMode::Kill || self.started_at_ms.is_none() {
            Phase::Killing
        } else if self.state == State::Failing {
            Phase::Failing
        } else {
            Phase::Stopping
        }
    }

    /// Looks at what is: skips what can't start any more, opens what is done outside, and ends what
    /// has nothing left. Where only outside steps are left the attempt ends and the run is parked;
    /// one that is parked asks for an executor when there is something to do again.
    fn settle(&mut self, now_ms: i64) {
        if self.state.is_final() {
            return;
        }
        let next = self.next(now_ms);
        for &position in &next.skip {
            self.end_step(position, StepState::Skipped, now_ms);
        }
        for &position in &next.abandon {
            self.abandon(position, now_ms);
        }
        for &position in &next.open {
            self.open(position, now_ms);
        }
        if next.done {
            self.end(now_ms);
        } else {
            self.rest(&next);
        }
    }

    /// Ends a step that was tried, or a gate that nobody decides on any more.
    fn abandon(&mut self, position: usize, now_ms: i64) {
        let is_failing = matches!(self.phase(), Phase::Normal | Phase::Failing);
        let is_gate = self.plan.steps[position].kind.gate().is_some();
        if is_gate {
            self.steps[position].message = "the run ended before anybody decided".into();
        }
        let state = if is_failing && !is_gate {
            StepState::Failed
        } else {
            StepState::Cancelled
        };
        self.end_step(position, state, now_ms);
    }

    /// Parks a run that wants no executor, and queues one that wants one again.
    fn rest(&mut self, next: &flow::Next) {
        let works =
            self.running().next().is_some() || !next.start.is_empty() || next.wake_ms.is_some();
        if works && self.parked {
            self.parked = false;
            if self.state == State::Waiting {
                self.happen(Event::Resumed);
            }
            self.news.push(News::Requested(self.attempt + 1));
        } else if !works && !self.parked {
            self.parked = true;
            if self.holder.take().is_some() {
                self.news
                    .push(News::Ended(self.attempt, AttemptEnd::Finished));
            }
            if self.state == State::Running {
                self.happen(Event::LeftWaiting);
            }
        }
    }

    /// Whether an executor has, or would have, something to do.
    pub fn works(&self) -> bool {
        let next = self.next(0);
        self.running().next().is_some() || !next.start.is_empty() || next.wake_ms.is_some()
    }

    fn end_step(&mut self, position: usize, state: StepState, now_ms: i64) {
        let step = &mut self.steps[position];
        step.progress.state = state;
        (step.ended_at_ms, step.changed) = (Some(now_ms), true);
        self.news.push(News::Step(position));
    }

    fn end(&mut self, now_ms: i64) {
        let progress: Vec<_> = self.steps.iter().map(|step| step.progress).collect();
        let outcome = flow::outcome(&self.plan, &progress, self.phase());
        if outcome == flow::Outcome::Failed && self.state != State::Failing {
            self.happen(Event::StepFailed);
        }
        let end = match (self.state, outcome) {
            (State::Cancelling, _) => End::Cancelled,
            (State::Failing, _) => End::Failed,
            (_, flow::Outcome::Warned) => End::Warned,
            (_, _) => End::Succeeded,
        };
        if self.holder.take().is_some() {
            self.news
                .push(News::Ended(self.attempt, AttemptEnd::Finished));
        }
        self.parked = false;
        self.ended_at_ms = Some(now_ms);
        self.cause.get_or_insert(EndCause::Completed);
        self.happen(Event::Done(end));
    }

    /// Follows the graph. An event that the graph refuses changes nothing and is logged: it would
    /// be a mistake of this file.
    fn happen(&mut self, event: Event) {
        match self.state.after(event) {
            Ok(to) if to != self.state => {
                let from = std::mem::replace(&mut self.state, to);
                self.news.push(News::Changed { from, to });
            }
            Ok(_) => {}
            Err(refused) => tracing::error!("{refused}"),
        }
    }

    fn on_lost(&self, position: usize) -> OnLost {
        self.plan.steps[position].on_lost
    }
}
