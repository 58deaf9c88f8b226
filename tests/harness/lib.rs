//! What the end-to-end and fault suites stand on: worlds of real processes, a client, a checker.
//!
//! - [`world`]: a running Penstock in one of its [`Shape`]s, its processes, and how to hurt them.
//! - [`api`]: what a user's script does over HTTP.
//! - [`invariants`]: reads databases, topics and the process table, and says what isn't true.
//! - [`suite`]: stories, and the worlds that they run in.
//! - [`canary`]: a secret that must show up nowhere; [`mod@watch`] looks for it in what goes by.
//!
//! **Invariants:** a story waits on conditions and never for a time ([`mod@eventually`]); no process
//! of a world outlives it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a test's own tasks and connections, besides the program's"
)]
#![allow(
    clippy::format_collect,
    clippy::struct_field_names,
    reason = "clearer here"
)]

pub mod api;
mod binary;
pub mod canary;
pub mod eventually;
pub mod invariants;
pub mod rows;
pub mod suite;
pub mod topics;
pub mod watch;
pub mod world;

pub use api::{Answer, Api};
pub use binary::program;
pub use eventually::{PATIENCE, eventually, eventually_within};
pub use suite::{Story, run_suite};
pub use world::{Settings, Shape, World};

/// A variable of the tests' own environment, if it is set to something.
pub fn variable(name: &str) -> Option<String> {
    runtime::config::variable(name)
}
