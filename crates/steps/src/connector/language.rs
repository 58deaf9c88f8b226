//! What a connector's file can say. `docs/connectors.md` explains it to who writes one.
//!
//! **Invariant:** what was read here can be carried out: templates, paths and patterns are well formed and name what
//! there is. A request goes to a path below the tool's own address, never elsewhere.

mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer::{Jsonpath, Pattern};
use crate::duration;

/// How an outside tool is worked with.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connector {
    /// The kind of tool, as tools are registered with it.
    pub connector: String,
    /// Further identifiers that mean this kind.
    #[serde(default)]
    pub also: Vec<String>,
    /// For people.
    pub description: String,
    /// What the tool's configuration must or may say, by the names that are used here.
    pub(super) tool: BTreeMap<String, Setting>,
    /// How requests prove who sends them; the first whose settings are all there.
    #[serde(default)]
    pub(super) auth: Vec<Auth>,
    /// What can be done with it.
    #[serde(default)]
    pub(super) operations: BTreeMap<String, Operation>,
}

/// A setting of a tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Setting {
    /// Where it may be found in the configuration; the first that is there counts.
    pub(super) from: Vec<String>,
    #[serde(default)]
    pub(super) default: Option<String>,
    /// It must be there.
    #[serde(default)]
    pub(super) required: bool,
    /// Only `auth` can name it.
    #[serde(default)]
    pub(super) secret: bool,
}

/// How a request proves who sends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Auth {
    /// A user's name and a password: settings.
    Basic([String; 2]),
    /// A bearer token: a setting.
    Bearer(String),
    /// A header of the tool's own.
    Header {
        /// Its name.
        name: String,
        /// The setting that is its value.
        setting: String,
    },
    /// A request whose answer has a bearer token. It is sent first, and again when the token has expired.
    Login {
        /// Its templates can name `secret.…`.
        request: Box<Request>,
        /// Settings that it needs.
        settings: Vec<String>,
        /// The token.
        token: Take,
    },
}

/// Something that can be done with a tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Operation {
    /// For people.
    #[serde(default)]
    #[allow(dead_code, reason = "it is for who reads the file")]
    description: String,
    /// Of every request; templates, and one without a value is left out.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// Requests before the first, such as for a token against forgery.
    #[serde(default)]
    pub(super) prepare: Vec<Ask>,
    pub(super) start: Ask,
    /// Asked until all that it takes is there.
    #[serde(default)]
    pub(super) find: Option<Ask>,
    /// Asked until the state is a final one. Without it, what was started is what has succeeded.
    #[serde(default)]
    pub(super) poll: Option<Ask>,
    #[serde(default)]
    pub(super) log: Option<Log>,
    /// Ends it in an orderly way.
    #[serde(default)]
    pub(super) stop: Alternatives,
    /// Ends it at once; `stop` serves where there is none.
    #[serde(default)]
    pub(super) kill: Alternatives,
    /// The outputs of the step; templates, and one without a value is left out.
    #[serde(default)]
    pub(super) outputs: BTreeMap<String, String>,
    /// An address for people, said in the log once it is known.
    #[serde(default)]
    pub(super) link: Option<String>,
    #[serde(default)]
    pub(super) pace: Pace,
}

/// How often a tool is asked.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Pace {
    /// At first.
    #[serde(deserialize_with = "duration::deserialize")]
    pub(super) every: Duration,
    /// How much longer each pause is than the one before.
    pub(super) backoff: f64,
    /// No pause is longer.
    #[serde(deserialize_with = "duration::deserialize")]
    pub(super) most: Duration,
    /// How long it may fail to answer, in one piece.
    #[serde(deserialize_with = "duration::deserialize")]
    pub(super) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(2),
            backoff: 1.3,
            most: Duration::from_secs(30),
            patience: Duration::from_mins(10),
        }
    }
}

/// A request, below the tool's address.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default)]
    pub(super) method: Method,
    /// Begins with a slash. Values are percent-encoded.
    pub(super) path: String,
    /// One without a value is left out.
    #[serde(default)]
    pub(super) query: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) json: Option<Value>,
    #[serde(default)]
    pub(super) form: Option<Value>,
    #[serde(default)]
    pub(super) text: Option<String>,
}

/// How a request is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "HTTP says it")]
pub(super) enum Method {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Requests, of which the first whose values are all there is sent. One alone needs no list.
#[derive(Debug, Clone, Default)]
pub(super) struct Alternatives(pub(super) Vec<Request>);

impl<'de> Deserialize<'de> for Alternatives {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let list = if let Value::Array(list) = value {
            list
        } else {
            vec![value]
        };
        let requests = list.into_iter().map(serde_json::from_value);
        requests
            .collect::<Result<_, _>>()
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// A request and what its answer says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Ask {
    pub(super) request: Alternatives,
    /// Statuses of an answer that says nothing, and is no failure.
    #[serde(default)]
    pub(super) missing: Vec<u16>,
    #[serde(default)]
    pub(super) take: BTreeMap<String, Take>,
    #[serde(default)]
    pub(super) state: Vec<StateRule>,
    /// A line of the log whenever it changes.
    #[serde(default)]
    pub(super) progress: Option<Take>,
    /// Why it failed.
    #[serde(default)]
    pub(super) message: Option<Take>,
    /// Of a start: sending it twice with the same `run.key` starts one.
    #[serde(default)]
    pub(super) idempotent: bool,
    /// Of a start: statuses that say that it was started before with the same key.
    #[serde(default)]
    pub(super) exists: Vec<u16>,
    /// Of a find: it finds by `run.key`, so it can tell whether a start that was not answered was carried out.
    #[serde(default)]
    pub(super) by_key: bool,
    /// Of a find: how long it may take.
    #[serde(default, deserialize_with = "optional_duration")]
    pub(super) within: Option<Duration>,
}

fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration::deserialize(deserializer).map(Some)
}

/// A value of an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Taken")]
pub(super) struct Take {
    pub(super) json: Option<Jsonpath>,
    pub(super) header: Option<String>,
    /// Of which the first group counts.
    pub(super) pattern: Option<Pattern>,
    /// It need not be there.
    pub(super) is_optional: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Taken {
    Short(Jsonpath),
    Long(Long),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Long {
    #[serde(default)]
    json: Option<Jsonpath>,
    #[serde(default)]
    header: Option<String>,
    #[serde(default, rename = "match")]
    pattern: Option<Pattern>,
    #[serde(default)]
    optional: bool,
}

impl From<Taken> for Take {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Short(json) => Self {
                json: Some(json),
                header: None,
                pattern: None,
                is_optional: false,
            },
            Taken::Long(long) => Self {
                json: long.json,
                header: long.header,
                pattern: long.pattern,
                is_optional: long.optional,
            },
        }
    }
}

/// What a value of an answer says about the state. The first rule that knows the value counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StateRule {
    pub(super) at: Take,
    pub(super) map: BTreeMap<String, State>,
}

/// How far something is that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the words say it")]
pub enum State {
    Running,
    Succeeded,
    Warned,
    Failed,
    Cancelled,
}

/// Where its log is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Log {
    pub(super) request: Alternatives,
    /// While it runs, not only once it has ended.
    #[serde(default)]
    pub(super) live: bool,
    /// Parts that have a log each.
    #[serde(default)]
    pub(super) each: Option<Each>,
    /// The tool counts: it says where to go on, and `{{ offset }}` asks for what comes after. Without it, the answer is
    /// the whole text each time.
    #[serde(default)]
    pub(super) offset: Option<Take>,
    /// Says `true` while there is more to come.
    #[serde(default)]
    pub(super) more: Option<Take>,
    /// Each line is JSON.
    #[serde(default)]
    pub(super) lines: Option<Lines>,
    /// Statuses that say that there is none.
    #[serde(default)]
    pub(super) missing: Vec<u16>,
}

/// What of a line is shown.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Lines {
    pub(super) text: Take,
    #[serde(default)]
    pub(super) label: Option<Take>,
}

/// The parts of what runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Each {
    pub(super) request: Alternatives,
    pub(super) items: Jsonpath,
    /// Templates with `{{ item.… }}`.
    pub(super) id: String,
    pub(super) name: String,
    /// The part's log grows no more.
    pub(super) ended: StateRule,
}
