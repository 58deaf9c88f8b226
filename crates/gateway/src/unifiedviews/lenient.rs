//! What clients send, read liberally: JSON with numbers and truths also as text, and properties that
//! nobody knows ignored. A body that can't be read is a client's mistake, 400.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use serde_json::{Map, Value};

use super::fault::Fault;
use super::messages::Message;
use crate::Gateway;
use crate::body::Content;

/// The properties of a body.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl FromRequest<Arc<Gateway>> for Fields {
    type Rejection = Fault;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Fault> {
        let content = Content::from_request(request, gateway).await;
        let content = content.map_err(|problem| Fault::failed(Message::Data, &problem))?;
        Self::read(&content.bytes)
    }
}

impl Fields {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let read: Result<Map<String, Value>, _> = serde_json::from_slice(bytes);
        read.map(Self)
            .map_err(|error| Fault::bad(Message::Data, error.to_string()))
    }

    /// A property as it came.
    pub(super) fn raw(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The same, where null is as good as none.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|it| !it.is_null())
    }

    /// A text; numbers and truths are taken for one.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) => {
                Err(unusable(name, "is not a text"))
            }
        }
    }

    /// A whole number, also as text; an empty one is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Fault> {
        let wrong = || unusable(name, "is not a whole number");
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => {
                text.trim().parse().map(Some).map_err(|_| wrong())
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The same, where an empty text is as good as none.
    pub(super) fn filled(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.text(name)?.filter(|it| !it.is_empty()))
    }

    /// A truth, as one or as text; nothing said is false.
    pub(super) fn truth(&self, name: &str) -> Result<bool, Fault> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(Value::Number(number)) => Ok(number.as_f64() != Some(0.0)),
            Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" | "" => Ok(false),
                _ => Err(unusable(name, "is neither true nor false")),
            },
            Some(Value::Null | Value::Array(_) | Value::Object(_)) => {
                Err(unusable(name, "is neither true nor false"))
            }
        }
    }
}

/// A property is not of its kind.
pub(super) fn unusable(name: &str, why: &str) -> Fault {
    Fault::bad(Message::Data, format!("\"{name}\" {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Fields::read(json.as_bytes()).unwrap()
    }

    #[test]
    fn truths_are_read_as_truths_or_text() {
        for (json, expected) in [
            (r#"{"debugging":true}"#, true),
            (r#"{"debugging":"true"}"#, true),
            (r#"{"debugging":"TRUE"}"#, true),
            (r#"{"debugging":1}"#, true),
            (r#"{"debugging":"false"}"#, false),
            (r#"{"debugging":""}"#, false),
            (r#"{"debugging":null}"#, false),
            ("{}", false),
        ] {
            assert_eq!(fields(json).truth("debugging"), Ok(expected), "{json}");
        }
        for json in [r#"{"debugging":"yes"}"#, r#"{"debugging":[]}"#] {
            assert!(fields(json).truth("debugging").is_err(), "{json}");
        }
    }

    #[test]
    fn what_is_no_object_can_not_be_read() {
        for body in ["", "[]", "null", "{", "\"x\"", "{\"a\":1}{"] {
            assert!(Fields::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_number_is_taken_for_text() {
        let fields = fields(r#"{"name":7,"description":null,"more":{}}"#);
        assert_eq!(fields.text("name").unwrap().as_deref(), Some("7"));
        assert_eq!(fields.text("description").unwrap(), None);
        assert!(fields.text("more").is_err());
    }
}
