//! Listeners: gRPC for peers, HTTP for everyone, and what operators ask of both.
//!
//! A gRPC port answers peers only: off loopback it wants a shared key, and a call without it is
//! refused. `/livez` is the process, `/readyz` its seams, `/metrics` Prometheus' text.

mod connections;
mod rest;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::Instrument as _;

use crate::config::Secret;
use crate::route::PEER_KEY;
use crate::{Readiness, Tasks, telemetry};

pub use connections::http;

/// How long a holder of a port may take to go.
const GOING: Duration = Duration::from_secs(1);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: u32 = 1024;

/// Why a port can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is another's, or the address isn't this machine's.
    #[error("can't listen on {address}: choose another address with {option}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The option that says where to listen.
        option: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Peers would be unauthenticated on a network.
    #[error(
        "gRPC on {0} is reachable from other machines and needs a shared key: set \
         PENSTOCK_PEER_KEY (32 characters or more) on every service, or listen on 127.0.0.1"
    )]
    NoKey(SocketAddr),
    /// The key is too short to be one.
    #[error("the peer key is shorter than 32 characters")]
    ShortKey,
}

/// Opens a port. `option` is named when it can't be had.
pub async fn listen(address: SocketAddr, option: &'static str) -> Result<TcpListener, Error> {
    taken(address, option, || bound(address)?.listen(BACKLOG)).await
}

/// Reserves a port without opening it: callers are refused at once until it listens.
pub async fn reserve(address: SocketAddr, option: &'static str) -> Result<TcpSocket, Error> {
    taken(address, option, || bound(address)).await
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Takes a port. A holder that is just going is waited for: one that was killed while it started a
/// process has left the port to that one, until it has become what it was started as.
async fn taken<T>(
    address: SocketAddr,
    option: &'static str,
    take: impl Fn() -> io::Result<T>,
) -> Result<T, Error> {
    let until = Instant::now() + GOING;
    loop {
        match take() {
            Ok(port) => return Ok(port),
            Err(held) if held.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(source) => {
                return Err(Error::Listen {
                    address,
                    option,
                    source,
                });
            }
        }
    }
}

/// Whether a gRPC port at `address` may open with this key.
pub fn check_peer_key(address: SocketAddr, key: &Secret) -> Result<(), Error> {
    match key.expose().len() {
        0 if address.ip().is_loopback() => Ok(()),
        0 => Err(Error::NoKey(address)),
        length if length < 32 => Err(Error::ShortKey),
        _ => Ok(()),
    }
}

/// Serves gRPC, with health, until the process drains. Health is that of the process: it serves
/// while it is ready.
pub async fn grpc(
    listener: TcpListener,
    routes: Routes,
    key: Secret,
    ready: &Readiness,
    tasks: &Tasks,
) {
    let (health, health_service) = tonic_health::server::health_reporter();
    serves(&health, ready.report().is_empty()).await;
    follow(health, ready.clone(), tasks);
    let services = routes
        .add_service(health_service)
        .into_axum_router()
        .layer(from_fn_with_state(Arc::new(key), peers_only));
    connections::grpc(listener, services, tasks);
}

/// Says what is true of the process as long as it lives.
fn follow(health: HealthReporter, ready: Readiness, tasks: &Tasks) {
    let draining = tasks.draining().clone();
    let follows = async move {
        loop {
            ready.complete().await;
            serves(&health, true).await;
            ready.incomplete().await;
            serves(&health, false).await;
        }
    };
    tasks.spawn(async move {
        tokio::select! {
            () = follows => {}
            () = draining.cancelled() => {}
        }
    });
}

/// Says whether the process serves.
async fn serves(health: &HealthReporter, is_ready: bool) {
    let status = if is_ready {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    };
    health.set_service_status("", status).await;
}

/// Adds reflection of these descriptors.
pub fn with_reflection(routes: Routes, descriptors: &'static [u8]) -> Routes {
    match tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(descriptors)
        .build_v1()
    {
        Ok(reflection) => routes.add_service(reflection),
        Err(error) => {
            tracing::error!("no gRPC reflection: {error}");
            routes
        }
    }
}

/// What operators and their tools ask: `/livez`, `/readyz`, `/metrics`.
pub fn operations(ready: Readiness, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz).with_state(ready))
        .route(
            "/metrics",
            get(|State(it): State<PrometheusHandle>| async move { it.render() }),
        )
        .with_state(metrics)
}

async fn readyz(State(ready): State<Readiness>) -> impl IntoResponse {
    let missing = ready.report();
    let (code, status) = if missing.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    (
        code,
        axum::Json(json!({"status": status, "missing": missing, "impaired": ready.impairments()})),
    )
}

async fn peers_only(State(key): State<Arc<Secret>>, request: Request, next: Next) -> Response {
    let shown = request
        .headers()
        .get(PEER_KEY)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    if key.is_empty() || bool::from(shown.ct_eq(key.expose().as_bytes())) {
        return next.run(request).await;
    }
    let refusal = Status::unauthenticated("this port answers peers with the shared key only");
    refusal.into_http::<axum::body::Body>()
}

/// Makes each call of `service` a part of its caller's trace, whether it comes over a socket or from
/// this process. A call that is part of no trace makes no span.
pub fn in_callers_trace(routes: Routes, service: &'static str) -> Routes {
    let traced = from_fn_with_state(service, traced);
    routes.into_axum_router().layer(traced).into()
}

async fn traced(State(service): State<&'static str>, request: Request, next: Next) -> Response {
    let said = request.headers().get("traceparent");
    let parent = said.and_then(|it| it.to_str().ok()).map(str::to_owned);
    let parent = parent.or_else(telemetry::traceparent);
    let span = telemetry::continued(parent.as_deref(), || {
        tracing::info_span!(
            "call",
            service.name = service,
            rpc.system = "grpc",
            rpc.method = request.uri().path().trim_start_matches('/'),
            error.type = tracing::field::Empty,
        )
    });
    let answer = next.run(request).instrument(span.clone()).await;
    let code = answer.headers().get(Status::GRPC_STATUS);
    if let Some(code) = code
        .map(|it| Code::from_bytes(it.as_bytes()))
        .filter(|it| is_our_fault(*it))
    {
        span.record("error.type", tracing::field::debug(code));
    }
    answer
}

/// Whether a call failed that should not have; others were only refused.
fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::Internal
            | Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::DataLoss
    )
}

#[cfg(test)]
mod tests;
