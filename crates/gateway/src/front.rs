//! What holds for every request, whatever answers it.
//!
//! A request gets an id and a span in its caller's trace; there are limits to how many are worked
//! on at a time and for how long; a panic fails the request and nothing else. Every failure, be it
//! a handler's, the router's or one of these, leaves in the way of the face that was asked: the
//! Opsera envelope under `/api/v1`, the UnifiedViews one under its prefix, a problem document
//! elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use runtime::{Kind, telemetry};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::opsera::envelope::Envelope;
use crate::problem::{Asked, Problem};
use crate::unifiedviews::{Fault, Locale};
use crate::{Gateway, unifiedviews};

const JSON: &str = "application/json";
/// How one signs in at the face that wants a password.
const BASIC: HeaderValue =
    HeaderValue::from_static("Basic realm=\"UnifiedViews Master API\", charset=\"UTF-8\"");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a request that is taken over, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Marks an answer whose body is what is to be said, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole;

/// What is kept of a request while it is worked on.
struct Seen {
    id: HeaderValue,
    uri: Uri,
    method: Method,
    route: Option<MatchedPath>,
    face: Face,
    began: Instant,
}

/// Whose way a failure is told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// `/api/v1`.
    Opsera,
    /// The UnifiedViews Master API, in a language.
    UnifiedViews(Locale),
    /// `/api/v2`, and all else.
    Own,
}

impl Face {
    /// The face that a path belongs to.
    pub(crate) fn of(path: &str, config: &unifiedviews::Config) -> Self {
        if path.starts_with("/api/v1/") {
            Self::Opsera
        } else if config.has(path) {
            Self::UnifiedViews(config.locale)
        } else {
            Self::Own
        }
    }
}

/// Answers a request within the limits that hold for all.
pub(crate) async fn front(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let face = Face::of(request.uri().path(), &gateway.config.unifiedviews);
    let seen = Seen::of(&request, face);
    let span = seen.span(request.headers());
    let answer = within_limits(&gateway, request, next)
        .instrument(span.clone())
        .await;
    let answer = seen.completed(answer, &span);
    seen.measure(answer.status());
    answer
}

async fn within_limits(gateway: &Gateway, request: Request, next: Next) -> Response {
    let Ok(_permit) = gateway.requests.try_acquire() else {
        return overloaded().into_response();
    };
    let limit = Duration::from_millis(gateway.config.request_timeout_ms);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            tracing::error!("a handler panicked");
            Problem::internal().into_response()
        }
        Err(_) => Problem::new(
            Kind::Late,
            "LATE",
            format!("the request took longer than {} ms", limit.as_millis()),
        )
        .into_response(),
    }
}

fn overloaded() -> Problem {
    metrics::counter!("penstock_http_requests_shed_total").increment(1);
    Problem::new(
        Kind::Unavailable,
        "OVERLOADED",
        "too many requests are being worked on: try again in a second",
    )
}

impl Seen {
    fn of(request: &Request, face: Face) -> Self {
        Self {
            face,
            id: request_id(request.headers()),
            uri: request.uri().clone(),
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            began: Instant::now(),
        }
    }

    /// The route as the table has it, without what a caller chose.
    fn route(&self) -> &str {
        let path = self.route.as_ref().map_or("unmatched", MatchedPath::as_str);
        path.strip_suffix('/').unwrap_or(path)
    }

    fn span(&self, headers: &HeaderMap) -> Span {
        let span = tracing::info_span!(
            "request",
            http.request.method = self.method.as_str(),
            http.route = self.route(),
            request.id = self.id(),
            http.response.status_code = tracing::field::Empty,
            user.id = tracing::field::Empty,
        );
        let parent = headers.get("traceparent").and_then(|it| it.to_str().ok());
        telemetry::follow(&span, parent);
        span
    }

    fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// Adds what every answer has, and writes what went wrong.
    fn completed(&self, mut answer: Response, span: &Span) -> Response {
        let status = answer.status();
        let is_failure = status.is_client_error() || status.is_server_error();
        if is_failure && answer.extensions_mut().remove::<Whole>().is_none() {
            answer = self.told(answer, span);
        }
        span.record("http.response.status_code", status.as_u16());
        let headers = answer.headers_mut();
        headers.insert(REQUEST_ID, self.id.clone());
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        answer
    }

    /// A failure in the way of the face that was asked, with the headers of `answer`.
    fn told(&self, mut answer: Response, span: &Span) -> Response {
        let problem = answer.extensions_mut().remove::<Problem>();
        let problem = problem.unwrap_or_else(|| of_router(answer.status(), &self.method));
        let fault = answer.extensions_mut().remove::<Fault>();
        let traceparent = span.in_scope(telemetry::traceparent);
        let asked = Asked {
            path: self.uri.path(),
            request_id: self.id(),
            trace_id: traceparent.as_deref().and_then(|it| it.split('-').nth(1)),
        };
        let (status, kind, body) = match self.face {
            Face::Opsera => {
                let (status, envelope) = Envelope::of(&problem, asked);
                (status, JSON, serde_json::to_vec(&envelope))
            }
            Face::UnifiedViews(locale) => {
                let fault = fault.unwrap_or_else(|| Fault::from(&problem));
                (
                    fault.status(),
                    JSON,
                    serde_json::to_vec(&fault.body(locale)),
                )
            }
            Face::Own => {
                let document = serde_json::to_vec(&problem.document(asked));
                (problem.status(), "application/problem+json", document)
            }
        };
        let (mut parts, _) = answer.into_parts();
        parts.status = status;
        parts.headers.remove(header::CONTENT_LENGTH);
        if status != StatusCode::UNAUTHORIZED {
            // The face says something else.
            parts.headers.remove(header::WWW_AUTHENTICATE);
        } else if matches!(self.face, Face::UnifiedViews(_)) {
            parts.headers.insert(header::WWW_AUTHENTICATE, BASIC);
        }
        parts
            .headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let silent = self.method == Method::HEAD;
        let body = if silent {
            Body::empty()
        } else {
            body.unwrap_or_default().into()
        };
        Response::from_parts(parts, body)
    }

    fn measure(&self, status: StatusCode) {
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let route = self.route().to_owned();
        metrics::histogram!("penstock_http_request_seconds", "route" => route, "status" => class)
            .record(seconds);
    }
}

/// The status that a face tells for an answer.
pub(crate) fn status_told(face: Face, answer: &Response) -> StatusCode {
    match (answer.extensions().get::<Problem>(), face) {
        (Some(problem), Face::Opsera) => Envelope::status(problem),
        (Some(problem), Face::UnifiedViews(_)) => Fault::from(problem).status(),
        (Some(_) | None, _) => answer.status(),
    }
}

/// Where a request comes from, if it came through a port.
pub(crate) fn address(request: &Request) -> Option<IpAddr> {
    let client = request.extensions().get::<ConnectInfo<SocketAddr>>();
    client.map(|ConnectInfo(client)| client.ip().to_canonical())
}

/// What the router refused without a handler.
fn of_router(status: StatusCode, method: &Method) -> Problem {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::with_status(
            status,
            "METHOD_NOT_ALLOWED",
            format!("{method} is not for this path: the header Allow says what is"),
        ),
        StatusCode::NOT_FOUND => {
            Problem::new(Kind::NotFound, "NO_ROUTE", "there is nothing at this path")
        }
        other if other.is_client_error() => {
            Problem::with_status(other, "INVALID", "the request can't be used")
        }
        _ => Problem::internal(),
    }
}

/// The caller's id of the request, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let said = headers.get(REQUEST_ID).filter(|it| {
        (1..=MAX_REQUEST_ID_BYTES).contains(&it.len())
            && it.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    said.cloned().unwrap_or_else(|| {
        let id = hex::encode(rand::random::<[u8; 16]>());
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("-"))
    })
}
