//! A `CloudEvent` in Kafka's binary mode: attributes are headers, the value is the data.

use jiff::Timestamp;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};

use crate::bus::{Config, Heard, Position, Post};

/// Where our messages come from.
const SOURCE: &str = "penstock";

/// The headers of a post.
pub(super) fn headers(post: &Post) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new_with_capacity(9 + post.headers.len());
    let time = Timestamp::from_millisecond(post.time_ms)
        .unwrap_or_default()
        .to_string();
    let of_cloud_event = [
        ("content-type", "application/json"),
        ("ce_specversion", "1.0"),
        ("ce_id", post.id.as_str()),
        ("ce_type", post.kind.as_str()),
        ("ce_source", SOURCE),
        ("ce_time", time.as_str()),
        ("ce_subject", post.key.as_str()),
    ];
    let trace = post.traceparent.as_deref().map(|it| ("traceparent", it));
    let further = post
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (key, value) in of_cloud_event.into_iter().chain(trace).chain(further) {
        headers = headers.insert(Header {
            key,
            value: Some(value),
        });
    }
    headers
}

/// What a message says. What it lacks is empty; a time it lacks is when it was written.
pub(super) fn heard(message: &BorrowedMessage<'_>, config: &Config) -> Option<Heard> {
    let mut heard = Heard {
        topic: config.topic_of(message.topic())?,
        key: message.key().map(text).unwrap_or_default(),
        id: String::new(),
        kind: String::new(),
        time_ms: message.timestamp().to_millis().unwrap_or_default(),
        traceparent: None,
        payload: message
            .payload()
            .map(<[u8]>::to_vec)
            .unwrap_or_default()
            .into(),
        headers: Vec::new(),
        position: Position {
            partition: message.partition(),
            offset: message.offset(),
        },
    };
    for header in message.headers().into_iter().flat_map(|all| all.iter()) {
        let value = header.value.map(text).unwrap_or_default();
        match header.key {
            "ce_id" => heard.id = value,
            "ce_type" => heard.kind = value,
            "ce_time" => heard.time_ms = millis(&value).unwrap_or(heard.time_ms),
            "traceparent" => heard.traceparent = Some(value),
            "content-type" | "ce_specversion" | "ce_source" | "ce_subject" => {}
            other => heard.headers.push((other.to_owned(), value)),
        }
    }
    Some(heard)
}

fn millis(time: &str) -> Option<i64> {
    time.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use contracts::message::Topic;

    use super::*;

    #[test]
    fn a_post_has_the_headers_of_a_cloud_event() {
        let post = Post {
            topic: Topic::Events,
            key: "5f5e1000".into(),
            id: "id-1".into(),
            kind: "penstock.run.changed.v1".into(),
            time_ms: 1_600_000_000_123,
            traceparent: Some("00-abc-def-01".into()),
            payload: "{}".into(),
            headers: vec![("dead_error".into(), "why".into())],
        };
        let headers = headers(&post);
        let all: Vec<String> = headers
            .iter()
            .map(|it| format!("{}: {}", it.key, it.value.map(text).unwrap_or_default()))
            .collect();
        assert_eq!(
            all,
            [
                "content-type: application/json",
                "ce_specversion: 1.0",
                "ce_id: id-1",
                "ce_type: penstock.run.changed.v1",
                "ce_source: penstock",
                "ce_time: 2020-09-13T12:26:40.123Z",
                "ce_subject: 5f5e1000",
                "traceparent: 00-abc-def-01",
                "dead_error: why",
            ]
        );
        assert_eq!(millis("2020-09-13T12:26:40.123Z"), Some(1_600_000_000_123));
    }
}
