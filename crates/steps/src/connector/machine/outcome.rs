//! Failures, stops and ends of an operation.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Deed, End, Machine, Note, PAUSES, Phase, Verdict, is_well};
use crate::connector::answer::{Answer, Seen};
use crate::connector::language::{self, State};
use crate::connector::template::{Encode, text};
use crate::outputs;

/// What one output may come to, in bytes.
const MAX_OUTPUT: usize = 16 * 1024;

impl Machine {
    /// What is under way, for a message.
    pub(super) fn place(&self) -> &'static str {
        match self.phase {
            Phase::Login => "sign-in",
            Phase::Prepare(_) => "prepare",
            Phase::Start => "start",
            Phase::Find => "find",
            Phase::Poll => "poll",
            Phase::Parts | Phase::Log => "log",
            Phase::Stop => "stop",
        }
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.notes.push(Note::Say(format!("{}: {text}", self.kind)));
    }

    pub(super) fn checkpoint(&mut self) {
        self.notes.push(Note::Checkpoint(self.record.clone()));
    }

    pub(super) fn say_link(&mut self) {
        if self.said.link {
            return;
        }
        let vars = self.vars();
        let link = self.operation.link.as_ref();
        let link = link.and_then(|link| text(link, &self.scope(&vars), Encode::No).ok().flatten());
        if let Some(link) = link {
            self.said.link = true;
            self.say(link);
        }
    }

    pub(super) fn note_progress(&mut self, ask: &language::Ask, answer: &Answer) {
        let take = ask.progress.as_ref();
        let progress = take.and_then(|take| Seen::of(answer, &self.record.key).text(take));
        if let Some(progress) = progress.filter(|it| *it != self.said.progress) {
            self.say(progress.clone());
            self.said.progress = progress;
        }
    }

    pub(super) fn recovered(&mut self) {
        self.failures = (0, Duration::ZERO);
        self.sign_ins = 0;
    }

    pub(super) fn unanswered(&mut self, is_sent: bool, why: &str) -> Deed {
        match self.phase {
            Phase::Start if is_sent && !self.operation.start.idempotent => self.unsure(why),
            Phase::Parts | Phase::Log => self.log_failed(why),
            Phase::Login
            | Phase::Prepare(_)
            | Phase::Start
            | Phase::Find
            | Phase::Poll
            | Phase::Stop => self.again(why, None),
        }
    }

    /// The start may have been carried out or not.
    pub(super) fn unsure(&mut self, why: &str) -> Deed {
        if self.may_be_found() {
            self.say(format!(
                "the start was not answered ({why}); looking whether it began"
            ));
            (self.phase, self.is_unsure) = (Phase::Find, true);
            return Deed::Wait(self.pause());
        }
        self.fail(format!(
            "the start was not answered properly, so it may have begun there or not: {why}"
        ))
    }

    /// Asks once more, unless that went on for too long.
    pub(super) fn again(&mut self, why: &str, after: Option<Duration>) -> Deed {
        let (count, waited) = self.failures;
        if waited > self.pace.patience {
            return self.fail(format!("{} fails again and again: {why}", self.place()));
        }
        if count == 0 {
            self.say(format!("{} failed and is tried again: {why}", self.place()));
        }
        let least = self.pace.every.min(PAUSES.0);
        let grown = match self.stop {
            // Whoever stops it does not wait for long.
            Some(_) => least,
            None => PAUSES.0.saturating_mul(1 << count.min(10)).min(PAUSES.1),
        };
        let pause = after
            .unwrap_or(grown)
            .clamp(least, self.pace.patience.max(least));
        self.failures = (count.saturating_add(1), waited.saturating_add(pause));
        Deed::Wait(pause)
    }

    pub(super) fn refused(&mut self, answer: &Answer) -> Deed {
        let told = answer.told();
        let colon = if told.is_empty() { "" } else { ": " };
        let (place, status) = (self.place(), answer.status);
        self.fail(format!("{place} was answered with {status}{colon}{told}"))
    }

    pub(super) fn fail(&mut self, message: impl Into<String>) -> Deed {
        let verdict = match self.stop {
            Some(_) if self.record.is_sent => Verdict::Left,
            Some(_) => Verdict::Cancelled,
            None => Verdict::Failed,
        };
        self.over(verdict, &message.into())
    }

    fn over(&mut self, verdict: Verdict, message: &str) -> Deed {
        Deed::End(End {
            verdict,
            message: format!("{}: {message}", self.kind),
            outputs: self.outputs(),
        })
    }

    /// It is to end.
    pub(super) fn told(&mut self, hard: bool) -> Deed {
        let is_told = self
            .stop
            .is_some_and(|(before, is_told)| is_told && before >= hard);
        self.stop = Some((hard, is_told));
        if let Some((state, said)) = self.ended.clone() {
            return self.end(state, &said);
        }
        if !self.record.is_sent {
            return self.over(Verdict::Cancelled, "it was not started yet");
        }
        if !self.can_stop() {
            return self.over(
                Verdict::Left,
                "this tool can't be told to stop, so it goes on there",
            );
        }
        if self.record.is_started {
            return self.follow();
        }
        if self.phase == Phase::Find {
            return self.send();
        }
        self.over(
            Verdict::Left,
            "its start was not answered yet, so it may go on there",
        )
    }

    /// The tool has answered to a stop. One that it has no use for came too late: the poll tells.
    pub(super) fn stopped(&mut self, answer: &Answer) -> Deed {
        if answer.is_transient() {
            let why = format!("{} {}", answer.status, answer.told());
            return self.again(&why, answer.retry_after);
        }
        if !is_well(answer) && !matches!(answer.status, 400 | 404 | 409 | 422) {
            let message = format!("stopping it was answered with {}", answer.status);
            return self.over(Verdict::Left, &message);
        }
        self.recovered();
        let hard = self.stop.is_some_and(|(hard, _)| hard);
        self.stop = Some((hard, true));
        self.say("it was told to stop");
        if self.operation.poll.is_none() {
            return self.over(Verdict::Cancelled, "it was told to stop");
        }
        self.follow()
    }

    pub(super) fn end(&mut self, state: State, said: &str) -> Deed {
        let verdict = match state {
            State::Succeeded => Verdict::Succeeded,
            State::Warned => Verdict::Warned,
            State::Cancelled => Verdict::Cancelled,
            State::Failed | State::Running => Verdict::Failed,
        };
        let mut message = match (verdict, said) {
            (Verdict::Succeeded, _) | (_, "") => String::new(),
            (_, said) => format!("{} says {said}", self.kind),
        };
        if !self.said.message.is_empty() && verdict != Verdict::Succeeded {
            message = format!("{message}: {}", self.said.message);
        }
        Deed::End(End {
            verdict,
            message,
            outputs: self.outputs(),
        })
    }

    /// What the outputs come to by now. One without a value, or with too long a one, is none.
    fn outputs(&self) -> BTreeMap<String, String> {
        let vars = self.vars();
        let scope = self.scope(&vars);
        let rendered = |(name, template): (&String, &String)| {
            let value = text(template, &scope, Encode::No).ok().flatten()?;
            (value.len() <= MAX_OUTPUT).then(|| (name.clone(), value))
        };
        let all = self.operation.outputs.iter().filter_map(rendered);
        all.take(outputs::MAX_KEYS).collect()
    }
}
