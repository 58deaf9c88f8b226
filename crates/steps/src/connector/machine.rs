//! What comes next in an operation of a tool, decided without I/O.
//!
//! [`Machine::next`] takes in what happened and says what to do: send a request, wait, or end. Requests come one after
//! the other: sign-in and preparation, start, find, then poll and log in turns until the state is a final one.
//!
//! **Invariants:** a start that may have been carried out is not sent again, unless the connector says that this is
//! harmless or nothing else could be found out. Before a start is sent, and once it is known what was started,
//! a [`Note::Checkpoint`] says what the next attempt must know. Every failure that repeats is bounded by the
//! connector's patience.

mod answers;
mod log;
mod outcome;
mod phases;
mod request;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::log::Reading;
use super::answer::Answer;
use super::ask::{Access, Ask};
use super::language::{Operation, Pace, State};
use super::{Connector, Job};

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How often a find looks for a start that was not answered, before the start is sent again.
const LOOKS: u32 = 5;
/// How often in a row a token is got anew.
const SIGN_INS: u32 = 2;
/// Values of an answer that are longer are not taken, in bytes.
const MAX_VALUE: usize = 16 * 1024;

/// What a later attempt must know. It is no secret, and it is not trusted: it only fills templates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// What the start was sent with, for tools that can find it by that.
    pub key: String,
    /// The start was sent.
    #[serde(default)]
    pub is_sent: bool,
    /// It was answered.
    #[serde(default)]
    pub is_started: bool,
    /// What answers have said, by name.
    #[serde(default)]
    pub vars: BTreeMap<String, Value>,
}

/// What happened.
#[derive(Debug)]
pub enum Heard {
    /// Nothing yet.
    Begin,
    /// The request was answered.
    Answered(Answer),
    /// It was not.
    Unanswered {
        /// It may have reached the tool.
        is_sent: bool,
        /// For people.
        why: String,
    },
    /// The wait is over.
    Waited,
    /// Whatever was under way was given up: it is to end, `hard` at once.
    Stop {
        /// Without the tool's own ways to clean up.
        hard: bool,
    },
}

/// What to do now.
#[derive(Debug)]
pub enum Deed {
    /// Send a request.
    Send(Ask),
    /// Wait so long.
    Wait(Duration),
    /// It has ended.
    End(End),
}

/// What to do on the way.
#[derive(Debug, PartialEq)]
pub enum Note {
    /// Log a line.
    Say(String),
    /// Log what the tool wrote.
    Output(Vec<u8>),
    /// The output of one part ends here.
    Cut,
    /// Keep this for a later attempt, before anything else is done.
    Checkpoint(Record),
    /// Mask this from now on.
    Hide(String),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// As far as is known.
    pub verdict: Verdict,
    /// For people.
    pub message: String,
    /// What later steps can read.
    pub outputs: BTreeMap<String, String>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Verdict {
    Succeeded,
    Warned,
    Failed,
    Cancelled,
    /// It was to be stopped, and goes on or may go on there.
    Left,
}

/// What to do next.
#[derive(Debug)]
pub struct Next {
    /// In this order, before the deed.
    pub notes: Vec<Note>,
    /// And then this.
    pub deed: Deed,
}

/// What is under way or due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Login,
    Prepare(usize),
    Start,
    Find,
    Poll,
    Parts,
    Log,
    Stop,
}

/// An operation on its way.
#[derive(Debug)]
pub struct Machine {
    kind: String,
    operation: Operation,
    access: Access,
    with: Value,
    run: Value,
    record: Record,
    phase: Phase,
    /// What preparation took; never kept.
    prepared: BTreeMap<String, Value>,
    reading: Reading,
    pace: Pace,
    /// How often it was polled.
    polls: u32,
    /// Looks for a start that was not answered.
    looks: u32,
    /// The start was sent by this machine, and it can't be told whether it was carried out.
    is_unsure: bool,
    sign_ins: u32,
    /// How long a find has waited.
    sought: Duration,
    /// Failures in a row, and how long they have been waited out.
    failures: (u32, Duration),
    /// It is to end; hard or not, and whether the tool was told.
    stop: Option<(bool, bool)>,
    said: Said,
    ended: Option<(State, String)>,
    notes: Vec<Note>,
}

/// What was said already.
#[derive(Debug, Default)]
struct Said {
    progress: String,
    state: String,
    link: bool,
    message: String,
}

impl Machine {
    /// An operation that begins, or goes on from what an earlier attempt has left.
    pub(super) fn new(
        connector: &Connector,
        operation: Operation,
        job: Job,
    ) -> Result<Self, String> {
        let access = Access::of(connector, &job.tool.configuration, &job.tool.secrets)?;
        let mut record = job.left.unwrap_or_default();
        if record.key.is_empty() {
            record.key = job.facts.key();
        }
        let mut run = serde_json::to_value(&job.facts).unwrap_or_default();
        run["key"] = Value::from(record.key.clone());
        let mut pace = operation.pace;
        if let Some(every) = job.every {
            (pace.every, pace.most) = (every, pace.most.max(every));
        }
        Ok(Self {
            kind: connector.connector.clone(),
            operation,
            access,
            with: Value::Object(job.with),
            run,
            record,
            phase: Phase::Login,
            prepared: BTreeMap::new(),
            reading: Reading::default(),
            pace,
            polls: 0,
            looks: 0,
            is_unsure: false,
            sign_ins: 0,
            sought: Duration::ZERO,
            failures: (0, Duration::ZERO),
            stop: None,
            said: Said::default(),
            ended: None,
            notes: Vec::new(),
        })
    }

    /// Whether the connector can stop what it started.
    pub fn can_stop(&self) -> bool {
        !self.operation.stop.0.is_empty() || !self.operation.kill.0.is_empty()
    }

    /// Takes in what happened and says what to do.
    pub fn next(&mut self, heard: Heard) -> Next {
        let deed = match heard {
            Heard::Begin => self.begin(),
            Heard::Answered(answer) => self.answered(&answer),
            Heard::Unanswered { is_sent, why } => self.unanswered(is_sent, &why),
            Heard::Waited => self.send(),
            Heard::Stop { hard } => self.told(hard),
        };
        Next {
            notes: std::mem::take(&mut self.notes),
            deed,
        }
    }
}

/// It was carried out. Redirects are none of a tool's answers that say so, but for a form's (`303`, `302`).
fn is_well(answer: &Answer) -> bool {
    matches!(answer.status, 200..=299 | 302 | 303)
}
