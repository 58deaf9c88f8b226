//! A process that has some of the services: it starts them callees first, and ends them in order.
//!
//! The HTTP port is open before anything is awaited, so `/livez` and `/readyz` answer while a store
//! or a broker is away. Told to end, the process first gives its runs back, then stops serving;
//! told twice, it ends at once.
//!
//! **Invariant:** the embedded stores and bus of a data directory belong to one process, by a lock.

pub mod address;
mod drain;
mod greeting;
mod ground;
mod place;
mod wiring;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use runtime::telemetry::Telemetry;
use runtime::{lock, route, serve};

use crate::Shape;
use crate::config::Config;
use crate::role::Role;
use drain::Signals;
use ground::Ground;
use place::Node;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As told, with everything in order.
    Drained,
    /// At once, because it was told twice.
    Forced,
}

/// Why a process can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port can't be opened.
    #[error(transparent)]
    Port(#[from] serve::Error),
    /// The data directory can't be had for ourselves.
    #[error(transparent)]
    Lock(#[from] lock::Error),
    /// The data directory can't be made.
    #[error("the data directory {} can't be made", .0.display())]
    DataDir(PathBuf, #[source] io::Error),
    /// The bus can't be used.
    #[error(transparent)]
    Bus(#[from] outbox::bus::Error),
    /// A peer's URL can't be one.
    #[error(transparent)]
    Peer(#[from] route::Error),
    /// A service can't start.
    #[error("the {0} service can't start")]
    Service(Role, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// What the kernel refuses.
    #[error("the process can't be set up")]
    System(#[from] io::Error),
}

/// Is a process with these services until it is told to end.
pub async fn run(
    config: Config,
    roles: BTreeSet<Role>,
    shape: Shape,
    telemetry: &Telemetry,
) -> Result<Ended, Error> {
    let mut signals = Signals::listen()?;
    let mut ground = Ground::prepare(&config, &roles, telemetry).await?;
    let node = tokio::select! {
        node = Box::pin(Node::start(config, roles, &mut ground)) => node?,
        // Nothing has begun that would have to be ended in order.
        () = signals.next() => return Ok(Ended::Drained),
    };
    tokio::select! {
        () = ground.ready.complete() => {
            greeting::say(shape, &node.seams.config, &ground)?;
            signals.next().await;
        }
        () = signals.next() => {}
    }
    Ok(node.drain(&mut signals).await)
}
