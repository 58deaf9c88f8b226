//! The pipeline service owns pipelines, their versions, and runs with their steps and attempts.
//!
//! It is asked to define, start, stop and reset (by the gateway), and to begin, record and end
//! attempts (by executors and the scheduler), and to start the runs of schedules. It asks the registry for the secrets and the tool
//! of a step that it grants. It tells what it was asked for on `penstock.commands`, and what has happened on
//! `penstock.events`. Steps of tools that outside consumers serve it requests on `penstock.steps`, and
//! hears what they reply on `penstock.replies`.
//!
//! **Invariants:** a run's row is the truth about it. Every transition is one transaction under
//! that row's lock, follows [`state::State::after`], and commits with its announcement. The rules
//! are in [`run`], without I/O; the transactions in `store`.

// A future of a batch holds those of each transaction in it: an optimized build counts them all.
#![recursion_limit = "256"]

use std::sync::Arc;
use std::time::Duration;

use contracts::pipeline::attempts_server::AttemptsServer;
use contracts::pipeline::pipelines_server::PipelinesServer;
use contracts::pipeline::scheduling_server::SchedulingServer;
use outbox::Bus;
use runtime::{Bell, Database, Progress, Route, Tasks, clock};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

mod api;
mod caller;
mod entity;
mod error;
mod messages;
mod migration;
mod news;
mod owner;
mod record;
mod reference;
mod request;
mod rules;
pub mod run;
mod secrets;
pub mod state;
mod store;
mod tools;

pub use error::Error;
pub use migration::Migrator;

/// How the pipeline service behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many days a run is kept once it has ended, and a version that no run points to; the last
    /// hundred of each pipeline are kept longer. So long a deleted pipeline is kept, too. 0: for
    /// ever. Default 400.
    pub retention_days: u32,
    /// Whether every user of the account may answer the gates of a pipeline that has no access rules
    /// and is open to all, as the Opsera API has it; else its owner and site administrators alone.
    /// Default true.
    pub open_approval: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention_days: 400,
            open_approval: true,
        }
    }
}

/// How often expired idempotency keys are looked for.
const FORGET_PERIOD: Duration = Duration::from_mins(10);
/// How often runs, versions and deleted pipelines are looked for that are too old.
const PRUNE_PERIOD: Duration = Duration::from_hours(1);
/// How often open steps are looked for whose time is over.
const OVERDUE_PERIOD: Duration = Duration::from_secs(1);
/// How often child runs are seen to without a ring.
const CHILDREN_PERIOD: Duration = Duration::from_secs(1);
/// The largest gRPC message: a definition of 1 MiB with its answer around it.
const LARGEST_MESSAGE: usize = 8 * 1024 * 1024;

/// Starts the service and answers what it serves.
pub fn start(
    config: Config,
    database: Database,
    bus: &Bus,
    registry: Route,
    tasks: &Tasks,
) -> Routes {
    let outside = Outside::of(bus);
    start_with(config, database, (bus, outside), registry, tasks)
}

/// Whether steps can be carried out by outside consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outside {
    /// They reach the bus.
    Reached,
    /// The bus is this process's own.
    Alone,
}

impl Outside {
    fn of(bus: &Bus) -> Self {
        if bus.is_embedded() {
            Self::Alone
        } else {
            Self::Reached
        }
    }
}

fn start_with(
    config: Config,
    database: Database,
    (bus, outside): (&Bus, Outside),
    registry: Route,
    tasks: &Tasks,
) -> Routes {
    let relay = Bell::new();
    outbox::relay(&database, bus, &relay, tasks, "pipeline");
    let inbox = database.clone();
    let store = store::Store::new(database, relay, config.open_approval);
    let ear = Arc::new(messages::Ear::new(store.clone()));
    outbox::consume(messages::REPLIES, &inbox, bus, ear, tasks);
    let keys = store.clone();
    tasks.answer(
        "forget expired keys",
        &Bell::new(),
        FORGET_PERIOD,
        move || {
            let keys = keys.clone();
            async move {
                let more = keys.forget_keys().await?;
                Ok::<_, Error>(if more { Progress::More } else { Progress::Idle })
            }
        },
    );
    prune(config, store.clone(), tasks);
    end_overdue(store.clone(), tasks);
    see_to_children(store.clone(), tasks);
    let pipelines = PipelinesServer::new(api::Pipelines::new(store.clone(), registry.clone()))
        .max_decoding_message_size(LARGEST_MESSAGE);
    let scheduling = SchedulingServer::new(api::Scheduling::new(store.clone()))
        .max_decoding_message_size(LARGEST_MESSAGE);
    let attempts = AttemptsServer::new(api::Attempts::new(store, registry, outside, tasks))
        .max_decoding_message_size(LARGEST_MESSAGE);
    Routes::new(pipelines)
        .add_service(attempts)
        .add_service(scheduling)
}

/// Starts, stops and ends child runs as long as the process lives.
fn see_to_children(store: store::Store, tasks: &Tasks) {
    let bell = store.children().clone();
    tasks.answer("see to children", &bell, CHILDREN_PERIOD, move || {
        let store = store.clone();
        async move {
            store.see_to_children().await?;
            Ok::<_, Error>(Progress::Idle)
        }
    });
}

/// Fails open steps whose time is over, as long as the process lives.
fn end_overdue(store: store::Store, tasks: &Tasks) {
    let bell = Bell::new();
    tasks.answer("end overdue steps", &bell, OVERDUE_PERIOD, move || {
        let store = store.clone();
        async move {
            let more = store.end_overdue().await?;
            Ok::<_, Error>(if more { Progress::More } else { Progress::Idle })
        }
    });
}

/// Removes what is old as long as the process lives.
fn prune(config: Config, store: store::Store, tasks: &Tasks) {
    if config.retention_days == 0 {
        return;
    }
    // A little longer than a key, which answers with its run.
    let kept = Duration::from_hours(24) * config.retention_days + PRUNE_PERIOD;
    tasks.answer(
        "prune runs and versions",
        &Bell::new(),
        PRUNE_PERIOD,
        move || {
            let store = store.clone();
            async move {
                let before_ms = clock::now_ms() - clock::millis(kept);
                let mut more = store.prune_runs(before_ms).await?;
                if !more {
                    store.prune_versions(before_ms).await?;
                    more = store.prune_pipelines(before_ms).await?;
                }
                Ok::<_, Error>(if more { Progress::More } else { Progress::Idle })
            }
        },
    );
}
