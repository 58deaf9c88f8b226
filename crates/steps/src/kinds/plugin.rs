//! `plugin`: a DPU, carried out by this program or by an executable that is registered for it.
//!
//! Data comes to it over named ports: each input is the outputs of earlier plug-in steps, merged in the order in which
//! they are written. Its configuration is the text that UnifiedViews keeps for it, and no template.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Kind, Process};
use crate::cursor::Cursor;
use crate::expression::{self, Context};
use crate::reader::Reading;

pub(super) const KEY: &str = "plugin";
pub(crate) const KEYS: [&str; 4] = ["name", "version", "config", "inputs"];

/// The longest name of a plug-in, in characters.
const MAX_NAME: usize = 120;
const MAX_VERSION: usize = 64;
/// The longest configuration, in characters.
pub const MAX_CONFIG: usize = 512 * 1024;
/// The inputs of a step, and what is merged into one.
const MAX_PORTS: usize = 100;
/// A step's id, a dot, and the name of a port.
const MAX_SOURCE: usize = crate::definition::MAX_ID + 1 + 128;

/// A plug-in as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plugin {
    /// The name of its jar without a version.
    pub name: String,
    /// The least version that is asked for. It chooses nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its configuration, as an export has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// By input port: the `step.port` whose data goes there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Vec<String>>,
}

/// A plug-in to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginCall {
    /// The name of its jar without a version; it can be the name of a file.
    pub name: String,
    /// Its configuration, as an export has it; may be empty.
    pub config: String,
    /// By input port, step and port of each source.
    pub inputs: BTreeMap<String, Vec<(String, String)>>,
    /// What the definition adds to the environment.
    pub env: BTreeMap<String, String>,
}

impl Plugin {
    pub(super) fn call(
        &self,
        env: &BTreeMap<String, String>,
        context: &Context<'_>,
    ) -> Result<PluginCall, Error> {
        let owned = |(step, port): (&str, &str)| (step.to_owned(), port.to_owned());
        let sources = |(port, sources): (&String, &Vec<String>)| {
            let sources = sources.iter().filter_map(|it| source(it)).map(owned);
            (port.clone(), sources.collect())
        };
        Ok(PluginCall {
            name: self.name.clone(),
            config: self.config.clone().unwrap_or_default(),
            inputs: self.inputs.iter().map(sources).collect(),
            env: Process::new(Vec::new(), env, context)?.env,
        })
    }
}

/// The step and the port that `step.port` names.
pub fn source(text: &str) -> Option<(&str, &str)> {
    let (step, port) = text.split_once('.')?;
    (!step.is_empty() && expression::is_name(port)).then_some((step, port))
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    _: &BTreeMap<String, String>,
) -> Option<Kind> {
    if !reading.fields(at, &KEYS) {
        return None;
    }
    let name = read_name(reading, &at.key("name"));
    let version = reading.title(&at.key("version"), MAX_VERSION);
    let config = reading.text(&at.key("config"), MAX_CONFIG);
    let mut inputs = BTreeMap::new();
    let ports = at.key("inputs");
    for (port, sources) in reading.entries(&ports, MAX_PORTS).unwrap_or_default() {
        if !expression::is_name(port) {
            let message =
                "is no name of a port: a letter or `_`, then letters, digits, `_` and `-`";
            reading.fault(sources.fault(message));
        }
        reading.require(&sources);
        inputs.insert(port.to_owned(), read_sources(reading, &sources));
    }
    Some(Kind::Plugin(Plugin {
        name,
        version,
        config,
        inputs,
    }))
}

/// A name that can be one of a file in a directory of plug-ins, whatever else it may be.
fn read_name(reading: &mut Reading, at: &Cursor<'_>) -> String {
    reading.require(at);
    let name = reading.title(at, MAX_NAME).unwrap_or_default();
    if name.starts_with('.') || name.contains(['/', '\\']) {
        reading.fault(at.fault("must be the name of a plug-in, such as uv-t-filesRenamer"));
    }
    name
}

fn read_sources(reading: &mut Reading, at: &Cursor<'_>) -> Vec<String> {
    let items = reading.items(at, MAX_PORTS);
    let mut sources = Vec::with_capacity(items.len());
    for item in &items {
        reading.require(item);
        let text = reading.string(item, MAX_SOURCE).unwrap_or_default();
        if item.is_present() && source(&text).is_none() {
            reading.fault(item.fault("must be a step's id and its port, as in download.output"));
        }
        sources.push(text);
    }
    sources
}

pub(super) fn schema() -> Value {
    let name = "^[A-Za-z_][A-Za-z0-9_-]{0,127}$";
    json!({
        "description": "A plug-in (DPU) of UnifiedViews.",
        "type": "object",
        "additionalProperties": false,
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": "The name of its jar without a version.",
                "pattern": "^[^./\\\\][^/\\\\]*$", "minLength": 1, "maxLength": MAX_NAME},
            "version": {"type": "string", "description": "The least version asked for. It chooses nothing.",
                "minLength": 1, "maxLength": MAX_VERSION},
            "config": {"$ref": "#/$defs/text", "description": "Its configuration (XML), as an export has it; no expressions.",
                "maxLength": MAX_CONFIG},
            "inputs": {
                "description": "By input port: the outputs (`step.port`) whose data goes there, merged in this order.",
                "type": "object",
                "maxProperties": MAX_PORTS,
                "propertyNames": {"pattern": name},
                "additionalProperties": {
                    "type": "array", "maxItems": MAX_PORTS,
                    "items": {"type": "string", "pattern": "^[a-z0-9-]+[.][A-Za-z_][A-Za-z0-9_-]{0,127}$"},
                },
            },
        },
    })
}
