//! What follows when an attempt ends that its executor didn't finish.

use steps::definition::OnLost;
use steps::flow::StepState;

use super::{AttemptEnd, EndCause, LOST_IN_A_ROW, News, Run};
use crate::state::{Event, State};

impl Run {
    /// Attempt `n` was lost or handed back. A repeat changes nothing.
    pub fn attempt_ended(&mut self, attempt: u32, how: AttemptEnd, now_ms: i64) {
        if self.is_live(attempt) {
            self.over(attempt, how, None, now_ms);
        }
    }

    /// Attempt `n` could not be carried out, or not even begin, by a fault that is no step's. It
    /// counts like a lost one. One that could not begin is due again.
    pub fn attempt_failed(&mut self, attempt: u32, fault: &str, now_ms: i64) {
        if self.is_live(attempt) {
            self.over(attempt, AttemptEnd::HandedBack, Some(fault), now_ms);
        } else if self.is_queued() && attempt == self.attempt + 1 {
            self.lost_in_a_row += 1;
            if self.lost_in_a_row >= LOST_IN_A_ROW {
                self.give_up(Some(fault), now_ms);
                self.settle(now_ms);
            }
        }
    }

    fn over(&mut self, attempt: u32, how: AttemptEnd, fault: Option<&str>, now_ms: i64) {
        self.holder = None;
        self.news.push(News::Ended(attempt, how));
        self.lost_in_a_row += u32::from(how == AttemptEnd::Lost || fault.is_some());
        for position in self.running().collect::<Vec<_>>() {
            self.interrupted(position, how, now_ms);
        }
        if self.lost_in_a_row >= LOST_IN_A_ROW {
            self.give_up(fault, now_ms);
        }
        self.settle(now_ms);
        if !self.state.is_final() && !self.parked {
            self.happen(Event::GivenUp);
            self.news.push(News::Requested(self.attempt + 1));
        }
    }

    fn interrupted(&mut self, position: usize, how: AttemptEnd, now_ms: i64) {
        // Also when it was handed back: it was granted, and nobody saw it through.
        let fails = how != AttemptEnd::Finished && self.on_lost(position) == OnLost::Fail;
        let stays =
            self.stop.is_none() && self.state == State::Running || self.plan.steps[position].always;
        let step = &mut self.steps[position];
        (step.ended_at_ms, step.changed) = (Some(now_ms), true);
        step.progress.state = if fails {
            step.message = match how {
                AttemptEnd::HandedBack => "its executor was shut down before it was through".into(),
                AttemptEnd::Lost | AttemptEnd::Finished => "its executor was lost".into(),
            };
            StepState::Failed
        } else if stays {
            StepState::Pending
        } else {
            step.message = "the run was ending when its executor went".into();
            StepState::Cancelled
        };
        self.news.push(News::Step(position));
        if fails {
            self.fail(EndCause::ExecutorLost, position);
        }
    }

    /// A run that loses every executor must not go on for ever: nothing starts any more.
    fn give_up(&mut self, fault: Option<&str>, now_ms: i64) {
        if self.cause.is_none() {
            self.cause = Some(EndCause::ExecutorLost);
            self.reason = match fault {
                None => format!("{LOST_IN_A_ROW} executors in a row were lost with it"),
                Some(fault) => {
                    format!(
                        "{LOST_IN_A_ROW} attempts in a row came to nothing, the last one: {fault}"
                    )
                }
            };
        }
        self.happen(Event::StepFailed);
        for position in 0..self.steps.len() {
            if !self.steps[position].progress.state.is_final() {
                self.end_step(position, StepState::Cancelled, now_ms);
            }
        }
    }
}
