//! How the face tells a failure: what is wrong in words for people, and in technical ones.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::config::Locale;
use super::messages::{Message, name_taken};
use crate::problem::Problem;

/// What those are told who may not.
const DENIED: &str = "Access is denied";
/// What those are told who have not signed in.
const NOT_SIGNED_IN: &str = "Basic authentication from request header is missing or incorrect.";
/// The reason of a body that is of no kind that the route reads.
pub(crate) const UNSUPPORTED: &str = "UNSUPPORTED_MEDIA_TYPE";

/// A failure. Boxed, since it is the rare half of every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    status: StatusCode,
    message: Message,
    technical: Option<String>,
    /// What older clients read.
    error: Option<String>,
}

/// The body of an answer that is not 2xx.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Body<'a> {
    error_message: String,
    technical_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Fault {
    pub(super) fn new(
        status: StatusCode,
        message: Message,
        technical: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            message,
            technical: Some(technical.into().into_owned()),
            error: None,
        }))
    }

    pub(super) fn bad(message: Message, technical: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message, technical)
    }

    pub(super) fn missing(message: Message, technical: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message, technical)
    }

    /// What a route was to do could not be done; `message` is the route's own. What the caller got
    /// wrong stays their mistake, all else is 500.
    pub(super) fn failed(message: Message, problem: &Problem) -> Self {
        let status = match problem.status() {
            it @ (StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::TOO_MANY_REQUESTS) => it,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, message, technical(problem))
    }

    pub(super) fn denied(message: Message) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message, DENIED)
    }

    /// The same with a text for older clients.
    pub(super) fn called(mut self, error: String) -> Self {
        self.0.error = Some(error);
        self
    }

    pub(super) fn name_taken(name: &str) -> Self {
        let technical = name_taken(name);
        Self::new(
            StatusCode::CONFLICT,
            Message::NameTaken(name.to_owned()),
            technical,
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The body in a language.
    pub(crate) fn body(&self, locale: Locale) -> Body<'_> {
        Body {
            error_message: self.0.message.text(locale),
            technical_message: self.0.technical.as_deref(),
            error: self.0.error.as_deref(),
        }
    }
}

/// What stands before and around the routes fails with a [`Problem`].
impl From<&Problem> for Fault {
    fn from(problem: &Problem) -> Self {
        let status = status_of(problem);
        match problem.status() {
            StatusCode::UNAUTHORIZED => Self::new(status, Message::Unauthorized, NOT_SIGNED_IN),
            StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::NOT_FOUND => Self::new(status, Message::General, http(status)),
            _ => Self::new(status, Message::General, technical(problem)),
        }
    }
}

/// The status that the face tells for a problem.
pub(crate) fn status_of(problem: &Problem) -> StatusCode {
    match problem.status() {
        StatusCode::FORBIDDEN => StatusCode::INTERNAL_SERVER_ERROR,
        other => other,
    }
}

fn technical(problem: &Problem) -> String {
    match problem.status() {
        StatusCode::FORBIDDEN => DENIED.to_owned(),
        _ => problem.detail().to_owned(),
    }
}

fn http(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or_default();
    format!("HTTP {} {reason}", status.as_u16())
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use runtime::Kind;

    use super::*;

    #[test]
    fn a_body_has_two_fields_in_their_order() {
        let fault = Fault::missing(
            Message::NoPipeline("7".into()),
            "Pipeline with id=7 doesn't exist!",
        );
        let said = |locale| serde_json::to_string(&fault.body(locale)).unwrap();
        assert_eq!(
            said(Locale::En),
            r#"{"errorMessage":"Pipeline with ID='7' not found!","technicalMessage":"Pipeline with id=7 doesn't exist!"}"#
        );
        assert!(said(Locale::Sk).contains("Proces s ID='7' sa nepodarilo nájsť!"));
    }

    #[test]
    fn who_may_not_is_told_500() {
        let denied = Problem::new(Kind::Denied, "DENIED", "you must be its owner");
        for fault in [
            Fault::from(&denied),
            Fault::failed(Message::PipelineCreate, &denied),
        ] {
            assert_eq!(fault.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(fault.0.technical.as_deref(), Some("Access is denied"));
        }
    }

    #[test]
    fn what_the_router_refuses_is_told_by_its_status() {
        let nothing = Problem::new(Kind::NotFound, "NO_ROUTE", "there is nothing at this path");
        let fault = Fault::from(&nothing);
        assert_eq!(fault.0.message, Message::General);
        assert_eq!(fault.0.technical.as_deref(), Some("HTTP 404 Not Found"));
    }
}
