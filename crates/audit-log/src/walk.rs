//! Walks over a run's stored output in its order, and knows where to wait.
//!
//! The output of a run is that of its attempts, one after the other. A reader that went past a gap
//! could never come back, so the walk stops before one until the missing part has had its time; then
//! a line says what is missing. The same holds at the end of an attempt before the next one's
//! output.
//!
//! **Invariant:** what a walk has said is in order, without repeat, and a gap in it is said.

use contracts::message::{ActivityEntry, Stream};

use crate::chunk::Range;
use crate::cursor::Position;

/// How long a reader waits for output that should be there, in milliseconds.
pub(crate) const PATIENCE_MS: i64 = 10_000;
/// Bytes that a page holds, about; one entry more at most.
pub(crate) const MOST_BYTES: usize = 2 * 1024 * 1024;

/// What is known of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    /// The last entry that it numbered, once that was heard.
    pub(crate) end_seq: Option<u64>,
    /// When its end was heard.
    pub(crate) ended_heard_ms: Option<i64>,
    /// When anything was first heard of it.
    pub(crate) first_heard_ms: i64,
}

/// What is known of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether anything was heard of it that is still kept.
    pub(crate) known: bool,
    /// When its end was heard.
    pub(crate) ended_heard_ms: Option<i64>,
    /// In the order of their numbers.
    pub(crate) attempts: Vec<Attempt>,
}

impl Facts {
    /// Whether the run has ended so long ago that nobody waits for its output any more.
    pub(crate) fn is_late(&self, now_ms: i64) -> bool {
        self.ended_heard_ms
            .is_some_and(|ended_ms| now_ms - ended_ms >= PATIENCE_MS)
    }
}

/// Where a stored chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) attempt: u32,
    pub(crate) range: Range,
    pub(crate) first_time_ms: i64,
    pub(crate) stored_ms: i64,
}

/// An entry of output, or a line about missing ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) at: Position,
    /// Empty for output.
    pub(crate) kind: &'static str,
    pub(crate) entry: ActivityEntry,
}

/// What is after what a walk has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// More that is stored.
    More,
    /// Output of this time that must wait for what is missing before it.
    Held {
        /// Milliseconds since 1970-01-01 UTC.
        time_ms: i64,
    },
    /// Nothing that is stored.
    Drained {
        /// Every attempt has been said to its end.
        whole: bool,
    },
}

/// A walk from a position on.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    facts: &'a Facts,
    /// Only entries of this step, all if empty.
    step_id: &'a str,
    most: usize,
    now_ms: i64,
    at: Position,
    scanned: Position,
    said: Vec<Said>,
    bytes: usize,
}

impl<'a> Walk<'a> {
    /// Begins after `from`, to say up to `most` entries.
    pub(crate) fn new(
        facts: &'a Facts,
        from: Position,
        step_id: &'a str,
        most: usize,
        now_ms: i64,
    ) -> Self {
        let (said, bytes) = (Vec::new(), 0);
        Self {
            facts,
            step_id,
            most,
            now_ms,
            at: from,
            scanned: from,
            said,
            bytes,
        }
    }

    /// Where it is.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Goes to a chunk, the next one that is stored. No if it must wait before it.
    pub(crate) fn reach(&mut self, chunk: &Place) -> bool {
        while self.at.attempt < chunk.attempt {
            if !self.leave_attempt(chunk) {
                return false;
            }
        }
        let gap = chunk.range.first > self.at.seq + 1;
        if gap && self.now_ms - chunk.stored_ms < PATIENCE_MS {
            return false;
        }
        if gap {
            self.miss(chunk.range.first - 1, chunk.first_time_ms);
        }
        true
    }

    /// Goes from the end of what is stored of an attempt to the next one.
    fn leave_attempt(&mut self, chunk: &Place) -> bool {
        let attempts = &self.facts.attempts;
        let current = attempts.iter().find(|it| it.number == self.at.attempt);
        let next = attempts.iter().find(|it| it.number > self.at.attempt);
        if let Some(current) = current.filter(|it| !self.is_whole(it)) {
            let heard_ms = next.map_or(chunk.stored_ms, |it| it.first_heard_ms);
            if self.now_ms - current.ended_heard_ms.unwrap_or(heard_ms) < PATIENCE_MS {
                return false;
            }
            if let Some(end) = current.end_seq {
                self.miss(end, chunk.first_time_ms);
            }
        }
        let attempt = next.map_or(chunk.attempt, |it| it.number.min(chunk.attempt));
        self.at = Position { attempt, seq: 0 };
        true
    }

    fn is_whole(&self, attempt: &Attempt) -> bool {
        let said = if attempt.number == self.at.attempt {
            self.at.seq
        } else {
            0
        };
        attempt.end_seq.is_some_and(|end| said >= end)
    }

    /// Says that everything up to `last` is missing here.
    fn miss(&mut self, last: u64, time_ms: i64) {
        let (first, attempt) = (self.at.seq + 1, self.at.attempt);
        self.at.seq = last;
        self.scanned = self.at;
        let message = if first == last {
            format!("entry {first} of attempt {attempt} is missing here")
        } else {
            format!("entries {first} to {last} of attempt {attempt} are missing here")
        };
        let stream = Stream::System.into();
        let entry = ActivityEntry {
            seq: last,
            time_ms,
            stream,
            message,
            ..Default::default()
        };
        self.said.push(Said {
            at: self.at,
            kind: "log.missing",
            entry,
        });
    }

    /// Says what is new of a chunk's entries.
    pub(crate) fn take(&mut self, entries: Vec<ActivityEntry>) {
        let from = self.at.seq;
        for entry in entries.into_iter().skip_while(|entry| entry.seq <= from) {
            if self.is_full() {
                return;
            }
            self.at.seq = entry.seq;
            self.scanned = self.at;
            if self.step_id.is_empty() || self.step_id == entry.step_id {
                self.bytes += weight(&entry);
                self.said.push(Said {
                    at: self.at,
                    kind: "",
                    entry,
                });
            }
        }
    }

    /// Passes a chunk that has nothing of the step.
    pub(crate) fn pass(&mut self, chunk: &Place) {
        self.at.seq = self.at.seq.max(chunk.range.last);
        self.scanned = self.at;
    }

    /// Whether it has said as much as it may.
    pub(crate) fn is_full(&self) -> bool {
        self.said.len() >= self.most || self.bytes >= MOST_BYTES
    }

    /// Whether every attempt has been said to its end.
    pub(crate) fn whole(&self) -> bool {
        let mut rest = self
            .facts
            .attempts
            .iter()
            .filter(|it| it.number >= self.at.attempt);
        rest.all(|attempt| self.is_whole(attempt))
    }

    /// What it has said, and how far it has looked.
    pub(crate) fn end(self) -> (Vec<Said>, Position) {
        (self.said, self.scanned)
    }
}

/// Bytes that an entry takes in an answer, about.
pub(crate) fn weight(entry: &ActivityEntry) -> usize {
    entry.message.len() + entry.step_id.len() + 96
}

#[cfg(test)]
mod tests;
