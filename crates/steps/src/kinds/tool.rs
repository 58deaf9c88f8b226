//! `tool`: an operation of a registered tool, carried out through its connector.
//!
//! Nothing of it is a secret: the tool's own are registered with it, and an executor is given them with the step.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, Kind};
use crate::connector;
use crate::cursor::Cursor;
use crate::duration;
use crate::expression::{self, Context};
use crate::reader::{Reading, Scope};
use crate::source;

pub(super) const KEY: &str = "tool";
pub(crate) const KEYS: [&str; 5] = ["tool", "kind", "operation", "with", "every"];

/// The operation of a connector where a step says none.
const OPERATION: &str = "run";
const MAX_NAME: usize = 1024;
/// What a tool step may come to as JSON, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Entries of a map in `with`, or of a list.
const MAX_ENTRIES: usize = 1000;
const LEAST_EVERY: Duration = Duration::from_millis(100);

/// An operation of a tool as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// The id, number or name of a registered tool.
    pub tool: String,
    /// The connector's, where it is another than the tool's own identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name of an operation of the connector, or an operation in a connector's words.
    #[serde(default = "operation", skip_serializing_if = "is_default")]
    pub operation: Value,
    /// What the operation is given. Strings in it are templates.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub with: Map<String, Value>,
    /// How often the tool is asked, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
}

fn operation() -> Value {
    Value::from(OPERATION)
}

fn is_default(value: &Value) -> bool {
    *value == OPERATION
}

/// An operation to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The connector's, where the step says one.
    pub kind: Option<String>,
    /// The name of an operation, or an operation itself.
    pub operation: Value,
    /// What it is given.
    pub with: Map<String, Value>,
    /// How often the tool is asked, where the step says so.
    pub every: Option<Duration>,
}

impl Tool {
    pub(super) fn call(&self, context: &Context<'_>) -> Result<ToolCall, Error> {
        let mut with = Map::new();
        for (key, value) in &self.with {
            let in_place = Error::in_place(format!("tool.with.{key}"));
            with.insert(key.clone(), rendered(value, context).map_err(in_place)?);
        }
        Ok(ToolCall {
            kind: self.kind.clone(),
            operation: self.operation.clone(),
            with,
            every: self
                .every
                .as_deref()
                .and_then(|it| duration::parse(it).ok()),
        })
    }
}

fn rendered(value: &Value, context: &Context<'_>) -> Result<Value, expression::Error> {
    Ok(match value {
        Value::String(template) => Value::from(expression::render(template, context)?),
        Value::Array(items) => {
            let items = items.iter().map(|item| rendered(item, context));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| Ok((key.clone(), rendered(value, context)?)));
            Value::Object(entries.collect::<Result<_, _>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    secrets: &BTreeMap<String, String>,
) -> Option<Kind> {
    if !reading.fields(at, &KEYS) {
        return None;
    }
    if !secrets.is_empty() {
        let message = "a tool step takes its secrets from the tool; remove `secrets`";
        reading.fault(at.fault(message));
    }
    reading.require(&at.key("tool"));
    let name = reading.title(&at.key("tool"), MAX_NAME).unwrap_or_default();
    // One that is not known yet may be by the time it runs.
    let kind = reading.title(&at.key("kind"), MAX_NAME);
    let operation = read_operation(reading, &at.key("operation"), kind.as_deref());
    let with = read_with(reading, &at.key("with"));
    let every = at.key("every");
    let is_readable = reading
        .duration(&every, LEAST_EVERY..=duration::MAX)
        .is_some();
    let tool = Tool {
        tool: name,
        kind,
        operation,
        with,
        every: is_readable
            .then(|| reading.text(&every, MAX_NAME))
            .flatten(),
    };
    let length = serde_json::to_string(&tool).map_or(0, |text| text.len());
    if length > MAX_BYTES {
        let message = format!("has {length} bytes as JSON; it may have {MAX_BYTES} at most");
        reading.fault(at.fault(message));
    }
    Some(Kind::Tool(tool))
}

/// A name, or a map that is an operation: in a connector's words, and without expressions.
fn read_operation(reading: &mut Reading, at: &Cursor<'_>, kind: Option<&str>) -> Value {
    let connector = kind.and_then(connector::named);
    if !at.is_map() {
        let name = reading.title(at, MAX_NAME);
        let name = name.unwrap_or_else(|| OPERATION.to_owned());
        if let Some(connector) = connector.filter(|connector| !connector.has(&name)) {
            let known: Vec<_> = connector.operations().collect();
            let message = if known.is_empty() {
                "this kind has no operations of its own; describe one here".to_owned()
            } else {
                format!("there is no such operation; there are {}", known.join(", "))
            };
            reading.fault(at.fault(message));
        }
        return Value::from(name);
    }
    let operation = at.written().map(source::Node::to_json).unwrap_or_default();
    if expression::is_in(&operation.to_string()) {
        let message = "expressions are not put into operations; give the value a name under \
                       `with` and write {{ with.name }} here";
        reading.fault(at.fault(message));
    } else if let Err(why) = connector::check_operation(&operation) {
        reading.fault(at.fault(why));
    }
    operation
}

fn read_with(reading: &mut Reading, at: &Cursor<'_>) -> Map<String, Value> {
    let mut with = Map::new();
    for (key, value) in reading.entries(at, MAX_ENTRIES).unwrap_or_default() {
        with.insert(key.to_owned(), read_value(reading, &value));
    }
    with
}

fn read_value(reading: &mut Reading, at: &Cursor<'_>) -> Value {
    match at.written().map(|node| &node.value) {
        None => Value::Null,
        Some(source::Value::Scalar(scalar)) => {
            let value = scalar.to_json();
            if value.is_string() {
                reading.template(at, MAX_BYTES, &Scope::Plain);
            }
            value
        }
        Some(source::Value::List(_)) => {
            let items = reading.items(at, MAX_ENTRIES);
            let items = items.iter().map(|item| read_value(reading, item));
            items.collect()
        }
        Some(source::Value::Map(_)) => Value::Object(read_with(reading, at)),
    }
}

pub(super) fn schema() -> Value {
    json!({
        "description": "An operation of a registered tool, through its connector. Expressions may stand in the \
                        strings of `with`.",
        "type": "object",
        "additionalProperties": false,
        "required": ["tool"],
        "properties": {
            "tool": {"type": "string", "description": "The id, number or name of a registered tool.",
                "minLength": 1, "maxLength": MAX_NAME},
            "kind": {"type": "string", "description": "The kind of connector, if it is another than the tool's own identifier; one that is not known counts for nothing."},
            "operation": {
                "description": "The name of an operation of the connector, or an operation in a connector's words.",
                "type": ["string", "object"], "default": OPERATION,
            },
            "with": {"type": "object", "description": "What the operation is given."},
            "every": {"$ref": "#/$defs/duration", "description": "How often the tool is asked."},
        },
    })
}
