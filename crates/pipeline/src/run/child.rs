//! Child runs: steps whose end another run decides.
//!
//! **Invariant:** an open child step of a run that ends otherwise is ended by its child alone: who
//! stops the run stops the child too, and the run waits for it.

use steps::flow::StepState;

use super::{EndCause, Run};
use crate::state::State;

/// What became of a step's child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChildEnd {
    /// Its run ended.
    Ended {
        /// How.
        state: State,
        /// What there is to say: which run, and why.
        message: String,
    },
    /// It can't be started; in words.
    Refused(String),
    /// It was not started, because its parent was to stop.
    Unwanted,
}

impl Run {
    /// The positions of open child steps.
    pub fn open_children(&self) -> impl Iterator<Item = usize> + '_ {
        let steps = self.steps.iter().zip(&self.plan.steps).enumerate();
        steps.filter_map(|(position, (step, planned))| {
            let is_open = matches!(step.progress.state, StepState::Waiting { .. });
            (is_open && planned.kind.child().is_some()).then_some(position)
        })
    }

    /// The child of an open step has ended, and with it the step. Later it changes nothing.
    pub fn child_ended(&mut self, position: usize, end: ChildEnd, now_ms: i64) {
        if !self.open_children().any(|open| open == position) {
            return;
        }
        let (state, message) = match end {
            ChildEnd::Ended { state, message } => (self.state_after(state), message),
            ChildEnd::Refused(why) => (StepState::Failed, why),
            ChildEnd::Unwanted => (StepState::Cancelled, String::new()),
        };
        self.steps[position].message = message;
        self.end_step(position, state, now_ms);
        if state == StepState::Failed {
            self.fail(EndCause::StepFailed, position);
        }
        self.settle(now_ms);
    }

    fn state_after(&self, child: State) -> StepState {
        match child {
            State::Succeeded => StepState::Succeeded,
            State::Warned => StepState::Warned,
            State::Cancelled if self.stop.is_some() => StepState::Cancelled,
            State::Cancelled
            | State::Failed
            | State::Queued
            | State::Running
            | State::Waiting
            | State::Cancelling
            | State::Failing => StepState::Failed,
        }
    }
}
