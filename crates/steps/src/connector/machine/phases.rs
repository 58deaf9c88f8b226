//! Which phase of an operation follows which.

use std::time::Duration;

use super::{Deed, LOOKS, Machine, Note, Phase};
use crate::connector::language::{self, Pace, State};

impl Machine {
    pub(super) fn begin(&mut self) -> Deed {
        let secrets: Vec<_> = self.access.hidden().cloned().collect();
        self.notes.extend(secrets.into_iter().map(Note::Hide));
        if self.record.is_started {
            self.say("it was started by an earlier attempt, which is followed further");
        }
        self.prepare(0)
    }

    /// The next request of preparation, or what comes after it.
    pub(super) fn prepare(&mut self, index: usize) -> Deed {
        self.phase = if self.access.login().is_some() {
            Phase::Login
        } else if index < self.operation.prepare.len() {
            Phase::Prepare(index)
        } else if self.record.is_started {
            return self.follow();
        } else if self.record.is_sent && self.may_be_found() {
            Phase::Find
        } else {
            if self.record.is_sent && !self.operation.start.idempotent {
                self.say("an earlier attempt was lost while it started this; it is started again");
            }
            Phase::Start
        };
        self.send()
    }

    /// A start that was not answered can be looked for.
    pub(super) fn may_be_found(&self) -> bool {
        let by_key = self.operation.find.as_ref().is_some_and(|find| find.by_key);
        by_key && !self.operation.start.idempotent && self.looks < LOOKS
    }

    /// Finds or polls what was started, or tells it to stop.
    pub(super) fn follow(&mut self) -> Deed {
        self.say_link();
        if self.stop.is_some_and(|(_, is_told)| !is_told) && self.stop_request().is_ok() {
            self.phase = Phase::Stop;
            return self.send();
        }
        self.phase = match (&self.operation.find, &self.operation.poll) {
            (Some(find), _) if !self.has_all(find) => Phase::Find,
            (_, Some(_)) => Phase::Poll,
            (_, None) => {
                self.ended = Some((State::Succeeded, String::new()));
                return self.after_poll();
            }
        };
        self.send()
    }

    pub(super) fn has_all(&self, ask: &language::Ask) -> bool {
        let needed = ask.take.iter().filter(|(_, take)| !take.is_optional);
        needed
            .into_iter()
            .all(|(name, _)| self.record.vars.contains_key(name))
    }

    /// Reads the log if it is time, then ends or waits.
    pub(super) fn after_poll(&mut self) -> Deed {
        let is_live = self.operation.log.as_ref().is_some_and(|log| log.live);
        let is_due = self.operation.log.is_some() && (is_live || self.ended.is_some());
        // What has no state to follow has run nowhere that logs.
        if is_due && self.record.is_started {
            return self.read_log();
        }
        self.rest()
    }

    /// Ends, or waits for the next poll.
    pub(super) fn rest(&mut self) -> Deed {
        if let Some((state, said)) = self.ended.clone() {
            return self.end(state, &said);
        }
        self.phase = Phase::Poll;
        if self.stop.is_some_and(|(_, is_told)| !is_told) {
            return self.follow();
        }
        Deed::Wait(self.pause())
    }

    pub(super) fn pause(&mut self) -> Duration {
        let Pace {
            every,
            backoff,
            most,
            ..
        } = self.pace;
        if self.stop.is_some() {
            return every;
        }
        let exponent = i32::try_from(self.polls.min(200)).unwrap_or(200);
        self.polls += 1;
        Duration::try_from_secs_f64(every.as_secs_f64() * backoff.max(1.0).powi(exponent))
            .unwrap_or(most)
            .min(most)
    }
}
