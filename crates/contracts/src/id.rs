//! Permanent ids of what an API shows: 24 lowercase hex digits in `ObjectId` layout.
//!
//! Four bytes of seconds, five of this process, three of a counter: ids of one process ascend, and
//! two processes don't collide. Each noun has a type of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// A text that is not 24 lowercase hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an id: 24 hex digits are expected")]
pub struct Malformed(String);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A new id for something made at `now_ms`, milliseconds since 1970-01-01 UTC.
            pub fn made_at(now_ms: i64) -> Self {
                Self(object_id(now_ms))
            }

            /// The 24 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                if is_object_id(text) { Ok(Self(text.into())) } else { Err(malformed(text)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                if is_object_id(&text) { Ok(Self(text)) } else { Err(malformed(&text)) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        })*
    };
}

ids! {
    /// A pipeline, over all its versions.
    PipelineId;
    /// A run of a pipeline.
    RunId;
    /// A step of a pipeline, over all versions that have a step of the same `id`.
    StepId;
    /// A message on the bus, its `ce_id`.
    MessageId;
    /// A personal access token.
    TokenId;
    /// One use of a token: one request.
    UseId;
    /// A user.
    UserId;
    /// A group of users.
    GroupId;
    /// A tool.
    ToolId;
    /// A schedule.
    ScheduleId;
    /// A plug-in.
    PluginId;
}

/// Whether `text` could be an id: 24 lowercase hex digits.
pub fn is_object_id(text: &str) -> bool {
    text.len() == 24
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The permanent id of an activity record, 24 hex digits: the second, run, attempt and number of its
/// first entry. `kind` is that of a life-cycle line, empty for output.
///
/// Of what happens in the same millisecond of a run, ids ascend from beginnings over output to ends.
pub fn record_id(run_id: &str, attempt: u32, seq: u64, time_ms: i64, kind: &str) -> String {
    let seconds = u32::try_from(time_ms / 1000).unwrap_or_default();
    let run = run_id.get(18..24).unwrap_or("000000");
    let order = match kind.rsplit('.').next().unwrap_or_default() {
        "" => attempt.min(0xfe),
        "succeeded" | "warned" | "failed" | "cancelled" | "retrying" | "finished"
        | "handed-back" | "lost" => 0xff,
        _ => 0,
    };
    format!("{seconds:08x}{run}{order:02x}{:08x}", seq & 0xffff_ffff)
}

fn malformed(text: &str) -> Malformed {
    Malformed(text.chars().take(64).collect())
}

fn object_id(now_ms: i64) -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| rand::random::<u64>() & 0xff_ffff_ffff);
    static COUNTER: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(rand::random()));
    let seconds = u32::try_from(now_ms / 1000).unwrap_or_default();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) & 0xff_ffff;
    format!("{seconds:08x}{:010x}{count:06x}", *PROCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_24_hex_digits_and_begins_with_its_second() {
        let id = RunId::made_at(1_600_000_000_123);
        assert!(is_object_id(id.as_str()));
        assert!(id.as_str().starts_with("5f5e1000"));
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RunId::made_at(0)).collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "5f5e10",
            "5F5E100000000000000000AA",
            "5f5e1000000000000000000g",
        ] {
            assert!(text.parse::<PipelineId>().is_err(), "{text}");
        }
    }
}
