//! `run`: a shell script. It never holds expressions: parameters and outputs reach it through its environment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Kind, command};
use crate::cursor::Cursor;
use crate::expression;
use crate::reader::Reading;

pub(super) const KEY: &str = "run";

/// A script, carried out as `/bin/sh -e -c <script>`: it ends at the first command that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Run(pub String);

impl Run {
    /// The shell and the script.
    pub fn argv(&self) -> Vec<String> {
        ["/bin/sh", "-e", "-c", &self.0].map(str::to_owned).into()
    }
}

pub(super) fn read(
    reading: &mut Reading,
    at: &Cursor<'_>,
    _: &BTreeMap<String, String>,
) -> Option<Kind> {
    let script = reading.text(at, usize::MAX)?;
    if script.trim().is_empty() {
        reading.fault(at.fault("must not be empty"));
    }
    if script.len() > command::MAX_ARGUMENT {
        let message = format!(
            "has {} bytes; a script may have {} at most: put the rest into a file",
            script.len(),
            command::MAX_ARGUMENT
        );
        reading.fault(at.fault(message));
    }
    if expression::is_in(&script) {
        let message = "expressions are not put into scripts; give the value a name under `env` \
                       and write \"$NAME\" here";
        reading.fault(at.fault(message));
    }
    Some(Kind::Run(Run(script)))
}

pub(super) fn schema() -> Value {
    json!({
        "$ref": "#/$defs/text",
        "description": "A shell script, carried out as `/bin/sh -e -c`. Expressions stand in `env`, never here.",
        "minLength": 1,
        "maxLength": command::MAX_ARGUMENT,
    })
}
