//! The HTTP port of a process, open before its services are.
//!
//! Operators ask `/livez` and `/readyz` while stores are still awaited. Until a service takes the
//! rest of the port, every other request is told that the process is starting, or that it serves
//! nobody here.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::{Readiness, Tasks, serve};

/// An open HTTP port. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Front(Arc<OnceLock<Router>>);

impl Front {
    /// Serves what operators ask, and says "starting" to all else until [`Front::take`].
    pub fn open(
        listener: TcpListener,
        ready: Readiness,
        metrics: PrometheusHandle,
        tasks: &Tasks,
    ) -> Self {
        let front = Self::default();
        let rest = Router::new().fallback(rest).with_state(front.clone());
        let router = serve::operations(ready, metrics).fallback_service(rest);
        serve::http(listener, router, tasks);
        front
    }

    /// Gives the rest of the port to `router`; the first to come keeps it.
    pub fn take(&self, router: Router) {
        // Prepared once here, or every request would pay for it.
        if self.0.set(router.with_state(())).is_err() {
            tracing::error!("two services want the HTTP port; the first one keeps it");
        }
    }
}

async fn rest(State(front): State<Front>, request: Request) -> Response {
    match front.0.get() {
        Some(router) => match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => starting(),
    }
}

fn starting() -> Response {
    let problem = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "the process is starting, or serves no requests of users: ask /readyz",
    });
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, axum::Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn code(front: &Front) -> StatusCode {
        let request = Request::new(Body::empty());
        rest(State(front.clone()), request).await.status()
    }

    #[tokio::test]
    async fn a_port_says_that_it_is_starting_until_it_is_taken() {
        let front = Front::default();
        assert_eq!(code(&front).await, StatusCode::SERVICE_UNAVAILABLE);
        front.take(Router::new().fallback(|| async { "taken" }));
        assert_eq!(code(&front).await, StatusCode::OK);
    }
}
