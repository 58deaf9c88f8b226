//! The request that the phase of an operation is about.

use serde_json::{Map, Value};

use super::{Deed, Machine, Phase};
use crate::connector::ask::Ask;
use crate::connector::language::{self, Auth};
use crate::connector::template::{self, Scope};

impl Machine {
    /// Sends what the phase is about.
    pub(super) fn send(&mut self) -> Deed {
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

    pub(super) fn request(&self) -> Result<Ask, template::Error> {
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

    pub(super) fn stop_request(&self) -> Result<Ask, template::Error> {
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

    pub(super) fn vars(&self) -> Value {
        let own = self.prepared.iter().chain(&self.record.vars);
        own.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    }

    pub(super) fn scope<'a>(&'a self, vars: &'a Value) -> Scope<'a> {
        Scope::default()
            .with("tool", &self.access.settings)
            .with("with", &self.with)
            .with("run", &self.run)
            .with("var", vars)
    }
}
