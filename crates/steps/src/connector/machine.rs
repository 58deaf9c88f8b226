//! What comes next in an operation of a tool, decided without I/O.
//!
//! [`Machine::next`] takes in what happened and says what to do: send a request, wait, or end. Requests come one after
//! the other: sign-in and preparation, start, find, then poll and log in turns until the state is a final one.
//!
//! **Invariants:** a start that may have been carried out is not sent again, unless the connector says that this is
//! harmless or nothing else could be found out. Before a start is sent, and once it is known what was started,
//! a [`Note::Checkpoint`] says what the next attempt must know. Every failure that repeats is bounded by the
//! connector's patience.

mod log;
mod outcome;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::log::Reading;
use super::answer::{Answer, Seen};
use super::ask::{Access, Ask};
use super::language::{self, Auth, Operation, Pace, State};
use super::template::{self, Scope};
use super::{Connector, Job};

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
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

    fn begin(&mut self) -> Deed {
        let secrets: Vec<_> = self.access.hidden().cloned().collect();
        self.notes.extend(secrets.into_iter().map(Note::Hide));
        if self.record.is_started {
            self.say("it was started by an earlier attempt, which is followed further");
        }
        self.prepare(0)
    }

    /// The next request of preparation, or what comes after it.
    fn prepare(&mut self, index: usize) -> Deed {
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
    fn may_be_found(&self) -> bool {
        let by_key = self.operation.find.as_ref().is_some_and(|find| find.by_key);
        by_key && !self.operation.start.idempotent && self.looks < LOOKS
    }

    /// Finds or polls what was started, or tells it to stop.
    fn follow(&mut self) -> Deed {
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

    fn has_all(&self, ask: &language::Ask) -> bool {
        let needed = ask.take.iter().filter(|(_, take)| !take.is_optional);
        needed
            .into_iter()
            .all(|(name, _)| self.record.vars.contains_key(name))
    }

    /// Sends what the phase is about.
    fn send(&mut self) -> Deed {
        let asked = self.request();
        match asked {
            Ok(mut ask) => {
                if self.phase == Phase::Start {
                    ask.is_repeatable = false;
                    self.record.is_sent = true;
                    self.checkpoint();
                }
                Deed::Send(ask)
            }
            Err(error) => self.fail(format!("{}: {error}", self.place())),
        }
    }

    fn request(&self) -> Result<Ask, template::Error> {
        let vars = self.vars();
        let scope = self.scope(&vars);
        let nothing = || template::Error::Missing(self.place().to_owned());
        let of = |ask: &language::Ask| {
            self.access
                .first_of(&ask.request, &scope, &self.operation.headers)
        };
        match self.phase {
            Phase::Login => match self.access.login() {
                Some(Auth::Login { request, .. }) => self.access.sign_in(request, &self.run),
                Some(Auth::Basic(_) | Auth::Bearer(_) | Auth::Header { .. }) | None => {
                    Err(nothing())
                }
            },
            Phase::Prepare(index) => of(&self.operation.prepare[index]),
            Phase::Start => of(&self.operation.start),
            Phase::Find => of(self.operation.find.as_ref().ok_or_else(nothing)?),
            Phase::Poll => of(self.operation.poll.as_ref().ok_or_else(nothing)?),
            Phase::Stop => self.stop_request(),
            Phase::Parts => self.parts_request(&scope),
            Phase::Log => self.log_request(scope),
        }
    }

    fn stop_request(&self) -> Result<Ask, template::Error> {
        let vars = self.vars();
        let hard = self.stop.is_some_and(|(hard, _)| hard);
        let (first, second) = (&self.operation.kill, &self.operation.stop);
        let requests = if hard && !first.0.is_empty() || second.0.is_empty() {
            first
        } else {
            second
        };
        self.access
            .first_of(requests, &self.scope(&vars), &self.operation.headers)
    }

    fn vars(&self) -> Value {
        let own = self.prepared.iter().chain(&self.record.vars);
        own.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    }

    fn scope<'a>(&'a self, vars: &'a Value) -> Scope<'a> {
        Scope::default()
            .with("tool", &self.access.settings)
            .with("with", &self.with)
            .with("run", &self.run)
            .with("var", vars)
    }

    fn answered(&mut self, answer: &Answer) -> Deed {
        let may_sign_in = self.phase != Phase::Login && self.sign_ins < SIGN_INS;
        if answer.status == 401 && may_sign_in && self.access.expire() {
            self.sign_ins += 1;
            self.say("the tool's token has expired; signing in again");
            return self.prepare(0);
        }
        if self.phase == Phase::Stop {
            return self.stopped(answer);
        }
        if matches!(self.phase, Phase::Parts | Phase::Log) {
            return self.log_answered(answer);
        }
        let start_is_safe = self.operation.start.idempotent || matches!(answer.status, 429 | 503);
        if answer.is_transient() {
            let why = format!("{} {}", answer.status, answer.told());
            if self.phase == Phase::Start && !start_is_safe {
                return self.unsure(&why);
            }
            return self.again(&why, answer.retry_after);
        }
        match self.phase {
            Phase::Login => self.signed_in(answer),
            Phase::Prepare(index) => self.was_prepared(index, answer),
            Phase::Start => self.started(answer),
            Phase::Find => self.found(answer),
            Phase::Poll => self.polled(answer),
            Phase::Parts | Phase::Log | Phase::Stop => self.follow(),
        }
    }

    fn signed_in(&mut self, answer: &Answer) -> Deed {
        let Some(Auth::Login { token, .. }) = self.access.login() else {
            return self.prepare(0);
        };
        let found = Seen::of(answer, "").text(token);
        match found.filter(|_| is_well(answer)) {
            Some(token) => {
                self.notes.push(Note::Hide(token.clone()));
                self.access.token = Some(token);
                self.prepare(0)
            }
            None => self.fail(format!("signing in was answered with {}", answer.status)),
        }
    }

    fn was_prepared(&mut self, index: usize, answer: &Answer) -> Deed {
        let ask = &self.operation.prepare[index];
        if is_well(answer) {
            let seen = Seen::of(answer, &self.record.key);
            for (name, take) in &ask.take {
                if let Some(value) = seen.value(take) {
                    self.notes.push(Note::Hide(template::as_text(&value)));
                    self.prepared.insert(name.clone(), value);
                }
            }
        } else if !ask.missing.contains(&answer.status) {
            return self.refused(answer);
        }
        self.recovered();
        self.prepare(index + 1)
    }

    fn started(&mut self, answer: &Answer) -> Deed {
        let exists = self.operation.start.exists.contains(&answer.status);
        if !is_well(answer) && !exists {
            return self.refused(answer);
        }
        let start = self.operation.start.clone();
        self.take(&start, answer);
        if !exists && !self.has_all(&start) {
            return self.fail(format!(
                "it was started, but the answer does not say what: {}",
                answer.told()
            ));
        }
        self.recovered();
        self.record.is_started = true;
        self.checkpoint();
        let (state, said) = Seen::of(answer, &self.record.key).state(&start.state);
        if let Some(state) = state.filter(|state| *state != State::Running) {
            self.ended = Some((state, said));
            return self.after_poll();
        }
        self.follow()
    }

    fn found(&mut self, answer: &Answer) -> Deed {
        let Some(find) = self.operation.find.clone() else {
            return self.follow();
        };
        if !is_well(answer) && !find.missing.contains(&answer.status) {
            return self.refused(answer);
        }
        self.recovered();
        if is_well(answer) {
            let before = self.record.vars.len();
            self.take(&find, answer);
            if self.has_all(&find) {
                self.record.is_started = true;
                self.checkpoint();
                return self.follow();
            }
            if before != self.record.vars.len() {
                self.checkpoint();
            }
            let (state, said) = Seen::of(answer, &self.record.key).state(&find.state);
            if let Some(state) = state.filter(|state| *state != State::Running) {
                self.ended = Some((state, said));
                return self.after_poll();
            }
            self.note_progress(&find, answer);
        }
        if !self.record.is_started {
            self.looks += 1;
            if self.looks >= LOOKS && self.is_unsure {
                return self
                    .fail("the start was not answered, and nothing is found of it".to_owned());
            }
            if self.looks >= LOOKS {
                return self.prepare(self.operation.prepare.len());
            }
        }
        let pause = self.pause();
        self.sought += pause;
        if find.within.is_some_and(|within| self.sought > within) {
            return self.fail("it was started, but it can't be found".to_owned());
        }
        Deed::Wait(pause)
    }

    fn polled(&mut self, answer: &Answer) -> Deed {
        let Some(poll) = self.operation.poll.clone() else {
            return self.follow();
        };
        if poll.missing.contains(&answer.status) {
            self.recovered();
            return Deed::Wait(self.pause());
        }
        if !is_well(answer) {
            return self.refused(answer);
        }
        if answer.json().is_null() && poll.state.iter().all(|rule| rule.at.header.is_none()) {
            return self.again("the answer is no JSON", None);
        }
        self.recovered();
        let before = self.record.vars.clone();
        self.take(&poll, answer);
        if before != self.record.vars {
            self.checkpoint();
        }
        self.say_link();
        self.note_progress(&poll, answer);
        let seen = Seen::of(answer, &self.record.key);
        let (state, said) = seen.state(&poll.state);
        match state {
            Some(State::Running) => {}
            Some(state) => {
                let message = poll.message.as_ref().and_then(|take| seen.text(take));
                self.said.message = message.unwrap_or_default();
                self.ended = Some((state, said));
            }
            None if !said.is_empty() && said != self.said.state => {
                self.say(format!(
                    "its state is {said}, which this connector takes for running"
                ));
                self.said.state = said;
            }
            None => {}
        }
        self.after_poll()
    }

    /// Reads the log if it is time, then ends or waits.
    fn after_poll(&mut self) -> Deed {
        let is_live = self.operation.log.as_ref().is_some_and(|log| log.live);
        let is_due = self.operation.log.is_some() && (is_live || self.ended.is_some());
        // What has no state to follow has run nowhere that logs.
        if is_due && self.record.is_started {
            return self.read_log();
        }
        self.rest()
    }

    /// Ends, or waits for the next poll.
    fn rest(&mut self) -> Deed {
        match self.ended.clone() {
            Some((state, said)) => self.end(state, &said),
            None => {
                self.phase = Phase::Poll;
                if self.stop.is_some_and(|(_, is_told)| !is_told) {
                    return self.follow();
                }
                Deed::Wait(self.pause())
            }
        }
    }

    fn pause(&mut self) -> Duration {
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

    fn take(&mut self, ask: &language::Ask, answer: &Answer) {
        let seen = Seen::of(answer, &self.record.key);
        let mut taken = Vec::new();
        for (name, take) in &ask.take {
            let value = seen.value(take);
            taken.extend(value.map(|value| (name.clone(), value)));
        }
        taken.retain(|(_, value)| template::as_text(value).len() <= MAX_VALUE);
        self.record.vars.extend(taken);
    }
}

/// It was carried out. Redirects are none of a tool's answers that say so, but for a form's (`303`, `302`).
fn is_well(answer: &Answer) -> bool {
    matches!(answer.status, 200..=299 | 302 | 303)
}
