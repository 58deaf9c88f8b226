//! `pipeline`: a child run. Another pipeline is run, and how its run ends is how the step ends.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Kind};
use crate::cursor::Cursor;
use crate::definition::{MAX_ENTRIES, MAX_NAME};
use crate::expression::{self, Context};
use crate::reader::{Reading, Scope};

pub(super) const KEY: &str = "pipeline";
pub(crate) const KEYS: [&str; 2] = ["pipeline", "parameters"];

/// The longest value of a parameter, as a template.
const MAX_VALUE: usize = 64 * 1024;

/// Which pipeline is run, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Child {
    /// Its id, number or name.
    pub pipeline: String,
    /// Templates by the parameter's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

impl Child {
    /// What the child run is given, now that expressions have values.
    pub fn values(&self, context: &Context<'_>) -> Result<BTreeMap<String, String>, Error> {
        let render = |(name, template): (&String, &String)| {
            let value = expression::render(template, context)
                .map_err(Error::in_place(format!("pipeline.parameters.{name}")))?;
            Ok((name.clone(), value))
        };
        self.parameters.iter().map(render).collect()
    }
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    _: &BTreeMap<String, String>,
) -> Option<Kind> {
    if !reading.fields(at, &KEYS) {
        return None;
    }
    let mut parameters = BTreeMap::new();
    let named = at.key("parameters");
    for (name, value) in reading.entries(&named, MAX_ENTRIES).unwrap_or_default() {
        reading.require(&value);
        let template = reading.template(&value, MAX_VALUE, &Scope::Plain);
        parameters.insert(name.to_owned(), template.unwrap_or_default());
    }
    let at = at.key("pipeline");
    reading.require(&at);
    let pipeline = reading.text(&at, MAX_NAME)?;
    if pipeline.trim().is_empty() || expression::is_in(&pipeline) {
        reading
            .fault(at.fault("must be the id, number or name of a pipeline, without expressions"));
    }
    Some(Kind::Pipeline(Child {
        pipeline,
        parameters,
    }))
}

pub(super) fn schema() -> Value {
    json!({
        "description": "A child run: another pipeline is run, and how its run ends is how the step ends.",
        "type": "object",
        "additionalProperties": false,
        "required": ["pipeline"],
        "properties": {
            "pipeline": {"$ref": "#/$defs/text", "description": "The id, number or name of the pipeline.",
                "minLength": 1, "maxLength": MAX_NAME},
            "parameters": {
                "description": "What its run is given; expressions may stand in the values.",
                "type": "object",
                "maxProperties": MAX_ENTRIES,
                "additionalProperties": {"$ref": "#/$defs/text"},
            },
        },
    })
}
