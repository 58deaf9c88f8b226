//! A run: what may happen to it, decided without I/O.
//!
//! The store reads a [`Run`] under its row's lock, tells it what happened, and writes back what
//! changed together with the [`News`] that it left. Every method ends in [`Run::settle`], which
//! looks at what is and decides what follows, whatever came before.
//!
//! **Invariants:** I2 (states follow the graph), I4 (an ended attempt's report is refused), I8
//! (after a stop nothing starts but finalizers).

use std::collections::HashMap;

use steps::definition::OnLost;
use steps::flow::{self, Phase, StepState};

use crate::state::{End, Event, State};

mod child;
mod gate;
mod lost;
mod parts;
mod report;
mod resume;
mod served;
mod stop;
#[cfg(test)]
mod tests;

pub use child::ChildEnd;
pub use gate::{Asked, Decision, Refusal};
pub use parts::{Actor, AttemptEnd, EndCause, Holder, News, Run, StepRun, Verdict};
pub use report::{Outcome, StepReport};
pub use served::{Hearing, Reply, Served};
pub use stop::{Stop, StopMode};

/// Attempts that may be lost one after the other without a newly finished step between them.
pub const LOST_IN_A_ROW: u32 = 3;
/// Why a run failed whose plan has no enabled step.
pub const NOTHING_TO_DO: &str = "the pipeline has no enabled step";
/// How often an executor that works beside an open outside step looks whether more is to do.
const LOOK_MS: i64 = 2000;

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

    /// What its steps have handed to later ones, by `step.key`.
    pub fn outputs(&self) -> HashMap<String, String> {
        let steps = self.steps.iter().zip(&self.plan.steps);
        let named = steps.flat_map(|(step, planned)| {
            let of_step = step.outputs.iter();
            of_step.map(|(key, value)| (format!("{}.{key}", planned.id), value.clone()))
        });
        named.collect()
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

    /// Parks a run that wants no executor, and queues one that wants one again. One that waits stays
    /// parked until a retry of what was done outside is due: [`Run::end_overdue`] looks at it then.
    fn rest(&mut self, next: &flow::Next) {
        let has_later = next.wake_ms.is_some() && self.state != State::Waiting;
        let works = self.running().next().is_some() || !next.start.is_empty() || has_later;
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
        if self.is_served(position) {
            self.news.push(News::Recalled(position));
        }
        let step = &mut self.steps[position];
        step.progress.state = state;
        (step.ended_at_ms, step.changed) = (Some(now_ms), true);
        self.news.push(News::Step(position));
    }

    fn end(&mut self, now_ms: i64) {
        let progress: Vec<_> = self.steps.iter().map(|step| step.progress).collect();
        let mut outcome = flow::outcome(&self.plan, &progress, self.phase());
        if outcome == flow::Outcome::Succeeded && !self.plan.steps.iter().any(|it| it.enabled) {
            outcome = flow::Outcome::Failed;
            self.cause = Some(EndCause::StepFailed);
            self.reason = NOTHING_TO_DO.into();
        }
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
