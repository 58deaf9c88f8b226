//! Telling what has changed, in the transaction that changes it.
//!
//! **Invariant:** an announcement is told if its transaction commits, and never otherwise.

use contracts::id::MessageId;
use contracts::message::{Message, Topic};
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, Value};

use crate::{Error, sql};

/// The largest message that can be announced, in bytes of JSON.
pub const LARGEST_ANNOUNCEMENT: usize = 256 * 1024;

/// Columns of `outbox` that an announcement fills.
const COLUMNS: &str = "message_id, topic, message_key, kind, time_ms, traceparent, payload";
/// Their number.
const COLUMN_COUNT: usize = 7;
/// Rows an `INSERT`, well below the number of values that a statement may have.
const ROWS: usize = 500;

/// A message, written down and ready for the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    topic: Topic,
    key: String,
    kind: &'static str,
    traceparent: Option<String>,
    payload: String,
}

impl Announcement {
    /// Writes `message` down as a part of the current trace.
    ///
    /// Fails if it has more than [`LARGEST_ANNOUNCEMENT`] bytes.
    pub fn of<M: Message>(message: &M) -> Result<Self, Error> {
        let payload = serde_json::to_string(message).map_err(|source| Error::Unwritable {
            kind: M::TYPE,
            source,
        })?;
        if payload.len() > LARGEST_ANNOUNCEMENT {
            let (bytes, most) = (payload.len(), LARGEST_ANNOUNCEMENT);
            return Err(Error::TooLarge {
                kind: M::TYPE,
                bytes,
                most,
            });
        }
        Ok(Self {
            topic: M::TOPIC,
            key: message.key().to_owned(),
            kind: M::TYPE,
            traceparent: runtime::telemetry::traceparent(),
            payload,
        })
    }

    fn into_values(self, now_ms: i64) -> [Value; COLUMN_COUNT] {
        [
            String::from(MessageId::made_at(now_ms)).into(),
            self.topic.name().into(),
            self.key.into(),
            self.kind.into(),
            now_ms.into(),
            self.traceparent.into(),
            self.payload.into(),
        ]
    }
}

/// Announces one message in `tx`. Ring the relay's bell after the commit.
///
/// `now_ms` is the time of the event, milliseconds since 1970-01-01 UTC.
pub async fn announce(
    tx: &DatabaseTransaction,
    message: &impl Message,
    now_ms: i64,
) -> Result<(), Error> {
    announce_all(tx, [Announcement::of(message)?], now_ms).await
}

/// Announces messages in their order, with one `INSERT`. None is none.
pub async fn announce_all(
    tx: &DatabaseTransaction,
    announcements: impl IntoIterator<Item = Announcement>,
    now_ms: i64,
) -> Result<(), Error> {
    let mut values: Vec<Value> = announcements
        .into_iter()
        .flat_map(|it| it.into_values(now_ms))
        .collect();
    while !values.is_empty() {
        let rest = values.split_off(values.len().min(ROWS * COLUMN_COUNT));
        let rows = sql::rows(values.len() / COLUMN_COUNT, COLUMN_COUNT);
        let insert = format!("INSERT INTO outbox ({COLUMNS}) VALUES {rows}");
        tx.execute_raw(sql::statement(tx, insert, values)).await?;
        values = rest;
    }
    Ok(())
}
