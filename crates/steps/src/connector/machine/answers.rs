//! What the answers to the requests of an operation say.

use super::{Deed, LOOKS, MAX_VALUE, Machine, Note, Phase, SIGN_INS, is_well};
use crate::connector::answer::{Answer, Seen};
use crate::connector::language::{self, Auth, State};
use crate::connector::template;

impl Machine {
    pub(super) fn answered(&mut self, answer: &Answer) -> Deed {
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

    pub(super) fn signed_in(&mut self, answer: &Answer) -> Deed {
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

    pub(super) fn was_prepared(&mut self, index: usize, answer: &Answer) -> Deed {
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

    pub(super) fn started(&mut self, answer: &Answer) -> Deed {
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

    pub(super) fn found(&mut self, answer: &Answer) -> Deed {
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

    pub(super) fn polled(&mut self, answer: &Answer) -> Deed {
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

    pub(super) fn take(&mut self, ask: &language::Ask, answer: &Answer) {
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
