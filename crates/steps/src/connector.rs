//! Connectors: how outside tools are worked with, said in files.
//!
//! A file under `connectors/` describes one kind of tool: the requests that start, follow, log and stop something there,
//! and where their answers say what. [`Job::begin`] makes a [`Machine`] of it, which decides what comes next; an
//! executor sends what it says. `docs/connectors.md` explains the language.
//!
//! **Invariants:** nothing here is code of one tool: adding a tool is adding a file. A secret reaches a request's headers
//! or a sign-in, and no template.

mod answer;
mod ask;
mod language;
mod machine;
mod template;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use answer::Answer;
pub use ask::Ask;
pub use language::{Connector, State};
pub use machine::{Deed, End, Heard, Machine, Next, Note, Record, Verdict};

use crate::source;

/// Kind and text of each file under `connectors/`.
mod files {
    include!(concat!(env!("OUT_DIR"), "/connectors.rs"));
}

static ALL: LazyLock<BTreeMap<String, Connector>> = LazyLock::new(|| {
    let read = files::ALL.iter().filter_map(|(_, text)| parse(text).ok());
    let known = |connector: Connector| {
        let names: Vec<_> = std::iter::once(&connector.connector)
            .chain(&connector.also)
            .map(|name| canonical(name))
            .collect();
        names.into_iter().map(move |name| (name, connector.clone()))
    };
    read.flat_map(known).collect()
});

/// The connector for a kind of tool, however its identifier is spelt.
pub fn named(identifier: &str) -> Option<&'static Connector> {
    ALL.get(&canonical(identifier))
}

/// Every identifier that has a connector.
pub fn identifiers() -> impl Iterator<Item = &'static str> {
    ALL.keys().map(String::as_str)
}

/// Identifiers are compared without case, and `_` is as good as `-`.
pub fn canonical(identifier: &str) -> String {
    identifier.trim().to_lowercase().replace('_', "-")
}

/// Reads a connector's file.
fn parse(text: &str) -> Result<Connector, String> {
    let tree = source::parse(text).map_err(|fault| fault.to_string())?;
    let connector: Connector =
        serde_json::from_value(tree.to_json()).map_err(|error| error.to_string())?;
    connector.check()?;
    Ok(connector)
}

/// Sees that an operation that a definition describes itself can be carried out.
pub(crate) fn check_operation(operation: &Value) -> Result<(), String> {
    operation_of(operation).map(|_| ())
}

fn operation_of(operation: &Value) -> Result<language::Operation, String> {
    let read: language::Operation =
        serde_json::from_value(operation.clone()).map_err(|error| error.to_string())?;
    read.check()?;
    Ok(read)
}

impl Connector {
    /// Whether there is such an operation.
    pub fn has(&self, operation: &str) -> bool {
        self.operations.contains_key(operation)
    }

    /// The names of its operations.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.operations.keys().map(String::as_str)
    }

    /// An operation of its own.
    fn operation(&self, name: &str) -> Result<language::Operation, String> {
        let known: Vec<_> = self.operations().collect();
        let known = if known.is_empty() {
            "the step must describe one".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        let found = self.operations.get(name).cloned();
        found.ok_or_else(|| format!("{} has no operation {name}; {known}", self.connector))
    }

    /// What an operation is capable of; nothing if there is no such operation.
    pub fn capabilities(&self, operation: &str) -> Option<Capabilities> {
        let operation = self.operations.get(operation)?;
        Some(Capabilities {
            stop: !operation.stop.0.is_empty() || !operation.kill.0.is_empty(),
            live_logs: operation.log.as_ref().is_some_and(|log| log.live),
        })
    }
}

/// What an operation of a tool is capable of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It can be stopped there.
    pub stop: bool,
    /// Its log is read while it runs, not only afterwards.
    pub live_logs: bool,
}

/// A registered tool with its secrets, as a step is granted it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// 24 hex digits.
    pub id: String,
    /// For people.
    pub name: String,
    /// Its identifier, which names the connector.
    pub kind: String,
    /// With the secrets in their places.
    pub configuration: Value,
    /// The secrets that are in it.
    #[serde(default)]
    pub secrets: Vec<String>,
}

/// The configuration holds secrets.
impl fmt::Debug for Tool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tool")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Which try of which step wants something of a tool. Templates read it as `run`.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The run's id.
    pub id: String,
    /// The run's number among those of its pipeline.
    pub count: i64,
    /// The pipeline's id.
    pub pipeline: String,
    /// Its name.
    pub pipeline_name: String,
    /// The step's id.
    pub step: String,
    /// The number of the try.
    pub r#try: u32,
}

impl Facts {
    /// A name for what this try starts: lowercase letters, digits and `-`, 63 at most, and no other try's.
    fn key(&self) -> String {
        let step: String = self.step.chars().take(12).collect();
        // FNV-1a: steps that begin alike have keys that differ.
        let hash = self.step.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        format!("penstock-{}-{step}-{hash:08x}-{}", self.id, self.r#try)
    }
}

/// What a step wants of a tool.
#[derive(Debug, Clone)]
pub struct Job {
    /// The tool.
    pub tool: Tool,
    /// The connector's, where the step says another than the tool's own.
    pub kind: Option<String>,
    /// The name of an operation, or an operation itself.
    pub operation: Value,
    /// What the step gives the operation.
    pub with: Map<String, Value>,
    /// How often the tool is asked, where the step says so.
    pub every: Option<Duration>,
    /// Whose job it is.
    pub facts: Facts,
    /// What an earlier attempt has left.
    pub left: Option<Record>,
}

impl Job {
    /// Begins it, or says why that can't be.
    pub fn begin(self) -> Result<Machine, String> {
        let kind = self.kind.as_deref().unwrap_or(&self.tool.kind);
        let connector = named(kind).or_else(|| named(&self.tool.kind));
        let connector = connector.ok_or_else(|| {
            let known: Vec<_> = identifiers().collect();
            format!(
                "there is no connector for tools of kind {kind}; there are {}, and a step can say `kind: generic-rest`",
                known.join(", ")
            )
        })?;
        let operation = match self.operation.as_str() {
            Some(name) => connector.operation(name)?,
            None => operation_of(&self.operation)?,
        };
        Machine::new(connector, operation, self)
    }
}

#[cfg(test)]
mod tests;
