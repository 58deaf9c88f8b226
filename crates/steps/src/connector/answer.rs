//! What a tool answered, and the values in it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json_path::JsonPath;

use super::language::{State, StateRule, Take};
use super::template::as_text;

/// Stands in a path for the key of what was started.
const KEY: &str = "{{ run.key }}";
/// How much of an answer is told in a message, in characters.
const TOLD: usize = 300;

/// What a tool answered.
#[derive(Clone, Default)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Names in lowercase, and values.
    pub headers: Vec<(String, String)>,
    /// As much of it as was asked for.
    pub body: Vec<u8>,
    /// There was more.
    pub is_cut: bool,
    /// When to ask again, as the tool says.
    pub retry_after: Option<Duration>,
}

/// The body may hold a token.
impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |header: &&(String, String)| header.0.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The beginning of the body, for a message.
    pub(super) fn told(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4 * TOLD)]);
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").chars().take(TOLD).collect()
    }

    /// The tool may do better when it is asked again.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
            // How some tell of a limit.
            || self.status == 403 && self.retry_after.is_some()
    }
}

/// An answer as its values are looked for.
pub(super) struct Seen<'a> {
    answer: &'a Answer,
    json: Value,
    key: &'a str,
}

impl<'a> Seen<'a> {
    pub(super) fn of(answer: &'a Answer, key: &'a str) -> Self {
        Self {
            json: answer.json(),
            answer,
            key,
        }
    }

    /// The value, if it is there.
    pub(super) fn value(&self, take: &Take) -> Option<Value> {
        if let Some(name) = &take.header {
            let mut values = self.answer.header(name);
            return values
                .find_map(|value| matched(take, value))
                .map(Value::from);
        }
        taken(take, &self.json, self.key)
    }

    pub(super) fn text(&self, take: &Take) -> Option<String> {
        self.value(take).map(|value| as_text(&value))
    }

    pub(super) fn items(&self, path: &Jsonpath) -> Vec<Value> {
        path.all(&self.json, self.key)
    }

    /// What the rules say of the state, and in which word the tool said it.
    pub(super) fn state(&self, rules: &[StateRule]) -> (Option<State>, String) {
        let mut said = String::new();
        for rule in rules {
            let Some(text) = self.text(&rule.at) else {
                continue;
            };
            if let Some(state) = rule.map.get(&text) {
                return (Some(*state), text);
            }
            said = text;
        }
        (None, said)
    }
}

/// The value in a JSON document.
pub(super) fn taken(take: &Take, json: &Value, key: &str) -> Option<Value> {
    let found = match &take.json {
        Some(path) => path.all(json, key).into_iter().next()?,
        None => json.clone(),
    };
    match (&take.pattern, found) {
        (_, Value::Null) => None,
        (Some(_), found) => matched(take, &as_text(&found)).map(Value::from),
        (None, found) => Some(found),
    }
}

fn matched(take: &Take, text: &str) -> Option<String> {
    let Some(Pattern(pattern)) = &take.pattern else {
        return Some(text.to_owned());
    };
    let found = pattern.captures(text)?;
    let group = found.get(1).or_else(|| found.get(0))?;
    Some(group.as_str().to_owned())
}

/// A path by RFC 9535, in which `{{ run.key }}` may stand.
#[derive(Debug, Clone)]
pub(super) struct Jsonpath(String, Option<JsonPath>);

impl Jsonpath {
    fn all(&self, json: &Value, key: &str) -> Vec<Value> {
        let own;
        let path = match &self.1 {
            Some(path) => path,
            None => match JsonPath::parse(&self.0.replace(KEY, key)) {
                Ok(path) => {
                    own = path;
                    &own
                }
                // Keys are letters, digits and `-`, with one of which it was read.
                Err(_) => return Vec::new(),
            },
        };
        path.query(json).all().into_iter().cloned().collect()
    }
}

impl FromStr for Jsonpath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = JsonPath::parse(&text.replace(KEY, "key"))
            .map_err(|error| format!("`{text}` is no JSONPath: {error}"))?;
        let is_fixed = !text.contains(KEY);
        Ok(Self(text.to_owned(), is_fixed.then_some(path)))
    }
}

impl<'de> Deserialize<'de> for Jsonpath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A regular expression.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let pattern = regex::RegexBuilder::new(&text)
            .size_limit(1 << 20)
            .build()
            .map_err(de::Error::custom)?;
        Ok(Self(pattern))
    }
}
