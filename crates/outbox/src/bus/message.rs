//! A message on its way to the bus, and one that came from it.

use std::fmt;

use bytes::Bytes;
use contracts::message::{Message, Topic};
use runtime::telemetry;
use tracing::Span;

/// The largest value that the bus takes, in bytes. Announcements have a lower limit of their own.
pub const LARGEST_VALUE: usize = 1_000_000;

/// What is to be published: a `CloudEvent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where.
    pub topic: Topic,
    /// What it is about: messages of one key stay in order.
    pub key: String,
    /// Its identity; a consumer drops repeats by it.
    pub id: String,
    /// Its CloudEvents type.
    pub kind: String,
    /// When it happened, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The trace that it is part of.
    pub traceparent: Option<String>,
    /// Proto-JSON.
    pub payload: Bytes,
    /// Further headers, beside those of a `CloudEvent`.
    pub headers: Vec<(String, String)>,
}

impl Post {
    /// A message as a part of the current trace. `id` is its identity, however often it is posted.
    pub fn of<M: Message>(
        message: &M,
        id: impl Into<String>,
        now_ms: i64,
    ) -> Result<Self, crate::Error> {
        let payload = serde_json::to_vec(message).map_err(|source| crate::Error::Unwritable {
            kind: M::TYPE,
            source,
        })?;
        Ok(Self {
            topic: M::TOPIC,
            key: message.key().to_owned(),
            id: id.into(),
            kind: M::TYPE.to_owned(),
            time_ms: now_ms,
            traceparent: telemetry::traceparent(),
            payload: payload.into(),
            headers: Vec::new(),
        })
    }

    /// Refuses what no bus would ever take.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if self.payload.len() > LARGEST_VALUE {
            return Err(Refused(format!(
                "the message has {} bytes, more than the {LARGEST_VALUE} that the bus takes",
                self.payload.len()
            )));
        }
        Ok(())
    }
}

/// A message that can never be published as it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Where a message was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The part of the topic; the embedded bus has one.
    pub partition: i32,
    /// Ascending within the partition, not always by one.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition, self.offset)
    }
}

/// What was read from the bus. Texts are empty if the message came without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Where it was told.
    pub topic: Topic,
    /// What it is about.
    pub key: String,
    /// Its identity.
    pub id: String,
    /// Its CloudEvents type.
    pub kind: String,
    /// When it happened, milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// The trace that it is part of.
    pub traceparent: Option<String>,
    /// Proto-JSON.
    pub payload: Bytes,
    /// Further headers, beside those of a `CloudEvent`.
    pub headers: Vec<(String, String)>,
    /// Where in the topic it was read.
    pub position: Position,
}

/// A message that isn't what its type says.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// It has another type.
    #[error("a message of type \"{found}\" is not a {wanted}")]
    Type {
        /// What it says it is.
        found: String,
        /// What it was read as.
        wanted: &'static str,
    },
    /// Its value can't be read.
    #[error("a {wanted} can't be read: {source}")]
    Value {
        /// What it says it is.
        wanted: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Heard {
    /// Whether it says that it is an `M`.
    pub fn is<M: Message>(&self) -> bool {
        self.kind == M::TYPE
    }

    /// Reads it as an `M`.
    pub fn decode<M: Message>(&self) -> Result<M, Undecodable> {
        if !self.is::<M>() {
            return Err(Undecodable::Type {
                found: self.kind.clone(),
                wanted: M::TYPE,
            });
        }
        serde_json::from_slice(&self.payload).map_err(|source| Undecodable::Value {
            wanted: M::TYPE,
            source,
        })
    }

    /// A span of the message's own trace, for what this group does about it. There is none for one
    /// that is part of no trace, nor for log entries: they are data, and many.
    pub(crate) fn span(&self, group: &str) -> Span {
        let parent = self.traceparent.as_deref();
        let parent = parent.filter(|_| self.topic != Topic::Activity);
        telemetry::continued(parent, || {
            let service = group.rsplit_once('-').map_or(group, |(service, _)| service);
            tracing::info_span!(
                "hear",
                service.name = service,
                messaging.destination.name = self.topic.name(),
                messaging.consumer.group.name = group,
                message.kind = self.kind,
                message.id = self.id,
                message.key = self.key,
            )
        })
    }
}
