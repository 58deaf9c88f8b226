//! How `/api/v1` tells a failure.

use axum::http::StatusCode;
use serde::Serialize;

use super::messages;
use crate::auth::NO_TOKEN;
use crate::problem::{Asked, Problem};

/// The reason of a run that the pipeline doesn't have: a poller must not take it for a failed one.
pub(super) const UNKNOWN_RUN: &str = "UNKNOWN_RUN";

/// The body of an answer that is not 200.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<'a> {
    status: &'static str,
    message: &'a str,
    code: &'static str,
    request_id: &'a str,
}

impl<'a> Envelope<'a> {
    /// The status and body for a problem.
    ///
    /// A request without a bearer token is 401; every other refusal of a token is 403, and its
    /// text gives nothing away.
    pub(crate) fn of(problem: &'a Problem, asked: Asked<'a>) -> (StatusCode, Self) {
        let status = Self::status(problem);
        let message = match status {
            StatusCode::FORBIDDEN => messages::FORBIDDEN,
            _ => problem.detail(),
        };
        let is_unknown = problem.reason() == UNKNOWN_RUN;
        let envelope = Self {
            status: if is_unknown { "unknown" } else { "failed" },
            message,
            code: code(status),
            request_id: asked.request_id,
        };
        (status, envelope)
    }
}

impl Envelope<'_> {
    /// The status alone.
    pub(crate) fn status(problem: &Problem) -> StatusCode {
        match problem.status() {
            StatusCode::UNAUTHORIZED if problem.reason() != NO_TOKEN => StatusCode::FORBIDDEN,
            other => other,
        }
    }
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => "unavailable",
        StatusCode::GATEWAY_TIMEOUT => "timeout",
        other if other.is_client_error() => "bad_request",
        _ => "internal",
    }
}
