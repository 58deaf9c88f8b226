//! What runs said, and who did what: kept and shown.
//!
//! The audit log owns the activity of runs: the output of their steps, which executors put on the
//! bus, and life-cycle lines, which it makes itself from what has happened to a run. It owns the
//! records of user actions, which the owners of what was changed announce, and of uses of tokens,
//! which the gateway tells. It is asked for pages, for a live tail and for an export; it asks nobody
//! and announces nothing.
//!
//! Output is kept in chunks ([`chunk`]), a compressed row for up to 64 KiB of lines; life-cycle
//! lines ([`mod@line`]) are attempt 0. A page merges both by time ([`page`]) and is read from a cursor
//! on ([`cursor`]). The newest of a pipeline are told in records ([`record`]).
//!
//! Records of who did what are links of a hash chain an account, which is signed now and then
//! ([`ledger`]).
//!
//! **Invariants:** the entries of an attempt are stored once each and shown in their order, without
//! gap or repeat; what is missing is said where it is missing. A follower ends when the run has
//! ended and its log is whole, or ten seconds after the end with a line saying that it isn't.
//! What is older than the retention is removed: whole days on `PostgreSQL`, row by row on `SQLite`.
//! A user action and a use of a token have one record each, however often they are told; records are
//! only added, and removed from the beginning of a chain up to a checkpoint.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contracts::audit::audit_log_server::AuditLogServer;
use contracts::message::Topic;
use ledger::checkpoint::Signer;
use outbox::{Bus, Consumer, Tuning};
use runtime::config::Secret;
use runtime::{Bell, Tasks, clock, private_file};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

mod api;
mod bells;
mod chunk;
mod cursor;
mod entity;
mod error;
mod export;
pub mod ledger;
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
pub use store::Stores;

/// How often it is looked for what is too old.
const PRUNE_PERIOD: Duration = Duration::from_mins(1);
/// How often it is looked for chains that are due to be signed, unless many records came.
const SIGN_PERIOD: Duration = Duration::from_secs(20);

/// Activity, in batches: repeats are told by the entries' own numbers.
const ACTIVITY: Consumer = Consumer {
    group: "audit-log-activity",
    topics: &[Topic::Activity],
    inbox: false,
    batch: 128,
    tuning: Tuning::Bulk,
};

/// What has happened to runs, and what users did.
const EVENTS: Consumer = Consumer {
    group: "audit-log-events",
    topics: &[Topic::Events],
    inbox: true,
    batch: 256,
    tuning: Tuning::Prompt,
};

/// Uses of tokens: repeats are told by the uses' own ids.
const ACCESS: Consumer = Consumer {
    group: "audit-log-access",
    topics: &[Topic::Access],
    inbox: false,
    batch: 256,
    tuning: Tuning::Bulk,
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
    /// Days that user actions and uses of tokens are kept, at least 1.
    pub audit_retention_days: u32,
    /// Records after which a chain is signed.
    pub checkpoint_records: u32,
    /// Minutes after which a chain that has grown is signed.
    pub checkpoint_minutes: u32,
    /// What chains are signed with (Ed25519): 32 bytes, as 64 hex digits or as base64. Empty:
    /// `key_file`.
    pub key: Secret,
    /// Where the key lies. Made at the first start, readable by its owner only.
    pub key_file: PathBuf,
    /// The `PostgreSQL` role that owns the tables, as the URL of the same database: it migrates and
    /// removes, and the role of `database.url` can only add audit records and read them. Empty: one
    /// role does all.
    pub database_owner: Secret,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_days: 30,
            followers: 1000,
            audit_retention_days: 400,
            checkpoint_records: 1000,
            checkpoint_minutes: 10,
            key: Secret::default(),
            key_file: "penstock-data/audit-key".into(),
            database_owner: Secret::default(),
        }
    }
}

impl Config {
    fn retention(&self) -> Duration {
        days(self.retention_days)
    }

    fn due(&self) -> store::Due {
        store::Due {
            records: self.checkpoint_records.max(1).into(),
            age_ms: clock::millis(Duration::from_mins(self.checkpoint_minutes.into())),
        }
    }

    fn signer(&self) -> Result<Signer, Error> {
        let origin = if self.key.is_empty() {
            self.key_file.display().to_string()
        } else {
            "audit_log.key".into()
        };
        let key = private_file::key(&self.key, &self.key_file)?;
        key.map(|it| Signer::new(&it)).ok_or(Error::Key(origin))
    }
}

fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days.max(1)) * 24 * 3600)
}

/// Starts the audit log on stores that it has opened.
///
/// Fails if the key of the record chain can't be had.
#[allow(clippy::unused_async, reason = "services start alike")]
pub async fn start(
    config: Config,
    stores: Stores,
    bus: Bus,
    tasks: &Tasks,
) -> Result<Routes, Error> {
    let database = stores.database.clone();
    let (retention, due) = (config.retention(), config.due());
    let store = store::Store::new(stores, retention, days(config.audit_retention_days));
    // Before anything is stored: what has no day is in nobody's way, but is removed more slowly.
    if let Err(error) = store.make_room().await {
        tracing::warn!("no days were made for activity, which is tried again: {error}");
    }
    let bells = bells::Bells::default();
    let activity = messages::Activity::new(store.clone(), bells.clone());
    outbox::consume(ACTIVITY, &database, &bus, Arc::new(activity), tasks);
    let bell = sign(&store, config.signer()?, due, tasks);
    let ledger = messages::Ledger::new(store.clone(), due, bell);
    let events = messages::Events::new(store.clone(), bells.clone(), ledger.clone());
    outbox::consume(EVENTS, &database, &bus, Arc::new(events), tasks);
    outbox::consume(ACCESS, &database, &bus, Arc::new(ledger), tasks);
    let pruned = store.clone();
    tasks.answer("activity-prune", &Bell::new(), PRUNE_PERIOD, move || {
        let store = pruned.clone();
        async move { store.prune(clock::now_ms()).await }
    });
    let tails = tail::Tails::new(store.clone(), bells, tasks.clone(), config.followers);
    let server = AuditLogServer::new(api::Api::new(store, tails));
    Ok(Routes::new(server))
}

/// Signs chains that are due, now and then and when the bell is rung.
fn sign(store: &store::Store, signer: Signer, due: store::Due, tasks: &Tasks) -> Bell {
    let (bell, store) = (Bell::new(), store.clone());
    tasks.answer("audit-sign", &bell, SIGN_PERIOD, move || {
        let (store, signer) = (store.clone(), signer.clone());
        async move {
            let now_ms = clock::now_ms();
            store.keep_key(&signer, now_ms).await?;
            store.sign(&signer, due, now_ms).await
        }
    });
    bell
}
