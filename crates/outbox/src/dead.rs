//! Messages that are at fault themselves, as they are set aside for operators.

use contracts::message::Topic;

use crate::bus::{Heard, Post};

/// Bytes of an error that a dead letter tells.
const ERROR_BYTES: usize = 2048;

/// Why a message can't even be told from others, if so.
pub(crate) fn anonymous(message: &Heard) -> Option<&'static str> {
    match (message.id.is_empty(), message.kind.is_empty()) {
        (true, _) => Some("it has no ce_id: send a CloudEvent in binary mode"),
        (_, true) => Some("it has no ce_type: send a CloudEvent in binary mode"),
        (false, false) => None,
    }
}

/// The message as it was, with where it was read and what is wrong with it.
pub(crate) fn letter(message: &Heard, group: &str, why: &str) -> Post {
    let mut end = why.len().min(ERROR_BYTES);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    let mut headers = message.headers.clone();
    headers.extend([
        ("dead_error".into(), why[..end].to_owned()),
        ("dead_group".into(), group.to_owned()),
        ("dead_topic".into(), message.topic.name().to_owned()),
        ("dead_position".into(), message.position.to_string()),
    ]);
    Post {
        topic: Topic::DeadLetters,
        key: message.key.clone(),
        id: message.id.clone(),
        kind: message.kind.clone(),
        time_ms: message.time_ms,
        traceparent: message.traceparent.clone(),
        payload: message.payload.clone(),
        headers,
    }
}
