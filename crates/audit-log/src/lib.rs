//! What runs said, kept and shown.
//!
//! The audit log owns the activity of runs: the output of their steps, which executors put on the
//! bus, and life-cycle lines, which it makes itself from what has happened to a run. It is asked for
//! pages and for a live tail; it asks nobody and announces nothing.
//!
//! Output is kept in chunks ([`chunk`]), a compressed row for up to 64 KiB of lines; life-cycle
//! lines ([`mod@line`]) are attempt 0. A page merges both by time ([`page`]) and is read from a cursor
//! on ([`cursor`]). The newest of a pipeline are told in records ([`record`]).
//!
//! **Invariants:** the entries of an attempt are stored once each and shown in their order, without
//! gap or repeat; what is missing is said where it is missing. A follower ends when the run has
//! ended and its log is whole, or ten seconds after the end with a line saying that it isn't.
//! What is older than the retention is removed: whole days on `PostgreSQL`, row by row on `SQLite`.

use std::sync::Arc;
use std::time::Duration;

use contracts::audit::audit_log_server::AuditLogServer;
use contracts::message::Topic;
use outbox::{Bus, Consumer, Tuning};
use runtime::{Bell, Database, Tasks, clock};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

mod api;
mod bells;
mod chunk;
mod cursor;
mod entity;
mod error;
mod line;
mod messages;
mod migration;
mod page;
mod record;
mod store;
mod tail;
#[cfg(test)]
mod testing;
mod walk;

pub use error::Error;
pub use migration::Migrator;

/// How often it is looked for what is too old.
const PRUNE_PERIOD: Duration = Duration::from_mins(1);

/// Activity, in batches: repeats are told by the entries' own numbers.
const ACTIVITY: Consumer = Consumer {
    group: "audit-log-activity",
    topics: &[Topic::Activity],
    inbox: false,
    batch: 128,
    tuning: Tuning::Bulk,
};

/// What has happened to runs.
const EVENTS: Consumer = Consumer {
    group: "audit-log-events",
    topics: &[Topic::Events],
    inbox: true,
    batch: 256,
    tuning: Tuning::Prompt,
};

/// What can be configured about the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days that activity is kept after it was stored, at least 1. On `PostgreSQL` it may lie on the
    /// disk for two more.
    pub retention_days: u32,
    /// Followers of live logs at a time on this instance.
    pub followers: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_days: 30,
            followers: 1000,
        }
    }
}

impl Config {
    fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_days.max(1)) * 24 * 3600)
    }
}

/// Starts the audit log on a `database` that [`Migrator`] has migrated.
#[allow(clippy::unused_async, reason = "services start alike")]
pub async fn start(
    config: Config,
    database: Database,
    bus: Bus,
    tasks: &Tasks,
) -> Result<Routes, Error> {
    let store = store::Store::new(database.clone(), config.retention());
    // Before anything is stored: what has no day is in nobody's way, but is removed more slowly.
    if let Err(error) = store.make_room().await {
        tracing::warn!("no days were made for activity, which is tried again: {error}");
    }
    let bells = bells::Bells::default();
    let activity = messages::Activity::new(store.clone(), bells.clone());
    outbox::consume(ACTIVITY, &database, &bus, Arc::new(activity), tasks);
    let events = messages::Events::new(store.clone(), bells.clone());
    outbox::consume(EVENTS, &database, &bus, Arc::new(events), tasks);
    let pruned = store.clone();
    tasks.answer("activity-prune", &Bell::new(), PRUNE_PERIOD, move || {
        let store = pruned.clone();
        async move { store.prune(clock::now_ms()).await }
    });
    let tails = tail::Tails::new(store.clone(), bells, tasks.clone(), config.followers);
    let server = AuditLogServer::new(api::Api::new(store, tails));
    Ok(Routes::new(server))
}
