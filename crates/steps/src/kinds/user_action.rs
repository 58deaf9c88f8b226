//! `userAction`: a gate with instructions. The run waits until somebody has done what they say, and says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Gate, Kind, approval};
use crate::cursor::Cursor;
use crate::reader::Reading;

pub(super) const KEY: &str = "userAction";
pub(crate) const KEYS: [&str; 1] = ["instructions"];

const MAX_INSTRUCTIONS: usize = 4000;

/// What somebody is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAction {
    /// In words; 1 to 4000 characters.
    pub instructions: String,
}

impl UserAction {
    pub(super) fn gate(&self) -> Gate<'_> {
        Gate {
            message: &self.instructions,
            contact: "",
            approvers: 1,
            self_approval: true,
        }
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
    let at = at.key("instructions");
    reading.require(&at);
    let instructions = approval::literal(reading, &at, MAX_INSTRUCTIONS)?;
    if instructions.trim().is_empty() {
        reading.fault(at.fault("must not be empty"));
    }
    Some(Kind::UserAction(UserAction { instructions }))
}

pub(super) fn schema() -> Value {
    json!({
        "description": "The run waits until somebody has done what the instructions say and acknowledges it, or \
                        refuses to.",
        "type": "object",
        "additionalProperties": false,
        "required": ["instructions"],
        "properties": {
            "instructions": {"$ref": "#/$defs/text", "description": "What somebody is to do.",
                "minLength": 1, "maxLength": MAX_INSTRUCTIONS},
        },
    })
}
