//! The lines of an export: JSON, one thing a line.
//!
//! The first line says whose chains follow and the last one how many lines there were, so that a
//! file that was cut off shows. Between them come the public keys, and then each book: a checkpoint
//! if it doesn't begin with the first link, and its links in order, each checkpoint behind its link.

use serde::{Deserialize, Serialize};

use super::chain::Link;
use super::checkpoint::Checkpoint;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// The first.
    Begin(Begin),
    /// A key that signed some of the checkpoints.
    Key(Key),
    /// A signed position.
    Checkpoint(Checkpoint),
    /// A link with its records.
    Link(Link),
    /// The last.
    End(End),
}

/// What an export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Begin {
    /// [`FORMAT`].
    pub format: u32,
    /// Whose.
    pub account: String,
    /// When it was made, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Key {
    /// As checkpoints name it.
    pub key_id: String,
    /// Ed25519, 64 hex digits.
    pub public_key: String,
}

/// The end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Lines before this one.
    pub lines: u64,
}
