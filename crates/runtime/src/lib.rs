//! Being a process: what every service needs before it does anything of its own.
//!
//! - [`config`]: layers of configuration, with unknown keys refused and secrets hidden.
//! - [`database`]: `sqlite://` and `postgres://` behind one type, with migrations and group commit.
//! - [`disk`]: whether there is room for what stores are told to keep.
//! - [`route`]: calls to a peer, in this process or behind a socket, under one type.
//! - [`front`]: the HTTP port of a process, open before its services are.
//! - [`serve`]: listeners for gRPC and HTTP, health, reflection, readiness and draining.
//! - [`tls`]: the one cryptography provider, and clients over HTTP.
//! - [`aside`]: work that takes the CPU for long, aside from the threads that answer.
//! - [`bell`]: supervised loops that look again when rung, and every so often anyway.
//! - [`gather`]: calls that come at the same time, done together.
//! - [`fault`]: what can go wrong, as its caller needs to know it.
//! - [`fault_point`]: places at which a test can make the process end.
//! - [`private_file`]: small files that only their owner reads, and keys in them.
//! - [`telemetry`]: logs, traces and metrics.
//!
//! **Invariant:** this crate knows none of ours.

pub mod aside;
pub mod bell;
pub mod clock;
pub mod config;
pub mod database;
pub mod disk;
pub mod fault;
pub mod fault_point;
pub mod front;
pub mod gather;
pub mod lock;
pub mod private_file;
pub mod ready;
pub mod route;
pub mod serve;
pub mod telemetry;
pub mod tls;

pub use aside::Aside;
pub use bell::{Bell, Progress, Tasks};
pub use database::Database;
pub use fault::{Fault, Kind};
pub use gather::Gather;
pub use ready::Readiness;
pub use route::Route;
