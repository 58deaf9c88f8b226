//! HTTP in front: three faces over the services behind it, and nothing of its own to remember.
//!
//! `/api/v2` ([`v2`]) is Penstock's own API, `/api/v1` ([`opsera`]) the Opsera Customer API,
//! `/master/api/1` ([`unifiedviews`]) the UnifiedViews Master API. Each face has its own JSON shapes; both ask the same peers by gRPC. What a route is, who may call it
//! and what answers it is one row of the table in [`mod@routes`]. What holds for every request is done
//! once in [`front`]: its id, its trace, its limits, and how its failure is told.
//!
//! **Invariants:** no route answers without a row; none but the public ones without a token that
//! the registry knows and that has a scope of the row, or without a sign-in where the row says so. A
//! token's text is never kept or logged, and no more is a password's.
//! Everything is bounded: bodies, requests at a time and for each token ([`limits`]), followers,
//! remembered tokens, time.

mod access;
mod auth;
mod body;
mod forget;
mod front;
mod limits;
mod opsera;
mod peers;
mod plugins;
mod problem;
mod routes;
mod start;
mod time;
mod transfer;
pub mod unifiedviews;
mod v2;

pub use routes::{Route as ApiRoute, routes};

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use outbox::Bus;
use runtime::{Route, Tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub use limits::{Rate, Rates};

/// What can be said about the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// The longest body that is read, in bytes.
    pub max_body_bytes: usize,
    /// The longest file that is read, in bytes: a jar, or an exported pipeline.
    pub max_upload_bytes: usize,
    /// Files that are held at a time; further ones wait.
    pub max_uploads: usize,
    /// Requests that are worked on at a time; further ones are answered 503 at once.
    pub max_requests: usize,
    /// Logs that are followed at a time; further followers are answered 503.
    pub max_followers: usize,
    /// Lists and logs that are read at a time; further ones wait. So they leave room for requests
    /// that act.
    pub max_reads: usize,
    /// What tokens and addresses may ask for.
    pub limits: Rates,
    /// How long a request may take, in milliseconds. Followers may take longer.
    pub request_timeout_ms: u64,
    /// How long the start of a run is tried again while a service is away, in milliseconds.
    pub start_patience_ms: u64,
    /// How often a follower hears something when there is nothing to say, in milliseconds.
    pub heartbeat_ms: u64,
    /// Where executors keep workspaces: what debugging runs left is read there. Empty: it can't be.
    pub workspace_dir: PathBuf,
    /// The UnifiedViews Master API.
    pub unifiedviews: unifiedviews::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            max_body_bytes: 1024 * 1024,
            max_upload_bytes: 64 * 1024 * 1024,
            max_uploads: 4,
            max_requests: 1024,
            max_followers: 1000,
            max_reads: 32,
            limits: Rates::default(),
            request_timeout_ms: 30_000,
            start_patience_ms: 10_000,
            heartbeat_ms: 15_000,
            workspace_dir: PathBuf::new(),
            unifiedviews: unifiedviews::Config::default(),
        }
    }
}

/// The services that the gateway asks.
#[derive(Clone)]
pub struct Upstreams {
    /// Pipelines and their runs.
    pub pipeline: Route,
    /// Users, tokens and secrets.
    pub registry: Route,
    /// The queue and the executors.
    pub scheduler: Route,
    /// What runs said.
    pub audit_log: Route,
}

/// Everything behind `/api`, for a listener to serve. With a `bus`, uses of tokens are told
/// ([`access`]) and a change to a token is heard at once; without one it takes effect within seconds.
pub fn start(config: &Config, upstreams: Upstreams, bus: Option<Bus>, tasks: &Tasks) -> Router {
    let peers = peers::Peers::new(upstreams);
    let gateway = Arc::new(Gateway {
        tokens: auth::Tokens::new(peers.registry()),
        passwords: auth::Passwords::new(&peers, &config.unifiedviews),
        access: access::Access::start(bus.clone(), tasks),
        requests: Semaphore::new(config.max_requests),
        followers: Arc::new(Semaphore::new(config.max_followers)),
        reads: Semaphore::new(config.max_reads),
        uploads: Arc::new(Semaphore::new(config.max_uploads)),
        limits: limits::Limits::start(&config.limits, tasks),
        tasks: tasks.clone(),
        config: config.clone(),
        peers,
    });
    if let Some(bus) = bus {
        forget::changed_tokens(gateway.clone(), bus, tasks);
    }
    routes::router(&gateway)
}

/// What every request needs.
struct Gateway {
    config: Config,
    peers: peers::Peers,
    tokens: auth::Tokens,
    passwords: auth::Passwords,
    access: access::Access,
    requests: Semaphore,
    followers: Arc<Semaphore>,
    reads: Semaphore,
    uploads: Arc<Semaphore>,
    limits: Arc<limits::Limits>,
    tasks: Tasks,
}

impl Gateway {
    fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.config.heartbeat_ms.max(1))
    }
}
