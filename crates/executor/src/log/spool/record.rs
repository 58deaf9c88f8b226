//! A message as the spool writes it: a line of JSON.

use std::io;

use contracts::message::{ActivityBatch, Message as _, Topic};
use outbox::Post;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    run: &'a str,
    id: &'a str,
    time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The line of a message, with its end.
pub(super) fn line(post: &Post) -> io::Result<Vec<u8>> {
    let record = Record {
        run: &post.key,
        id: &post.id,
        time: post.time_ms,
        trace: post.traceparent.as_deref(),
        value: serde_json::from_slice(&post.payload)?,
    };
    let mut line = serde_json::to_vec(&record)?;
    line.push(b'\n');
    Ok(line)
}

/// The message of a line; nothing if it isn't whole.
pub(super) fn post(line: &[u8]) -> Option<Post> {
    let record: Record<'_> = serde_json::from_slice(line).ok()?;
    Some(Post {
        topic: Topic::Activity,
        key: record.run.to_owned(),
        id: record.id.to_owned(),
        kind: ActivityBatch::TYPE.to_owned(),
        time_ms: record.time,
        traceparent: record.trace.map(str::to_owned),
        payload: record.value.get().as_bytes().to_vec().into(),
        headers: Vec::new(),
    })
}
