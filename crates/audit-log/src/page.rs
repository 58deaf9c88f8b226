//! A page of a run's log: life-cycle lines and output, merged by time.
//!
//! Output that is heard a moment later than a line may still belong before it: the end of a step
//! waits a little, and the end of the run until its output is whole.
//!
//! **Invariants:** the lines of the life are in their order, and so is the output; from the cursor of
//! any entry the rest follows. A page is complete only if the run has ended and nothing will follow,
//! or if it says that the rest is on its way.

use std::iter::Peekable;
use std::vec::IntoIter;

use contracts::message::{ActivityEntry, Stream};

use crate::cursor::{Cursor, Position};
use crate::line;
use crate::walk::{Facts, MOST_BYTES, PATIENCE_MS, Rest, Said, weight};

/// How long the end of a step waits for output of before it, in milliseconds.
const GRACE_MS: i64 = 200;

/// A life-cycle line that is stored. Its entry's `seq` is its number among them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) heard_ms: i64,
    pub(crate) entry: ActivityEntry,
}

/// The output that a page can draw on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) said: Vec<Said>,
    /// How far it was looked.
    pub(crate) scanned: Position,
    pub(crate) rest: Rest,
}

impl Output {
    /// For who wants none: there is nothing that lines of the life would wait for.
    pub(crate) fn none(scanned: Position) -> Self {
        Self {
            said: Vec::new(),
            scanned,
            rest: Rest::Drained { whole: true },
        }
    }
}

/// An entry as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    /// 0 on life-cycle lines.
    pub(crate) attempt: u32,
    /// Empty on output.
    pub(crate) kind: String,
    pub(crate) entry: ActivityEntry,
    /// After this entry.
    pub(crate) cursor: Cursor,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Page {
    pub(crate) shown: Vec<Shown>,
    pub(crate) next: Cursor,
    /// The run has ended and nothing will follow.
    pub(crate) complete: bool,
    /// There is more at once.
    pub(crate) more: bool,
    /// When something that waits will be shown at the latest.
    pub(crate) due_ms: Option<i64>,
}

impl Page {
    /// The page of a run whose log was removed because of its age.
    pub(crate) fn of_removed(after: Cursor, now_ms: i64) -> Self {
        let next = Cursor {
            told: true,
            ..after
        };
        let text = "the log of this run is no longer kept";
        let line = || system_line("log.removed", now_ms, text, next);
        let shown = if after.told { Vec::new() } else { vec![line()] };
        Self {
            shown,
            next,
            complete: true,
            more: false,
            due_ms: None,
        }
    }
}

fn system_line(kind: &str, time_ms: i64, text: &str, cursor: Cursor) -> Shown {
    let (stream, message) = (Stream::System.into(), text.into());
    let entry = ActivityEntry {
        time_ms,
        stream,
        message,
        ..Default::default()
    };
    Shown {
        attempt: 0,
        kind: kind.into(),
        entry,
        cursor,
    }
}

/// What comes next on a page.
enum Next {
    Line,
    Output,
    /// Nothing now; a line waits until then, if so.
    Nothing(Option<i64>),
}

struct Merge<'a> {
    facts: &'a Facts,
    now_ms: i64,
    life: Peekable<IntoIter<Told>>,
    output: Peekable<IntoIter<Said>>,
    rest: Rest,
    cursor: Cursor,
    shown: Vec<Shown>,
    bytes: usize,
}

/// Merges life-cycle lines and output after `after` into a page of up to `limit` entries.
///
/// `life` holds more than `limit` lines if there are.
pub(crate) fn merged(
    (after, limit): (Cursor, usize),
    facts: &Facts,
    life: Vec<Told>,
    output: Output,
    now_ms: i64,
) -> Page {
    let late = facts.is_late(now_ms);
    let rest = match output.rest {
        Rest::Held { .. } if late => Rest::Drained { whole: false },
        Rest::More | Rest::Held { .. } | Rest::Drained { .. } => output.rest,
    };
    let (life, said) = (
        life.into_iter().peekable(),
        output.said.into_iter().peekable(),
    );
    let (cursor, shown) = (after, Vec::new());
    let mut merge = Merge {
        facts,
        now_ms,
        life,
        output: said,
        rest,
        cursor,
        shown,
        bytes: 0,
    };
    let due_ms = merge.fill(limit);
    merge.finish(limit, output.scanned, due_ms)
}

impl Merge<'_> {
    /// Shows what can be shown; answers when a line that waits is due.
    fn fill(&mut self, limit: usize) -> Option<i64> {
        while self.shown.len() < limit && self.bytes < MOST_BYTES {
            match self.next() {
                Next::Line => self.show_line(),
                Next::Output => self.show_output(),
                Next::Nothing(due_ms) => return due_ms,
            }
        }
        None
    }

    fn next(&mut self) -> Next {
        let output = self
            .output
            .peek()
            .map(|head| (head.entry.time_ms, line::rank("")));
        let Some(told) = self.life.peek() else {
            return if output.is_some() {
                Next::Output
            } else {
                Next::Nothing(None)
            };
        };
        let time = (told.entry.time_ms, line::rank(&told.kind));
        let last = line::is_final(&told.kind);
        match (output, self.rest) {
            (Some(output), _) if last || output < time => Next::Output,
            (Some(_), _) => Next::Line,
            (None, Rest::Held { time_ms }) if !last && time < (time_ms, 1) => Next::Line,
            (None, Rest::More | Rest::Held { .. }) => Next::Nothing(None),
            (None, Rest::Drained { whole }) => {
                let due_ms = due_ms(told, whole, self.facts);
                if due_ms <= self.now_ms {
                    Next::Line
                } else {
                    Next::Nothing(Some(due_ms))
                }
            }
        }
    }

    fn show_line(&mut self) {
        if let Some(Told { kind, entry, .. }) = self.life.next() {
            self.cursor.life = entry.seq;
            self.show(0, kind, entry);
        }
    }

    fn show_output(&mut self) {
        if let Some(Said { at, kind, entry }) = self.output.next() {
            self.cursor.output = at;
            self.show(at.attempt, kind.to_owned(), entry);
        }
    }

    fn show(&mut self, attempt: u32, kind: String, entry: ActivityEntry) {
        self.bytes += weight(&entry);
        self.shown.push(Shown {
            attempt,
            kind,
            entry,
            cursor: self.cursor,
        });
    }

    fn finish(mut self, limit: usize, scanned: Position, due_ms: Option<i64>) -> Page {
        let said_all = self.output.peek().is_none();
        if said_all {
            self.cursor.output = scanned;
        }
        let stored_all = said_all && self.life.peek().is_none() && self.rest != Rest::More;
        let ended = self.facts.ended_heard_ms.is_some();
        let whole = self.rest == Rest::Drained { whole: true };
        let late = self.facts.is_late(self.now_ms);
        let mut complete = ended && stored_all && (whole || late);
        let waits = due_ms.is_some() || matches!(self.rest, Rest::Held { .. });
        let mut more = !stored_all && !waits;
        if complete && !whole && !self.cursor.told {
            if self.shown.len() < limit {
                self.cursor.told = true;
                let text = "the rest of the log is still on its way: ask again later";
                self.shown
                    .push(system_line("log.late", self.now_ms, text, self.cursor));
            } else {
                (complete, more) = (false, true);
            }
        }
        Page {
            shown: self.shown,
            next: self.cursor,
            complete,
            more,
            due_ms,
        }
    }
}

/// When a line may be shown although output that belongs before it may still come.
fn due_ms(told: &Told, whole: bool, facts: &Facts) -> i64 {
    let ended_ms = facts.ended_heard_ms;
    if line::is_final(&told.kind) {
        match ended_ms {
            Some(_) if whole => i64::MIN,
            Some(ended_ms) => ended_ms + PATIENCE_MS,
            // The end was heard after the facts were read, and so may output have been.
            None => told.heard_ms + PATIENCE_MS,
        }
    } else if line::ends_output(&told.kind) && ended_ms.is_none() {
        told.heard_ms + GRACE_MS
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests;
