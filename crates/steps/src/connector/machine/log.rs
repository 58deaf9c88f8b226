//! The log of what runs in the tool, read in pieces between two polls.
//!
//! **Invariant:** nothing about a log makes a step fail, and what is left out is said.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::{Deed, Machine, Note, Phase};
use crate::connector::answer::{Answer, Seen, taken};
use crate::connector::ask::Ask;
use crate::connector::language::{Each, Lines, Log};
use crate::connector::template::{self, Encode, Scope, as_text, text};

/// Parts of which the log is read.
const MAX_PARTS: usize = 200;
/// How often what has ended is asked for the rest of its log.
const LAST_LOOKS: u32 = 60;
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// How often in a row a log may fail before it is given up.
const MAX_FAILURES: u32 = 5;

/// How far the log was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    parts: BTreeMap<String, Part>,
    /// Those that are read now; the first is under way.
    due: VecDeque<Due>,
    /// Whose output was logged last.
    current: String,
    /// Looks since it has ended.
    last_looks: u32,
    failures: u32,
    is_given_up: bool,
    is_over_full: bool,
}

#[derive(Debug, Default)]
struct Part {
    /// Where to go on: bytes that were read, or what the tool calls so.
    offset: u64,
    is_done: bool,
}

#[derive(Debug)]
struct Due {
    id: String,
    name: String,
    item: Value,
    /// It grows no more.
    has_ended: bool,
}

impl Machine {
    /// Reads what is new of the log.
    pub(super) fn read_log(&mut self) -> Deed {
        if self.reading.is_given_up {
            return self.rest();
        }
        let log = self.operation.log.as_ref();
        if log.is_some_and(|log| log.each.is_some()) {
            self.phase = Phase::Parts;
        } else {
            self.phase = Phase::Log;
            self.reading.due = VecDeque::from([Due {
                id: String::new(),
                name: String::new(),
                item: Value::Null,
                has_ended: self.ended.is_some(),
            }]);
        }
        self.send_log()
    }

    fn send_log(&mut self) -> Deed {
        match self.request() {
            Ok(ask) => Deed::Send(ask),
            // What never began has no log.
            Err(template::Error::Missing(_)) => {
                self.reading.due.clear();
                self.rest()
            }
            Err(error) => self.log_failed(&error.to_string()),
        }
    }

    pub(super) fn parts_request(&self, scope: &Scope<'_>) -> Result<Ask, template::Error> {
        let each = self
            .operation
            .log
            .as_ref()
            .and_then(|log| log.each.as_ref());
        let each = each.ok_or_else(|| template::Error::Missing("log.each".to_owned()))?;
        self.access
            .first_of(&each.request, scope, &self.operation.headers)
    }

    pub(super) fn log_request(&self, scope: Scope<'_>) -> Result<Ask, template::Error> {
        let missing = || template::Error::Missing("log".to_owned());
        let log = self.operation.log.as_ref().ok_or_else(missing)?;
        let due = self.reading.due.front().ok_or_else(missing)?;
        let part = self.reading.parts.get(&due.id);
        let offset = Value::from(part.map_or(0, |part| part.offset));
        let scope = scope.with("item", &due.item).with("offset", &offset);
        self.access
            .first_of(&log.request, &scope, &self.operation.headers)
    }

    pub(super) fn log_answered(&mut self, answer: &Answer) -> Deed {
        if answer.is_transient() {
            return self.log_failed(&answer.status.to_string());
        }
        self.reading.failures = 0;
        let Some(log) = self.operation.log.clone() else {
            return self.rest();
        };
        match (self.phase, &log.each) {
            (Phase::Parts, Some(each)) => self.parts_answered(log.live, each, answer),
            _ => self.part_answered(&log, answer),
        }
    }

    fn parts_answered(&mut self, is_live: bool, each: &Each, answer: &Answer) -> Deed {
        if !(200..300).contains(&answer.status) {
            return self.log_failed(&format!("{} {}", answer.status, answer.told()));
        }
        let mut items = Seen::of(answer, &self.record.key).items(&each.items);
        if items.len() > MAX_PARTS && !std::mem::replace(&mut self.reading.is_over_full, true) {
            self.say(format!(
                "it has more than {MAX_PARTS} parts; the log has the first ones"
            ));
        }
        items.truncate(MAX_PARTS);
        let due = items.into_iter().filter_map(|item| self.due(each, item));
        let due: VecDeque<_> = due.filter(|due| is_live || due.has_ended).collect();
        self.reading.due = due;
        self.next_part()
    }

    /// A part of which more is to be read.
    fn due(&self, each: &Each, item: Value) -> Option<Due> {
        let scope = Scope::default().with("item", &item);
        let of = |template: &str| text(template, &scope, Encode::No).ok().flatten();
        let (id, name) = (of(&each.id)?, of(&each.name)?);
        let state = taken(&each.ended.at, &item, "");
        let is_final = |state: Value| each.ended.map.contains_key(&as_text(&state));
        let has_ended = self.ended.is_some() || state.is_some_and(is_final);
        let part = self.reading.parts.get(&id);
        (!part.is_some_and(|part| part.is_done)).then_some(Due {
            id,
            name,
            item,
            has_ended,
        })
    }

    /// Reads the next part that is due.
    fn next_part(&mut self) -> Deed {
        if self.reading.due.is_empty() {
            return self.rest();
        }
        self.phase = Phase::Log;
        self.send_log()
    }

    fn part_answered(&mut self, log: &Log, answer: &Answer) -> Deed {
        let Some(due) = self.reading.due.pop_front() else {
            return self.rest();
        };
        let is_there = (200..300).contains(&answer.status);
        if !is_there {
            if !log.missing.contains(&answer.status) {
                let of = if due.name.is_empty() { "" } else { " of " };
                let (name, status) = (&due.name, answer.status);
                self.say(format!("the log{of}{name} was answered with {status}"));
            }
            self.reading.parts.entry(due.id).or_default().is_done = due.has_ended;
            return self.next_part();
        }
        let is_more = self.take_in(log, &due, answer);
        if is_more && self.ended.is_some() && self.reading.last_looks < LAST_LOOKS {
            self.reading.last_looks += 1;
            self.reading.due.push_front(due);
            return Deed::Wait(LAST_PAUSE.min(self.pace.every));
        }
        self.next_part()
    }

    /// Logs what is new in an answer; tells whether more is to come.
    fn take_in(&mut self, log: &Log, due: &Due, answer: &Answer) -> bool {
        let seen = Seen::of(answer, &self.record.key);
        let more = log.more.as_ref().and_then(|more| seen.text(more));
        let is_more = more.as_deref() == Some("true");
        let part = self.reading.parts.entry(due.id.clone()).or_default();
        let before = part.offset;
        let fresh = if let Some(offset) = &log.offset {
            let next = seen.text(offset).and_then(|text| text.trim().parse().ok());
            part.offset = next.unwrap_or(before + answer.body.len() as u64);
            answer.body.as_slice()
        } else {
            let rest = rest_of(&answer.body, before, due.has_ended);
            part.offset = before + rest.len() as u64;
            rest
        };
        part.is_done = due.has_ended && !is_more || log.offset.is_none() && answer.is_cut;
        if !fresh.is_empty() {
            self.put_out(log, due, fresh);
        }
        if answer.is_cut {
            self.notes.push(Note::Cut);
            self.say("some of the log is left out here: it is too long");
        }
        if due.has_ended && !is_more {
            self.notes.push(Note::Cut);
        }
        is_more
    }

    fn put_out(&mut self, log: &Log, due: &Due, fresh: &[u8]) {
        let fresh = match &log.lines {
            Some(lines) => shown(lines, fresh),
            None => fresh.to_vec(),
        };
        if self.reading.current != due.id {
            self.notes.push(Note::Cut);
            self.say(format!("log of {}", due.name));
            self.reading.current.clone_from(&due.id);
        }
        self.notes.push(Note::Output(fresh));
    }

    /// A log that can't be read now is read with the next poll; not for ever.
    pub(super) fn log_failed(&mut self, why: &str) -> Deed {
        self.reading.failures += 1;
        if self.reading.failures == 1 {
            self.say(format!("the log can't be read now: {why}"));
        }
        if self.reading.failures > MAX_FAILURES {
            self.reading.is_given_up = true;
            self.say("the log is given up");
            return self.rest();
        }
        if self.ended.is_some() {
            // Nothing else will look again.
            return Deed::Wait(LAST_PAUSE.min(self.pace.every));
        }
        self.reading.due.clear();
        self.rest()
    }
}

/// What of a whole log was not read before. A line that is still being written is left for the next time.
fn rest_of(body: &[u8], before: u64, has_ended: bool) -> &[u8] {
    let from = usize::try_from(before).unwrap_or(usize::MAX);
    let rest = body.get(from..).unwrap_or_default();
    if has_ended {
        return rest;
    }
    let last = rest.iter().rposition(|byte| *byte == b'\n');
    &rest[..last.map_or(0, |at| at + 1)]
}

/// What of lines that are JSON is shown; others are shown as they are.
fn shown(lines: &Lines, text: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(text.len());
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let json: Value = serde_json::from_slice(line).unwrap_or(Value::Null);
        if let Some(found) = taken(&lines.text, &json, "") {
            let label = lines.label.as_ref();
            if let Some(label) = label.and_then(|label| taken(label, &json, "")) {
                shown.extend_from_slice(as_text(&label).as_bytes());
                shown.extend_from_slice(b": ");
            }
            shown.extend_from_slice(as_text(&found).as_bytes());
        } else {
            shown.extend_from_slice(line);
        }
        shown.push(b'\n');
    }
    shown
}
