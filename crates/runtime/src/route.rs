//! Carries calls to a peer, whether it lives in this process or behind a socket.
//!
//! A generated tonic server is a `tower` service that a generated tonic client accepts, so a
//! [`Route`] is all that a client needs: no second client, no service traits, no mocks. The two
//! kinds are levelled here: one deadline for both, and a task for each local call, so that a panic
//! fails the call and not its caller.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service as _, ServiceExt as _, service_fn};
use tracing::Instrument as _;

use crate::config::Secret;
use crate::telemetry;

/// A way to call a peer's services. What fails on the way is an answer too: a gRPC status.
pub type Route = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// How long a call may take to begin its answer.
pub const LIMIT: Duration = Duration::from_secs(15);

/// The longest status of an answer, in bytes: it travels in headers, and one that lists a thousand
/// faults of a definition has room.
const MAX_STATUS_BYTES: u32 = 1024 * 1024;

/// The header that carries the key of peers.
pub(crate) const PEER_KEY: &str = "x-penstock-peer-key";

/// A URL that no peer can have.
#[derive(Debug, thiserror::Error)]
#[error("\"{url}\" is not a peer: write http://host:port ({why})")]
pub struct Error {
    url: String,
    why: String,
}

/// Reaches services of this process: no socket, the same client, the same semantics.
///
/// A caller that gives up cancels the handler.
pub fn local(routes: Routes, limit: Duration) -> Route {
    let routes = routes.prepare();
    bounded(limit, move |request| {
        let mut routes = routes.clone();
        #[allow(
            clippy::disallowed_methods,
            reason = "the task is awaited or aborted right here"
        )]
        let task = tokio::spawn(async move { routes.call(request).await }.in_current_span());
        let task = tokio_util::task::AbortOnDropHandle::new(task);
        async move {
            match task.await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(never)) => match never {},
                Err(panic) => {
                    tracing::error!("a call in this process panicked: {panic}");
                    Ok(Status::internal("internal error").into_http())
                }
            }
        }
    })
}

/// Reaches services of another process, connecting on first use and again whenever needed.
pub fn remote(url: &str, key: &Secret, limit: Duration) -> Result<Route, Error> {
    let wrong = |why: String| Error {
        url: url.to_owned(),
        why,
    };
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|error| wrong(error.to_string()))?
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        .http2_max_header_list_size(MAX_STATUS_BYTES)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    let key = HeaderValue::from_str(key.expose())
        .map_err(|_| wrong("the peer key has characters that a header can't carry".into()))?;
    Ok(over_channel(endpoint.connect_lazy(), key, limit))
}

fn over_channel(channel: Channel, key: HeaderValue, limit: Duration) -> Route {
    bounded(limit, move |mut request| {
        request.headers_mut().insert(PEER_KEY, key.clone());
        let parent = telemetry::traceparent().and_then(|it| HeaderValue::from_str(&it).ok());
        if let Some(parent) = parent {
            request.headers_mut().insert("traceparent", parent);
        }
        let call = channel.clone().oneshot(request);
        async move { call.await.map_err(BoxError::from) }
    })
}

/// Answers "deadline exceeded" for a call that has not begun to answer within `limit`, and
/// "unavailable" for one that can't reach its peer.
fn bounded<F, C>(limit: Duration, call: F) -> Route
where
    F: Fn(Request<Body>) -> C + Clone + Send + Sync + 'static,
    C: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let call = tokio::time::timeout(limit, call(request));
        async move {
            match call.await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Ok(unreachable(&*error).into_http()),
                Err(_) => Ok(Status::deadline_exceeded("the peer took too long").into_http()),
            }
        }
    }))
}

fn unreachable(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Status {
    Status::unavailable(format!(
        "the peer can't be reached: {}",
        crate::fault::chain(error)
    ))
}

/// Whether a response is gRPC's.
pub fn is_grpc(headers: &http::HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(GRPC_CONTENT_TYPE.as_bytes()))
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;
    use crate::{Tasks, serve};

    async fn code(route: Route) -> Code {
        let asked = HealthClient::new(route)
            .check(HealthCheckRequest::default())
            .await;
        asked.map_or_else(|status| status.code(), |_| Code::Ok)
    }

    /// Routes whose only service panics, or never answers.
    fn odd(panics: bool) -> Routes {
        let router = axum::Router::new().fallback(move || async move {
            assert!(!panics, "on purpose");
            futures::future::pending::<()>().await;
        });
        Routes::from(router)
    }

    #[tokio::test]
    async fn a_panic_in_this_process_fails_the_call_and_not_its_caller() {
        assert_eq!(code(local(odd(true), LIMIT)).await, Code::Internal);
    }

    #[tokio::test]
    async fn a_slow_local_call_has_the_same_deadline_as_a_remote_one() {
        let limit = Duration::from_millis(20);
        assert_eq!(code(local(odd(false), limit)).await, Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_peer_that_is_not_there_is_unavailable() {
        let route = remote("http://127.0.0.1:1", &Secret::default(), LIMIT).unwrap();
        assert_eq!(code(route).await, Code::Unavailable);
    }

    #[tokio::test]
    async fn a_port_with_a_key_answers_only_those_who_show_it() {
        let (tasks, key) = (Tasks::new(), Secret::new("k".repeat(32)));
        let listener = serve::listen("127.0.0.1:0".parse().unwrap(), "--grpc")
            .await
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (served, ready) = (Routes::default(), crate::Readiness::new());
        serve::grpc(listener, served, key.clone(), &ready, &tasks).await;
        let stranger = remote(&url, &Secret::new("x".repeat(32)), LIMIT).unwrap();
        assert_eq!(code(stranger).await, Code::Unauthenticated);
        assert_eq!(code(remote(&url, &key, LIMIT).unwrap()).await, Code::Ok);
    }
}
