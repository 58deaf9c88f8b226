//! Connections of the HTTP port: as many as there is room for, and none that only holds its place.
//!
//! The port speaks HTTP/1.1. A connection ends that is silent for too long before a request or in the
//! middle of its header, so clients that never finish one can't use up the port. One that finds no
//! room is told so and closed, and counted (`penstock_http_connections_refused_total`). Each request
//! carries its client's address as [`ConnectInfo`].
//!
//! **Invariant:** a connection belongs to the tasks of its process: draining lets it finish the
//! request that it is at, and nobody begins another.

use std::io::{self, ErrorKind, Write as _};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
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

use crate::Tasks;

/// How long a client may take for the header of a request, from the end of the one before it on.
/// Longer than clients keep idle connections: one that is closed just as it is used again fails.
const HEADER: Duration = Duration::from_mins(2);
/// Open connections, at most.
const CONNECTIONS: usize = 4096;
/// The pause after the kernel refused a connection, for want of files for instance.
const PAUSE: Duration = Duration::from_millis(200);
/// What a client is told that finds no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// What clients may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    connections: usize,
    header: Duration,
}

/// What every connection is given.
struct Port {
    builder: Builder<TokioExecutor>,
    router: Router,
    room: Arc<Semaphore>,
    tasks: Tasks,
}

/// Serves HTTP until the process drains.
pub fn http(listener: TcpListener, router: Router, tasks: &Tasks) {
    let limits = Limits {
        connections: connections(getrlimit(Resource::Nofile).current),
        header: HEADER,
    };
    serve(listener, router, limits, tasks);
}

/// Half of the files that the process may open are for all else that it does.
fn connections(files: Option<u64>) -> usize {
    let half = files.map(|it| usize::try_from(it / 2).unwrap_or(usize::MAX));
    half.map_or(CONNECTIONS, |half| half.clamp(1, CONNECTIONS))
}

fn serve(listener: TcpListener, router: Router, limits: Limits, tasks: &Tasks) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new());
    http1.header_read_timeout(limits.header);
    let port = Port {
        builder,
        router: router.with_state(()),
        room: Arc::new(Semaphore::new(limits.connections)),
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
                    tracing::error!("no HTTP connection can be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, client: SocketAddr) {
        match self.room.clone().try_acquire_owned() {
            Ok(place) => self.answer(stream, client, place),
            Err(_) => refuse(stream),
        }
    }

    fn answer(&self, stream: TcpStream, client: SocketAddr, place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let builder = self.builder.clone();
        let router = self
            .router
            .clone()
            .map_request(move |mut request: Request<_>| {
                request.extensions_mut().insert(ConnectInfo(client));
                request
            });
        let service = TowerToHyperService::new(router);
        let draining = self.tasks.draining().clone();
        self.tasks.spawn(async move {
            let _place = place;
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            // How a connection ends is its client's affair.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = draining.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
}

/// Whether a client went before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Says that there is no room, and waits for nobody: it fits an empty socket, or the client goes
/// without it.
fn refuse(stream: TcpStream) {
    metrics::counter!("penstock_http_connections_refused_total").increment(1);
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(NO_ROOM);
    }
}

#[cfg(test)]
mod tests;
