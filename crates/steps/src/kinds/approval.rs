//! `approval`: a gate. The run waits until people have approved it, or one has rejected it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Gate, Kind};
use crate::cursor::Cursor;
use crate::definition::is_true;
use crate::expression;
use crate::reader::Reading;

pub(super) const KEY: &str = "approval";
pub(crate) const KEYS: [&str; 4] = ["message", "contact", "approvers", "selfApproval"];

const MAX_MESSAGE: usize = 500;
const MAX_CONTACT: usize = 50;
/// The most people that a gate can ask for.
const MAX_APPROVERS: u32 = 20;

/// A gate as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// What those who decide are told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Whom to ask, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// How many different people must approve; 1 to 20.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvers: u32,
    /// Whether who started the run may be one of them.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub self_approval: bool,
}

fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_one(number: &u32) -> bool {
    *number == 1
}

fn yes() -> bool {
    true
}

impl Approval {
    pub(super) fn gate(&self) -> Gate<'_> {
        Gate {
            message: &self.message,
            contact: &self.contact,
            approvers: self.approvers,
            self_approval: self.self_approval,
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
    Some(Kind::Approval(Approval {
        message: literal(reading, &at.key("message"), MAX_MESSAGE).unwrap_or_default(),
        contact: literal(reading, &at.key("contact"), MAX_CONTACT).unwrap_or_default(),
        approvers: reading
            .number(&at.key("approvers"), 1..=MAX_APPROVERS)
            .unwrap_or(1),
        self_approval: reading.flag(&at.key("selfApproval")).unwrap_or(true),
    }))
}

/// Text that people read as it was written.
pub(super) fn literal(reading: &mut Reading, at: &Cursor<'_>, most: usize) -> Option<String> {
    let text = reading.text(at, most)?;
    if expression::is_in(&text) {
        reading.fault(at.fault("expressions are not put into what people are told"));
    }
    Some(text)
}

pub(super) fn schema() -> Value {
    json!({
        "description": "A gate: the run waits until people have approved it, or one has rejected it. It holds no \
                        executor meanwhile, and waits without limit unless the step has a `timeout`.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "message": {"$ref": "#/$defs/text", "description": "What those who decide are told.",
                "maxLength": MAX_MESSAGE},
            "contact": {"$ref": "#/$defs/text", "description": "Whom to ask, for people.",
                "maxLength": MAX_CONTACT},
            "approvers": {"description": "How many different people must approve.",
                "type": "integer", "minimum": 1, "maximum": MAX_APPROVERS, "default": 1},
            "selfApproval": {"description": "Whether who started the run may be one of them.",
                "type": "boolean", "default": true},
        },
    })
}
