//! Why a request failed, as problem documents (RFC 9457).
//!
//! Handlers of both faces fail with a [`Problem`]. It travels as an extension of an empty response
//! to [`crate::front`], which knows the request's id and writes it in the way of the face.
//!
//! This is the only place that turns a [`Kind`] into an HTTP status. What a peer says about its
//! own inside is logged here and not told.

mod faults;

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use runtime::{Kind, fault};
use serde::Serialize;
use tonic::Status;
use utoipa::ToSchema;

pub(crate) use faults::Fault;

/// A refusal or a failure. Boxed, since it is the rare half of every answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    status: StatusCode,
    reason: Cow<'static, str>,
    detail: Cow<'static, str>,
    faults: Vec<Fault>,
    /// Seconds after which it is worth trying again.
    retry_after: Option<u64>,
}

/// What went wrong with a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct Document<'a> {
    /// What kind of problem, stable for programs; a reference relative to the server.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status in words.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong and what to change.
    detail: &'a str,
    /// The path that was asked for.
    instance: &'a str,
    /// The request's id, as in the header `X-Request-Id`.
    request_id: &'a str,
    /// The trace that the request was part of, when it was traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    /// Every fault of what was sent, with its place.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    faults: &'a [Fault],
}

/// What identifies the request that failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) trace_id: Option<&'a str>,
}

impl Problem {
    /// A problem of this kind; `reason` is for programs, `detail` for people.
    pub(crate) fn new(
        kind: Kind,
        reason: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_status(status_of(kind), reason, detail)
    }

    /// A problem that only HTTP knows.
    pub(crate) fn with_status(
        status: StatusCode,
        reason: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            reason: reason.into(),
            detail: detail.into(),
            faults: Vec::new(),
            retry_after: None,
        }))
    }

    /// What was sent can't be used.
    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Invalid, "INVALID", detail)
    }

    /// So much was asked for that it has to wait.
    pub(crate) fn limited(reason: &'static str, detail: &'static str, wait: Duration) -> Self {
        let mut problem = Self::new(Kind::Busy, reason, detail);
        problem.0.retry_after = Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        problem
    }

    /// It is our fault; the log says which.
    pub(crate) fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "INTERNAL",
            "an error of ours; the log has it under the request's id",
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn reason(&self) -> &str {
        &self.0.reason
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether asking the same again may help: a peer was away, or answered too late.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self.0.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        )
    }

    pub(crate) fn is_not_found(&self) -> bool {
        self.0.status == StatusCode::NOT_FOUND
    }

    /// The problem document.
    pub(crate) fn document<'a>(&'a self, asked: Asked<'a>) -> Document<'a> {
        Document {
            kind: format!(
                "/problems/{}",
                self.reason().to_ascii_lowercase().replace('_', "-")
            ),
            title: self.0.status.canonical_reason().unwrap_or("Error"),
            status: self.0.status.as_u16(),
            detail: self.detail(),
            instance: asked.path,
            request_id: asked.request_id,
            trace_id: asked.trace_id,
            faults: &self.0.faults,
        }
    }
}

/// The HTTP status of an outcome.
const fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict | Kind::Exists => StatusCode::CONFLICT,
        Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Late => StatusCode::GATEWAY_TIMEOUT,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The reason of an outcome whose peer gave none.
const fn reason_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Invalid => "INVALID",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Denied => "DENIED",
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict => "CONFLICT",
        Kind::Exists => "EXISTS",
        Kind::Busy => "BUSY",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Late => "LATE",
        Kind::Internal => "INTERNAL",
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        let kind = Kind::of_code(status.code());
        match kind {
            Kind::Internal => {
                tracing::error!(code = ?status.code(), "a peer failed: {}", status.message());
                Self::internal()
            }
            // A retry won't help before somebody has made room.
            Kind::Unavailable if is_disk_full(&status) => Self::with_status(
                StatusCode::INSUFFICIENT_STORAGE,
                fault::DISK_FULL,
                status.message().to_owned(),
            ),
            Kind::Unavailable => {
                tracing::warn!("a peer is away: {}", status.message());
                Self::new(
                    kind,
                    "UNAVAILABLE",
                    "a service behind this one is away: try again",
                )
            }
            Kind::Late => {
                tracing::warn!("a peer is late: {}", status.message());
                Self::new(
                    kind,
                    "LATE",
                    "a service behind this one took too long: try again",
                )
            }
            Kind::Invalid
            | Kind::Unauthenticated
            | Kind::Denied
            | Kind::NotFound
            | Kind::Conflict
            | Kind::Exists
            | Kind::Busy => told(kind, &status),
        }
    }
}

fn is_disk_full(status: &Status) -> bool {
    fault::reason(status).as_deref() == Some(fault::DISK_FULL)
}

fn told(kind: Kind, status: &Status) -> Problem {
    let reason = fault::reason(status);
    let faults = faults::of(status, reason.as_deref());
    let detail = match faults.as_slice() {
        [] => status.message().to_owned(),
        [only] => only.to_string(),
        all => format!("{} faults were found", all.len()),
    };
    Problem(Box::new(Inner {
        status: status_of(kind),
        reason: reason.map_or(Cow::Borrowed(reason_of(kind)), Cow::Owned),
        detail: detail.into(),
        faults,
        retry_after: None,
    }))
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        let headers = response.headers_mut();
        if matches!(
            self.0.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            let seconds = self.0.retry_after.unwrap_or(1).max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    #[test]
    fn what_a_peer_says_about_its_inside_is_not_told() {
        for status in [
            Status::internal("/secret/path"),
            Status::unavailable("10.0.0.7:5432"),
        ] {
            let problem = Problem::from(status.clone());
            assert!(!problem.detail().contains(status.message()), "{problem:?}");
        }
    }

    #[test]
    fn a_full_disk_is_told_with_what_to_change() {
        let details = tonic_types::ErrorDetails::with_error_info(fault::DISK_FULL, "penstock", []);
        let status = Status::with_error_details(
            tonic::Code::Unavailable,
            "the disk is full: make room",
            details,
        );
        let problem = Problem::from(status);
        assert_eq!(problem.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(problem.reason(), "DISK_FULL");
        assert_eq!(problem.detail(), "the disk is full: make room");
        assert!(!problem.is_passing());
    }

    #[test]
    fn a_reason_becomes_the_type() {
        let details = tonic_types::ErrorDetails::with_error_info("NO_PIPELINE", "penstock", []);
        let status = Status::with_error_details(
            tonic::Code::NotFound,
            "there is no pipeline \"x\"",
            details,
        );
        let problem = Problem::from(status);
        let asked = Asked {
            path: "/api/v2/pipelines/x",
            request_id: "1",
            trace_id: None,
        };
        let document = serde_json::to_value(problem.document(asked)).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "type": "/problems/no-pipeline",
                "title": "Not Found",
                "status": 404,
                "detail": "there is no pipeline \"x\"",
                "instance": "/api/v2/pipelines/x",
                "requestId": "1",
            })
        );
    }
}
