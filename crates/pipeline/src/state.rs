//! The states of a run and the only ways between them.
//!
//! **Invariant (I2):** a run has exactly one final state, and the states before it follow this
//! graph. [`State::after`] is the graph: what it refuses doesn't happen.

use std::fmt;
use std::str::FromStr;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for an executor, for the first time or again.
    Queued,
    /// An attempt works on it.
    Running,
    /// Only outside steps are open: it holds its place, no slot and no lease.
    Waiting,
    /// A stop was accepted; what runs ends, finalizers run.
    Cancelling,
    /// A step failed; what runs ends, finalizers run.
    Failing,
    /// Every step succeeded.
    Succeeded,
    /// Every step succeeded, and at least one warned.
    Warned,
    /// A step failed, or its executors were lost too often.
    Failed,
    /// It was stopped.
    Cancelled,
}

/// What can happen to a run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An executor began an attempt.
    Begun,
    /// The attempt was lost or handed back, and there is more to do.
    GivenUp,
    /// Only outside steps are left open.
    LeftWaiting,
    /// An outside step ended, so that there is something to do again.
    Resumed,
    /// A step failed for good.
    StepFailed,
    /// A stop was accepted.
    Stopped,
    /// Nothing is left to do.
    Done(End),
}

/// What a run's steps came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// All succeeded.
    Succeeded,
    /// All succeeded, some with a warning.
    Warned,
    /// At least one failed.
    Failed,
    /// It was stopped before they were through.
    Cancelled,
}

/// An event that the graph has no way for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {0} run has no way for {1:?}")]
pub struct Refused(pub State, pub Event);

impl State {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Cancelling,
        Self::Failing,
        Self::Succeeded,
        Self::Warned,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The state after `event`, or why the event is refused.
    pub fn after(self, event: Event) -> Result<Self, Refused> {
        use Event::{Begun, Done, GivenUp, LeftWaiting, Resumed, StepFailed, Stopped};
        match (self, event) {
            (Self::Queued, Begun) => Ok(Self::Running),
            (Self::Running, GivenUp) | (Self::Waiting, Resumed) => Ok(Self::Queued),
            (Self::Running, LeftWaiting) => Ok(Self::Waiting),
            (Self::Queued | Self::Running | Self::Waiting, Stopped)
            | (Self::Cancelling, Begun | GivenUp | StepFailed | Stopped) => Ok(Self::Cancelling),
            (Self::Queued | Self::Running | Self::Waiting, StepFailed)
            | (Self::Failing, Begun | GivenUp | StepFailed | Stopped) => Ok(Self::Failing),
            (Self::Running | Self::Waiting, Done(End::Succeeded)) => Ok(Self::Succeeded),
            (Self::Running | Self::Waiting, Done(End::Warned)) => Ok(Self::Warned),
            (Self::Failing, Done(End::Failed)) => Ok(Self::Failed),
            (Self::Cancelling, Done(End::Cancelled)) => Ok(Self::Cancelled),
            (
                Self::Queued
                | Self::Running
                | Self::Waiting
                | Self::Cancelling
                | Self::Failing
                | Self::Succeeded
                | Self::Warned
                | Self::Failed
                | Self::Cancelled,
                Begun | GivenUp | LeftWaiting | Resumed | StepFailed | Stopped | Done(_),
            ) => Err(Refused(self, event)),
        }
    }

    /// Whether a run stays in this state for ever.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Warned | Self::Failed | Self::Cancelled
        )
    }

    /// The name in rows and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Cancelling => "cancelling",
            Self::Failing => "failing",
            Self::Succeeded => "succeeded",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|state| state.name() == name);
        found.ok_or_else(|| format!("\"{name}\" is no state of a run"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVENTS: [Event; 10] = [
        Event::Begun,
        Event::GivenUp,
        Event::LeftWaiting,
        Event::Resumed,
        Event::StepFailed,
        Event::Stopped,
        Event::Done(End::Succeeded),
        Event::Done(End::Warned),
        Event::Done(End::Failed),
        Event::Done(End::Cancelled),
    ];

    /// A row a state, a column an event of `EVENTS`; `-` is refused.
    const TABLE: &str = "
        queued     running    -          -       -      failing    cancelling -         -      -      -
        running    -          queued     waiting -      failing    cancelling succeeded warned -      -
        waiting    -          -          -       queued failing    cancelling succeeded warned -      -
        cancelling cancelling cancelling -       -      cancelling cancelling -         -      -      cancelled
        failing    failing    failing    -       -      failing    failing    -         -      failed -
        succeeded  -          -          -       -      -          -          -         -      -      -
        warned     -          -          -       -      -          -          -         -      -      -
        failed     -          -          -       -      -          -          -         -      -      -
        cancelled  -          -          -       -      -          -          -         -      -      -";

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        for row in TABLE.trim().lines() {
            let mut words = row.split_whitespace();
            let state: State = words.next().unwrap().parse().unwrap();
            for event in EVENTS {
                let expected = words.next().unwrap();
                let after = state.after(event).map_or("-", State::name);
                assert_eq!(after, expected, "{state} {event:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_sequence_of_events_leaves_a_final_state(path in prop::collection::vec(0_usize..10, 0..40)) {
            let mut state = State::Queued;
            for event in path.into_iter().map(|index| EVENTS[index]) {
                let next = state.after(event).unwrap_or(state);
                prop_assert!(!state.is_final() || next == state);
                state = next;
            }
        }
    }
}
