//! Connections of the two ports: as many as there is room for, and none that only holds its place.
//!
//! The port of users speaks HTTP/1.1, that of peers HTTP/2. A connection ends that asks for nothing:
//! one without a first request, on the port of users also one that is silent for too long before the
//! next or in the middle of its header, on the port of peers one that answers no ping. So clients that
//! never finish can't use up a port. One that finds no room is told so and closed, and counted
//! (`penstock_http_connections_refused_total`, `penstock_grpc_connections_refused_total`). Each request
//! carries its client's address as [`ConnectInfo`].
//!
//! **Invariant:** a connection belongs to the tasks of its process: draining lets it finish the
//! request that it is at, and nobody begins another.

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use super::rest;
use crate::Tasks;

/// How long a client may take for its first request; on the port of users for the header of every
/// request, from the end of the one before it on.
/// Longer than clients keep idle connections: one that is closed just as it is used again fails.
const SILENCE: Duration = Duration::from_mins(2);
/// Open connections of a port, at most.
const CONNECTIONS: usize = 4096;
/// Calls of a peer at a time, at most; more wait at the peer. Followers of logs and streams of
/// executors are calls, too.
const CALLS: u32 = 4096;
/// How often a peer that says nothing is asked whether it lives, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// The pause after the kernel refused a connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(200);
/// What a user is told who finds no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";
/// The same to a peer: settings without any, and a farewell that says "enhance your calm".
const NO_ROOM_FOR_PEERS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
    \0\0\x1c\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0btoo many connections";

/// What clients may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    silence: Duration,
    calls: u32,
    ping: Duration,
}

impl Limits {
    /// `share` of the files that the process may open are for others.
    fn of_process(share: u64) -> Self {
        Self {
            connections: connections(getrlimit(Resource::Nofile).current, share),
            silence: SILENCE,
            calls: CALLS,
            ping: PING,
        }
    }
}

/// What every connection is given.
struct Port {
    builder: Builder<TokioExecutor>,
    router: Router,
    room: Arc<Semaphore>,
    silence: Duration,
    refusal: Refusal,
    tasks: Tasks,
}

/// What a client is told that finds no room.
struct Refusal {
    text: &'static [u8],
    counter: &'static str,
}

/// Serves HTTP until the process drains.
pub fn http(listener: TcpListener, router: Router, tasks: &Tasks) {
    // Half of the files that the process may open are for all else that it does.
    serve_http(listener, router, Limits::of_process(2), tasks);
}

/// Serves gRPC until the process drains.
pub(super) fn grpc(listener: TcpListener, router: Router, tasks: &Tasks) {
    // Peers are few: each has one connection, or two.
    serve_grpc(listener, router, Limits::of_process(4), tasks);
}

/// As many as a share of the files allows.
fn connections(files: Option<u64>, share: u64) -> usize {
    let part = files.map(|it| usize::try_from(it / share).unwrap_or(usize::MAX));
    part.map_or(CONNECTIONS, |part| part.clamp(1, CONNECTIONS))
}

fn serve_http(listener: TcpListener, router: Router, limits: Limits, tasks: &Tasks) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new());
    http1.header_read_timeout(limits.silence);
    let refusal = Refusal {
        text: NO_ROOM,
        counter: "penstock_http_connections_refused_total",
    };
    let router = rest::taken_off(router, tasks);
    serve(listener, (builder, router), refusal, limits, tasks);
}

fn serve_grpc(listener: TcpListener, router: Router, limits: Limits, tasks: &Tasks) {
    let mut builder = Builder::new(TokioExecutor::new()).http2_only();
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new());
    http2.max_concurrent_streams(limits.calls);
    http2.keep_alive_interval(limits.ping);
    http2.keep_alive_timeout(limits.ping);
    let refusal = Refusal {
        text: NO_ROOM_FOR_PEERS,
        counter: "penstock_grpc_connections_refused_total",
    };
    serve(listener, (builder, router), refusal, limits, tasks);
}

fn serve(
    listener: TcpListener,
    (builder, router): (Builder<TokioExecutor>, Router),
    refusal: Refusal,
    limits: Limits,
    tasks: &Tasks,
) {
    let port = Port {
        builder,
        router: router.with_state(()),
        room: Arc::new(Semaphore::new(limits.connections)),
        silence: limits.silence,
        refusal,
        tasks: tasks.clone(),
    };
    let draining = tasks.draining().clone();
    tasks.spawn(async move {
        tokio::select! {
            () = port.accept(listener) => {}
            () = draining.cancelled() => {}
        }
    });
}

impl Port {
    async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, client)) => self.take(stream, client),
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    tracing::error!("no connection can be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, client: SocketAddr) {
        match self.room.clone().try_acquire_owned() {
            Ok(place) => self.answer(stream, client, place),
            Err(_) => self.refusal.say(stream),
        }
    }

    fn answer(&self, stream: TcpStream, client: SocketAddr, place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let (builder, silence) = (self.builder.clone(), self.silence);
        let asked = Arc::new(AtomicBool::new(false));
        let notes = asked.clone();
        let router = self.router.clone();
        let service = router.map_request(move |mut request: Request<_>| {
            notes.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(ConnectInfo(client));
            request
        });
        let draining = self.tasks.draining().clone();
        self.tasks.spawn(async move {
            let _place = place;
            let service = TowerToHyperService::new(service);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            // How a connection ends is its client's affair.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = nothing_asked(silence, &asked) => {}
                () = draining.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
}

/// Waits until a client has asked for nothing in all this time; for ever if it asks.
async fn nothing_asked(silence: Duration, asked: &AtomicBool) {
    tokio::time::sleep(silence).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Whether a client went before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

impl Refusal {
    /// Says that there is no room, and waits for nobody: it fits an empty socket, or the client
    /// goes without it.
    fn say(&self, stream: TcpStream) {
        metrics::counter!(self.counter).increment(1);
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.write(self.text);
        }
    }
}

#[cfg(test)]
mod tests;
