//! Stopping a run, in three modes that may only escalate.

use super::{Actor, EndCause, News, Run};
use crate::state::{Event, State};

/// How hard a stop is; the order is that of escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopMode {
    /// The running step finishes, finalizers run.
    Graceful,
    /// TERM, grace period, KILL; finalizers run.
    Cancel,
    /// KILL; finalizers don't run.
    Kill,
}

/// A stop that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The hardest mode that was asked for.
    pub mode: StopMode,
    /// What the caller said, for people.
    pub reason: String,
    /// Who asked for that mode.
    pub actor: Actor,
    /// `Stopped` or `Reset`.
    pub cause: EndCause,
    /// When it was accepted; not known of stops of earlier versions.
    pub at_ms: Option<i64>,
}

impl Run {
    /// Accepts a stop. One that isn't harder than what holds, or comes after the end, changes
    /// nothing.
    pub fn stop(&mut self, stop: Stop, now_ms: i64) {
        let is_weaker = self
            .stop
            .as_ref()
            .is_some_and(|held| held.mode >= stop.mode);
        if self.state.is_final() || is_weaker {
            return;
        }
        if self.state != State::Failing {
            self.cause = Some(stop.cause);
            self.reason.clone_from(&stop.reason);
        }
        let mode = stop.mode;
        self.stop = Some(stop);
        self.news.push(News::StopRequested);
        self.happen(Event::Stopped);
        self.stop_served(mode, now_ms);
        self.settle(now_ms);
    }
}
