//! What clients of `/api/v1` send, read liberally: JSON whatever it is called, or a form; numbers
//! and truths as text; unknown fields ignored.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use contracts::id::is_object_id;
use serde_json::{Map, Value};

use crate::Gateway;
use crate::body::Content;
use crate::problem::Problem;

/// The fields of a request's body.
#[derive(Debug)]
pub(crate) struct Input {
    /// The pipeline's id, 24 hex digits. No route does without.
    pub(super) pipeline_id: String,
    fields: Map<String, Value>,
}

impl FromRequest<Arc<Gateway>> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let content = Content::from_request(request, gateway).await?;
        Self::read(&content.bytes)
    }
}

impl Input {
    fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let fields = fields(bytes)?;
        let pipeline_id = id(&fields, "pipelineId")?;
        Ok(Self {
            pipeline_id,
            fields,
        })
    }

    /// The run that is meant, if one is.
    pub(super) fn run_count(&self) -> Result<Option<i64>, Problem> {
        self.number("runCount")
    }

    /// A whole number above 0, also as text.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let number = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Number(number)) => number.as_i64().or_else(|| whole(number.as_f64()?)),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
        };
        let number = number.filter(|number| *number > 0);
        let wrong = || Problem::invalid(format!("{name} must be a whole number above 0"));
        number.map(Some).ok_or_else(wrong)
    }

    /// True if it says so, as a truth or as text.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.fields.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// A text, empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// An object's fields, none if there is no object.
    pub(super) fn take_object(&mut self, name: &str) -> Map<String, Value> {
        match self.fields.remove(name) {
            Some(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}

/// The fields of a body, JSON or a form.
pub(super) fn fields(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let text = bytes.trim_ascii();
    match text.first() {
        Some(b'{' | b'[') => serde_json::from_slice(text)
            .map_err(|error| Problem::invalid(format!("the body is not JSON: {error}"))),
        _ => Ok(form(text)),
    }
}

fn form(text: &[u8]) -> Map<String, Value> {
    let pairs = url::form_urlencoded::parse(text);
    pairs
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect()
}

/// The id that a field says: 24 hex digits, in any case.
pub(super) fn id(fields: &Map<String, Value>, name: &str) -> Result<String, Problem> {
    let Some(said) = fields.get(name).and_then(Value::as_str) else {
        return Err(Problem::invalid(format!(
            "{name} is missing: send {{\"{name}\": \"…\"}}"
        )));
    };
    let id = said.trim().to_ascii_lowercase();
    if is_object_id(&id) {
        return Ok(id);
    }
    Err(Problem::invalid(format!(
        "{name} is not an id: 24 hex digits are expected"
    )))
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "only whole numbers that fit are converted"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5fd56d90979ee048ee660624";

    #[test]
    fn a_body_is_read_however_it_is_written() {
        for body in [
            format!(r#"{{"pipelineId":"{ID}","runCount":3}}"#),
            format!(
                r#" {{"pipelineId":" {} ","runCount":"3","more":[1]}} "#,
                ID.to_uppercase()
            ),
            format!(r#"{{"pipelineId":"{ID}","runCount":3.0}}"#),
            format!("pipelineId={ID}&runCount=3"),
        ] {
            let input = Input::read(body.as_bytes()).unwrap();
            assert_eq!(input.pipeline_id, ID, "{body}");
            assert_eq!(input.run_count().unwrap(), Some(3), "{body}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        for body in [
            "",
            "{}",
            "{\"pipelineId\":",
            "[]",
            "pipelineId=5",
            r#"{"pipelineId":12}"#,
        ] {
            assert!(Input::read(body.as_bytes()).is_err(), "{body}");
        }
        for run_count in ["0", "-1", "1.5", "\"x\"", "true", "{}"] {
            let body = format!(r#"{{"pipelineId":"{ID}","runCount":{run_count}}}"#);
            let input = Input::read(body.as_bytes()).unwrap();
            assert!(input.run_count().is_err(), "{run_count}");
        }
        for run_count in ["null", "\"\""] {
            let body = format!(r#"{{"pipelineId":"{ID}","runCount":{run_count}}}"#);
            let input = Input::read(body.as_bytes()).unwrap();
            assert_eq!(input.run_count().unwrap(), None, "{run_count}");
        }
    }

    #[test]
    fn truths_are_read_as_truths_or_text() {
        let body = format!("pipelineId={ID}&force=True&keepQueue=no");
        let input = Input::read(body.as_bytes()).unwrap();
        assert!(input.flag("force") && !input.flag("keepQueue") && !input.flag("other"));
    }
}
