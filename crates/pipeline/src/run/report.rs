//! What an executor reports of a step, and what follows.

use std::collections::BTreeMap;

use steps::flow::StepState;
use steps::retry;

use super::{EndCause, News, Run};
use crate::state::{Event, State};

/// What became of one try of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// The step's position in the plan.
    pub position: usize,
    /// Which try, from 1.
    pub of_try: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Of its process, if it had one.
    pub exit_code: Option<i32>,
    /// What there is to say about it.
    pub message: String,
    /// What it hands to later steps.
    pub outputs: BTreeMap<String, String>,
    /// When it ended, by the executor's clock.
    pub ended_at_ms: i64,
}

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Succeeded,
    /// As it should, with something to look at.
    Warned,
    /// With an error.
    Failed,
    /// Cut at the step's timeout.
    TimedOut,
    /// Cut because of a stop.
    Cancelled,
}

impl Run {
    /// Records what the live attempt reports. `random` in 0..1 spreads retries. Answers whether
    /// any of it was new; what was recorded before changes nothing.
    pub fn report(
        &mut self,
        reports: Vec<StepReport>,
        last_seq: u64,
        now_ms: i64,
        random: f64,
    ) -> bool {
        self.last_seq = self.last_seq.max(last_seq);
        let mut new = false;
        for report in reports {
            new |= self.record(report, now_ms, random);
        }
        self.settle(now_ms);
        new
    }

    fn record(&mut self, report: StepReport, now_ms: i64, random: f64) -> bool {
        let Some(step) = self.steps.get_mut(report.position) else {
            return false;
        };
        let is_this_try = step.progress.tries == report.of_try;
        if step.progress.state != StepState::Running || !is_this_try {
            return false;
        }
        step.exit_code = report.exit_code;
        step.message = report.message;
        step.outputs = report.outputs;
        step.ended_at_ms = Some(report.ended_at_ms);
        step.changed = true;
        match report.outcome {
            Outcome::Succeeded => step.progress.state = StepState::Succeeded,
            Outcome::Warned => step.progress.state = StepState::Warned,
            Outcome::Cancelled => step.progress.state = StepState::Cancelled,
            Outcome::Failed => self.failed(report.position, EndCause::StepFailed, now_ms, random),
            Outcome::TimedOut => {
                self.failed(report.position, EndCause::StepTimedOut, now_ms, random);
            }
        }
        self.lost_in_a_row = 0;
        self.news.push(News::Step(report.position));
        true
    }

    /// A try failed: there is another one, or the run fails.
    pub(super) fn failed(&mut self, position: usize, cause: EndCause, now_ms: i64, random: f64) {
        let planned = &self.plan.steps[position];
        let step = &mut self.steps[position];
        step.progress.failures += 1;
        let goes_on = planned.always || (self.stop.is_none() && self.state != State::Failing);
        let failures = step.progress.failures;
        let retry = planned
            .retry
            .as_ref()
            .filter(|retry| goes_on && retry.allows(failures));
        if let Some(retry) = retry {
            let pause = retry::delay(retry, failures, random);
            let due_ms = now_ms.saturating_add(runtime::clock::millis(pause));
            step.progress.state = StepState::Retrying { due_ms };
        } else {
            step.progress.state = StepState::Failed;
            self.fail(cause, position);
        }
    }

    /// The run can't succeed any more.
    pub(super) fn fail(&mut self, cause: EndCause, position: usize) {
        if self.cause.is_none() {
            self.cause = Some(cause);
            let step = &self.plan.steps[position].id;
            self.reason = match cause {
                EndCause::StepTimedOut => format!("step {step} timed out"),
                EndCause::ExecutorLost => format!("step {step} lost its executor"),
                EndCause::Rejected => format!("step {step} was rejected"),
                EndCause::Completed
                | EndCause::StepFailed
                | EndCause::Stopped
                | EndCause::Reset => format!("step {step} failed"),
            };
        }
        self.happen(Event::StepFailed);
    }
}
