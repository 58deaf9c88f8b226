//! Sees that what a connector's file says can be carried out.

use super::{Alternatives, Ask, Auth, Connector, Log, Operation, Request};
use crate::connector::template::{self, check, check_value};

/// The roots of every template.
const ROOTS: [&str; 4] = ["tool", "with", "run", "var"];

impl Connector {
    /// Sees that all of it can be carried out.
    pub(in crate::connector) fn check(&self) -> Result<(), String> {
        if !self.tool.contains_key("url") {
            return Err("tool: needs the setting `url`".to_owned());
        }
        for auth in &self.auth {
            self.check_auth(auth)?;
        }
        for (name, operation) in &self.operations {
            let in_place = |why| format!("operations.{name}: {why}");
            operation.check().map_err(in_place)?;
        }
        Ok(())
    }

    fn check_auth(&self, auth: &Auth) -> Result<(), String> {
        let named: Vec<&String> = match auth {
            Auth::Basic(settings) => settings.iter().collect(),
            Auth::Bearer(setting) | Auth::Header { setting, .. } => vec![setting],
            Auth::Login {
                request, settings, ..
            } => {
                request
                    .check(&["tool", "run", "secret"])
                    .map_err(|why| format!("auth.login: {why}"))?;
                settings.iter().collect()
            }
        };
        match named.iter().find(|name| !self.tool.contains_key(**name)) {
            Some(name) => Err(format!("auth: there is no setting `{name}` under `tool`")),
            None => Ok(()),
        }
    }
}

impl Operation {
    pub(in crate::connector) fn check(&self) -> Result<(), String> {
        let texts = self.headers.iter().flat_map(|(name, value)| [name, value]);
        for text in texts.chain(self.outputs.values()).chain(&self.link) {
            check(text, &ROOTS).map_err(|error| error.to_string())?;
        }
        if let Some(name) = self
            .outputs
            .keys()
            .find(|name| !crate::expression::is_name(name))
        {
            return Err(format!("outputs: `{name}` is no name of an output"));
        }
        if self.start.request.0.is_empty() {
            return Err("start: has no request".to_owned());
        }
        let asks = self.prepare.iter().map(|ask| ("prepare", ask));
        let asks = asks
            .chain([("start", &self.start)])
            .chain(self.find.iter().map(|find| ("find", find)))
            .chain(self.poll.iter().map(|poll| ("poll", poll)));
        for (place, ask) in asks {
            ask.check(place).map_err(|why| format!("{place}: {why}"))?;
        }
        if self.poll.as_ref().is_some_and(|poll| poll.state.is_empty()) {
            return Err("poll: says nothing about the `state`".to_owned());
        }
        self.stop
            .check(&ROOTS)
            .and_then(|()| self.kill.check(&ROOTS))
            .map_err(|why| format!("stop: {why}"))?;
        self.log.as_ref().map_or(Ok(()), Log::check)
    }
}

impl Ask {
    fn check(&self, place: &str) -> Result<(), String> {
        if (self.idempotent || !self.exists.is_empty()) && place != "start" {
            return Err("only a start is `idempotent` or `exists`".to_owned());
        }
        if (self.by_key || self.within.is_some()) && place != "find" {
            return Err("only a find has `byKey` and `within`".to_owned());
        }
        self.request.check(&ROOTS)
    }
}

impl Log {
    fn check(&self) -> Result<(), String> {
        let item = ["tool", "with", "run", "var", "item", "offset"];
        let in_place = |why| format!("log: {why}");
        self.request.check(&item).map_err(in_place)?;
        if let Some(each) = &self.each {
            each.request.check(&ROOTS).map_err(in_place)?;
            for text in [&each.id, &each.name] {
                check(text, &item).map_err(|error| in_place(error.to_string()))?;
            }
        }
        Ok(())
    }
}

impl Alternatives {
    fn check(&self, roots: &[&str]) -> Result<(), String> {
        self.0.iter().try_for_each(|request| request.check(roots))
    }
}

impl Request {
    fn check(&self, roots: &[&str]) -> Result<(), String> {
        if !self.path.starts_with('/') || self.path.contains(['?', '#', '\\']) {
            return Err(format!(
                "path `{}`: begins with a slash and has neither ? nor #; `query` has the rest",
                self.path
            ));
        }
        if [
            self.json.is_some(),
            self.form.is_some(),
            self.text.is_some(),
        ]
        .into_iter()
        .filter(|is_there| *is_there)
        .count()
            > 1
        {
            return Err("a request has one of json, form and text".to_owned());
        }
        let pairs = self.query.iter().chain(&self.headers);
        let texts = pairs.flat_map(|(name, value)| [name, value]);
        let checked = texts
            .chain([&self.path])
            .chain(&self.text)
            .try_for_each(|text| check(text, roots));
        let mut bodies = self.json.iter().chain(&self.form);
        checked
            .and_then(|()| bodies.try_for_each(|body| check_value(body, roots)))
            .map_err(|error: template::Error| error.to_string())
    }
}
