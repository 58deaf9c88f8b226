//! Takes secrets out of a document, and puts them back for the step that needs them. Pure.
//!
//! A text in the place of a secret is to be sealed, and a reference stands in its place:
//! `{"name": "Vault Secured Key", "vaultKey": "…"}`. An empty text becomes `{}`. What is a place of
//! a secret its name says, at any depth; numbers and texts in lists below such a name are secrets,
//! too.
//!
//! **Invariant:** after [`take_out`] no text stands in the place of a secret, and every reference is
//! to a secret of this tool.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Document, Refused, kind};

/// Secrets of a tool, at most.
const MOST: usize = 256;
/// Bytes of a vault key, at most.
const LONGEST_KEY: usize = 512;
/// What every reference says it is.
const LABEL: &str = "Vault Secured Key";
/// The property of a reference that says to what.
const KEY: &str = "vaultKey";

/// How a name ends, in letters and digits, that is the place of a secret in every tool.
const ENDINGS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secretkey",
    "secretaccesskey",
    "accesskey",
    "privatekey",
    "apikey",
    "authkey",
    "sshkey",
    "token",
    "authorization",
];
/// Whole names, likewise.
const NAMES: &[&str] = &["pwd", "pat", "passcode", "servicekey", "credentialsjson"];

/// Secrets by their vault keys. Shows none of them.
#[derive(Default)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Takes the secrets out of `document` of the tool `id`, which has the secrets of the keys `known`.
pub(crate) fn take_out(
    document: &mut Document,
    id: &str,
    known: &BTreeSet<String>,
) -> Result<Secrets, Refused> {
    let mut walk = Walk {
        prefix: format!("{id}-{}-", document.identifier),
        fields: kind::secret_fields(&document.identifier),
        known,
        taken: references(&document.rest),
        secrets: Secrets::default(),
    };
    for (name, value) in &mut document.rest {
        walk.step(name, is_secret(name, walk.fields), value)?;
    }
    if walk.taken.len() > MOST {
        return Err(Refused::TooManySecrets);
    }
    Ok(walk.secrets)
}

/// The vault keys that properties refer to.
pub(crate) fn references(properties: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    properties.values().for_each(|it| collect(it, &mut found));
    found
}

/// `value` with the secrets in the places of their references.
pub(crate) fn put_back(value: &mut Value, secrets: &BTreeMap<String, String>) {
    if let Some(secret) = key_of(value).and_then(|key| secrets.get(key)) {
        *value = json!(secret);
        return;
    }
    match value {
        Value::Array(list) => list.iter_mut().for_each(|it| put_back(it, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|it| put_back(it, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(key) = key_of(value) {
        found.insert(key.to_owned());
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|it| collect(it, found)),
        Value::Object(fields) => fields.values().for_each(|it| collect(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The vault key of a value that is a reference.
fn key_of(value: &Value) -> Option<&str> {
    value.as_object()?.get(KEY)?.as_str()
}

struct Walk<'a> {
    /// What the keys of this tool begin with.
    prefix: String,
    /// Further places of secrets in tools of this kind.
    fields: &'static [&'static str],
    known: &'a BTreeSet<String>,
    /// Keys that the document refers to. A new secret gets none of them: a reference to it may have
    /// moved from where the new one stands now.
    taken: BTreeSet<String>,
    secrets: Secrets,
}

impl Walk<'_> {
    /// Sees to the value at `path`. `in_place` says whether that is a place of secrets.
    fn step(&mut self, path: &str, in_place: bool, value: &mut Value) -> Result<(), Refused> {
        match value {
            Value::Object(fields) if fields.contains_key(KEY) => {
                let key = key_of(value).filter(|key| self.known.contains(*key));
                let key = key.ok_or_else(|| Refused::Reference(path.to_owned()))?;
                *value = reference(key);
            }
            Value::Object(fields) => {
                if in_place && !fields.is_empty() {
                    let why = "is the place of a secret: give a text, or {} for none";
                    return Err(Refused::field(path, why));
                }
                for (name, value) in fields {
                    let in_place = is_secret(name, self.fields);
                    self.step(&format!("{path}.{name}"), in_place, value)?;
                }
            }
            Value::Array(list) => {
                for (at, value) in list.iter_mut().enumerate() {
                    self.step(&format!("{path}.{at}"), in_place, value)?;
                }
            }
            Value::String(text) if in_place => {
                *value = match std::mem::take(text) {
                    empty if empty.is_empty() => json!({}),
                    secret => self.hide(path, secret)?,
                };
            }
            Value::Number(number) if in_place => *value = self.hide(path, number.to_string())?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }

    fn hide(&mut self, path: &str, secret: String) -> Result<Value, Refused> {
        if secret.len() > crate::secret::LONGEST {
            let why = format!("is longer than {} bytes", crate::secret::LONGEST);
            return Err(Refused::field(path, why));
        }
        let plain = format!("{}{path}", self.prefix);
        let mut key = plain.clone();
        let mut number = 1;
        while !self.taken.insert(key.clone()) {
            number += 1;
            key = format!("{plain}-{number}");
        }
        if key.len() > LONGEST_KEY {
            return Err(Refused::field(path, "lies too deep for a secret"));
        }
        let stands = reference(&key);
        self.secrets.0.insert(key, secret);
        Ok(stands)
    }
}

fn reference(key: &str) -> Value {
    json!({"name": LABEL, KEY: key})
}

/// Whether a property of this name is the place of a secret.
fn is_secret(name: &str, fields: &[&str]) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = letters.map(|it| it.to_ascii_lowercase()).collect();
    let plain = plain.as_str();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
        || NAMES.contains(&plain)
        || fields.contains(&plain)
}

#[cfg(test)]
mod tests;
