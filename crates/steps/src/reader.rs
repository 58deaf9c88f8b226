//! Reads values out of a [`source`](crate::source) tree and collects every fault on the way.
//!
//! A fault never ends the reading: what can't be read is absent, and the rest is looked at all the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::cursor::Cursor;
use crate::expression::{self, Piece, Reference};
use crate::fault::{Fault, Faults, MAX_FAULTS};
use crate::source::{Scalar, Value};
use crate::{duration, suggestion};

/// An expression that was read; whether what it names exists is known only when all has been read.
pub(crate) struct Use {
    pub(crate) step: usize,
    pub(crate) named: Named,
    /// Where it stands; its message is still to be written.
    pub(crate) at: Fault,
}

/// What a [`Use`] names. Secrets are looked up on the spot, in the step's own map.
pub(crate) enum Named {
    Parameter(String),
    Output { step: String, key: String },
}

/// Who may be named by the expressions of a template.
pub(crate) enum Scope<'a> {
    /// Parameters and outputs.
    Plain,
    /// The step's secrets as well, by the names it uses.
    WithSecrets(&'a BTreeMap<String, String>),
}

/// A reading in progress: the faults so far, and the expressions to look up at its end.
#[derive(Default)]
pub(crate) struct Reading {
    faults: Vec<Fault>,
    pub(crate) uses: Vec<Use>,
    /// The step that is being read.
    pub(crate) step: usize,
}

impl Reading {
    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else if self.faults.len() == MAX_FAULTS {
            let message = format!("there are more faults than the {MAX_FAULTS} that were listed");
            self.faults.push(Fault::at("", message));
        }
    }

    /// Whether no more faults are listed, so that nobody need look for what was meant.
    pub(crate) fn is_full(&self) -> bool {
        self.faults.len() > MAX_FAULTS
    }

    /// The result of the reading: the value, or all faults in the order of the text.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Faults> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults
            .sort_by_key(|fault| (fault.line.is_none(), fault.line, fault.column));
        Err(Faults(self.faults))
    }

    /// Sees that something was written.
    pub(crate) fn require(&mut self, at: &Cursor<'_>) -> bool {
        if !at.is_present() {
            self.fault(at.fault("is missing"));
        }
        at.is_present()
    }

    /// Sees that it is a map with these keys only, each once. Answers whether it is a map.
    pub(crate) fn fields(&mut self, at: &Cursor<'_>, keys: &[&str]) -> bool {
        let Some(entries) = self.entries(at, usize::MAX) else {
            return false;
        };
        for (key, value) in &entries {
            if keys.contains(key) || self.is_full() {
                continue;
            }
            let hint = match suggestion::nearest(key, keys.iter().copied()) {
                _ if *key == "<<" => "; merge keys are not part of YAML 1.2".to_owned(),
                Some(known) => format!("; did you mean `{known}`?"),
                None => format!("; the keys here are {}", keys.join(", ")),
            };
            self.fault(value.at_key().fault(format!("unknown key{hint}")));
        }
        true
    }

    /// The entries of a map whose keys are free; nothing of a map with too many. Keys that come twice are at fault.
    pub(crate) fn entries<'b>(
        &mut self,
        at: &'b Cursor<'b>,
        most: usize,
    ) -> Option<Vec<(&'b str, Cursor<'b>)>> {
        let node = at.written()?;
        let Value::Map(entries) = &node.value else {
            self.fault(at.fault("must be a map of keys and values"));
            return None;
        };
        if entries.len() > most {
            self.fault(at.fault(format!(
                "has {} entries; it may have {most} at most",
                entries.len()
            )));
            return None;
        }
        let mut seen = HashSet::with_capacity(entries.len());
        let mut found = Vec::with_capacity(entries.len());
        for entry in entries {
            let cursor = at.entry(entry);
            if seen.insert(entry.key.as_str()) {
                found.push((entry.key.as_str(), cursor));
            } else {
                self.fault(
                    cursor
                        .at_key()
                        .fault("is written twice; remove one of them"),
                );
            }
        }
        Some(found)
    }

    /// The items of a list, or the first `most` of a longer one.
    pub(crate) fn items<'b>(&mut self, at: &'b Cursor<'b>, most: usize) -> Vec<Cursor<'b>> {
        let Some(node) = at.written() else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.fault(at.fault("must be a list"));
            return Vec::new();
        };
        if items.len() > most {
            self.fault(at.fault(format!(
                "has {} items; it may have {most} at most",
                items.len()
            )));
        }
        (0..items.len().min(most))
            .map(|index| at.index(index))
            .collect()
    }

    fn scalar<'b>(&mut self, at: &Cursor<'b>, what: &str) -> Option<&'b Scalar> {
        match &at.written()?.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => {
                self.fault(at.fault(format!("must be {what}, not a list or map")));
                None
            }
        }
    }

    /// Text. A bare number or flag is refused, because YAML means something else by it.
    pub(crate) fn string(&mut self, at: &Cursor<'_>, most: usize) -> Option<String> {
        let scalar = self.scalar(at, "text")?;
        if scalar.plain && is_number_or_flag(&scalar.text) {
            self.fault(at.fault(format!(
                "must be text; put it in quotes: \"{}\"",
                scalar.text
            )));
            return None;
        }
        self.bounded(at, &scalar.text, most)
    }

    /// Text as it was written, where bare numbers and flags serve as well.
    pub(crate) fn text(&mut self, at: &Cursor<'_>, most: usize) -> Option<String> {
        let scalar = self.scalar(at, "text")?;
        self.bounded(at, &scalar.text, most)
    }

    fn bounded(&mut self, at: &Cursor<'_>, text: &str, most: usize) -> Option<String> {
        let length = text.chars().count();
        if length > most {
            self.fault(at.fault(format!(
                "has {length} characters; it may have {most} at most"
            )));
            return None;
        }
        Some(text.to_owned())
    }

    /// Text for people to read on one line: not blank, no control characters.
    pub(crate) fn title(&mut self, at: &Cursor<'_>, most: usize) -> Option<String> {
        let title = self.string(at, most)?;
        if title.trim().is_empty() {
            self.fault(at.fault("must not be empty"));
            return None;
        }
        if title.chars().any(char::is_control) {
            self.fault(at.fault("must be one line without control characters"));
        }
        Some(title)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, at: &Cursor<'_>) -> Option<bool> {
        let scalar = self.scalar(at, "true or false")?;
        match scalar.text.as_str() {
            "true" | "True" | "TRUE" if scalar.plain => Some(true),
            "false" | "False" | "FALSE" if scalar.plain => Some(false),
            _ => {
                self.fault(at.fault("must be true or false"));
                None
            }
        }
    }

    /// A number, bare, within a range.
    pub(crate) fn number<T>(&mut self, at: &Cursor<'_>, range: RangeInclusive<T>) -> Option<T>
    where
        T: std::str::FromStr + PartialOrd + Display,
    {
        let scalar = self.scalar(at, "a number")?;
        let number = scalar
            .text
            .parse()
            .ok()
            .filter(|number| scalar.plain && range.contains(number));
        if number.is_none() {
            let message = format!("must be a number from {} to {}", range.start(), range.end());
            self.fault(at.fault(message));
        }
        number
    }

    /// A duration within a range.
    pub(crate) fn duration(
        &mut self,
        at: &Cursor<'_>,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let text = &self.scalar(at, "a duration")?.text;
        match duration::parse(text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => {
                let [least, most] = [range.start(), range.end()].map(|end| duration::format(*end));
                self.fault(at.fault(format!("must be from {least} to {most}")));
                None
            }
            Err(error) => {
                self.fault(at.fault(error.to_string()));
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, at: &Cursor<'_>, words: &[(&str, T)]) -> Option<T> {
        let text = &self.scalar(at, "a word")?.text;
        let found = words
            .iter()
            .find(|(word, _)| word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let hint = suggestion::did_you_mean(text, known.iter().copied());
            self.fault(at.fault(format!("must be one of {}{hint}", known.join(", "))));
        }
        found
    }

    /// Text whose expressions are well formed and in scope.
    pub(crate) fn template(
        &mut self,
        at: &Cursor<'_>,
        most: usize,
        scope: &Scope<'_>,
    ) -> Option<String> {
        let text = self.text(at, most)?;
        match expression::pieces(&text) {
            Ok(pieces) => {
                for piece in pieces {
                    if let Piece::Reference(reference) = piece {
                        self.note(at, reference, scope);
                    }
                }
            }
            Err(error) => self.fault(at.fault(error.to_string())),
        }
        Some(text)
    }

    fn note(&mut self, at: &Cursor<'_>, reference: Reference<'_>, scope: &Scope<'_>) {
        let named = match (reference, scope) {
            (Reference::Parameter(name), _) => Named::Parameter(name.to_owned()),
            (Reference::Output { step, key }, _) => Named::Output {
                step: step.to_owned(),
                key: key.to_owned(),
            },
            (Reference::Secret(name), Scope::WithSecrets(secrets)) => {
                if !secrets.contains_key(name) {
                    self.fault(at.fault(format!("`{name}` is not among the step's `secrets`")));
                }
                return;
            }
            (Reference::Secret(_), Scope::Plain) => {
                let message = "a secret can stand in the headers and body of an http step only; \
                               a process finds it in its environment, under the name in `secrets`";
                self.fault(at.fault(message));
                return;
            }
        };
        self.uses.push(Use {
            step: self.step,
            named,
            at: at.fault(""),
        });
    }
}

/// Whether YAML's core schema reads bare text as a number or flag.
fn is_number_or_flag(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
        || text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))
            && (text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o"))
}
