//! Going on where a run ended: a new run in which the steps that ran count as finished.
//!
//! **Invariants:** final states stay final: it is another run. A gate counts as finished only if it
//! was approved, so that nobody who may not approve gets past it.

use steps::flow::StepState;

use super::{Run, StepRun};
use crate::record::pending;
use crate::state::State;

impl Run {
    /// The steps of a run that goes on from this one, which is `run_count` of its pipeline; or why
    /// none can.
    pub fn resumed(&self, run_count: i64) -> Result<Vec<StepRun>, &'static str> {
        match self.state {
            State::Failed | State::Cancelled => {}
            State::Succeeded | State::Warned => return Err("its latest run has succeeded"),
            State::Queued
            | State::Running
            | State::Waiting
            | State::Cancelling
            | State::Failing => return Err("its latest run has not ended"),
        }
        if !self.has_begun() {
            return Err("its latest run never began");
        }
        let steps: Vec<StepRun> = (0..self.steps.len())
            .map(|position| self.counted(position, run_count))
            .collect();
        let is_left = |(step, planned): (&StepRun, &steps::plan::Step)| {
            planned.enabled && !planned.always && !step.progress.state.is_final()
        };
        if steps.iter().zip(&self.plan.steps).any(is_left) {
            Ok(steps)
        } else {
            Err("no step is left after the one that ran last")
        }
    }

    /// Whether a run may go on from this one, as far as it knows itself.
    pub fn is_resumable(&self) -> bool {
        self.resumed(0).is_ok()
    }

    /// A step as the next run has it: what ran is finished there.
    fn counted(&self, position: usize, run_count: i64) -> StepRun {
        let (step, planned) = (&self.steps[position], &self.plan.steps[position]);
        let (state, message) = match step.progress.state {
            _ if planned.always => return pending(),
            StepState::Succeeded => (StepState::Succeeded, format!("finished in run {run_count}")),
            StepState::Warned => (StepState::Warned, format!("warned in run {run_count}")),
            StepState::Failed | StepState::Cancelled
                if step.progress.tries > 0 && planned.kind.gate().is_none() =>
            {
                let message = format!("did not succeed in run {run_count}, and is passed over");
                (StepState::Warned, message)
            }
            StepState::Pending
            | StepState::Running
            | StepState::Waiting { .. }
            | StepState::Retrying { .. }
            | StepState::Failed
            | StepState::Cancelled
            | StepState::Skipped => return pending(),
        };
        let mut counted = pending();
        counted.progress.state = state;
        counted.outputs.clone_from(&step.outputs);
        (counted.message, counted.changed) = (message, true);
        counted
    }
}
