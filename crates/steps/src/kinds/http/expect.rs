//! Which statuses of an HTTP answer are a success: `200`, `[200, 404]`, `200-299`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::cursor::Cursor;
use crate::reader::Reading;

const MAX_RANGES: usize = 20;

/// Statuses that are a success; 200 to 299 unless said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expect(pub Vec<StatusRange>);

/// Statuses from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRange {
    /// From 100.
    pub first: u16,
    /// To 599, never below the first.
    pub last: u16,
}

impl Default for Expect {
    fn default() -> Self {
        Self(vec![StatusRange {
            first: 200,
            last: 299,
        }])
    }
}

impl Expect {
    /// Whether an answer with this status is a success.
    pub fn accepts(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|range| (range.first..=range.last).contains(&status))
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl StatusRange {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| {
            text.parse()
                .ok()
                .filter(|status| (100..=599).contains(status))
        };
        let (first, last) = (status(first)?, status(last)?);
        (first <= last).then_some(Self { first, last })
    }
}

impl Serialize for StatusRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.first == self.last {
            serializer.serialize_u16(self.first)
        } else {
            serializer.collect_str(&format_args!("{}-{}", self.first, self.last))
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            One(u16),
            Range(String),
        }
        match Written::deserialize(deserializer)? {
            Written::One(status) => Ok(Self {
                first: status,
                last: status,
            }),
            Written::Range(text) => {
                Self::parse(&text).ok_or_else(|| D::Error::custom("not a status range"))
            }
        }
    }
}

pub(super) fn read(reading: &mut Reading, at: &Cursor<'_>) -> Expect {
    if !at.is_present() {
        return Expect::default();
    }
    if !at.is_list() {
        return Expect(read_range(reading, at).into_iter().collect());
    }
    let items = reading.items(at, MAX_RANGES);
    if items.is_empty() {
        reading.fault(at.fault("must name a status, such as 200"));
    }
    Expect(
        items
            .iter()
            .filter_map(|item| read_range(reading, item))
            .collect(),
    )
}

fn read_range(reading: &mut Reading, at: &Cursor<'_>) -> Option<StatusRange> {
    reading.require(at);
    let range = StatusRange::parse(&reading.text(at, usize::MAX)?);
    if range.is_none() {
        reading.fault(
            at.fault("must be a status from 100 to 599, such as 200, or a range, such as 200-299"),
        );
    }
    range
}

pub(super) fn schema() -> Value {
    let range = json!({"anyOf": [
        {"type": "integer", "minimum": 100, "maximum": 599},
        {"type": "string", "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"},
    ]});
    json!({
        "description": "Which statuses are a success: 200, [200, 404] or 200-299.",
        "default": "200-299",
        "anyOf": [range, {"type": "array", "items": range, "minItems": 1, "maxItems": MAX_RANGES}],
    })
}
