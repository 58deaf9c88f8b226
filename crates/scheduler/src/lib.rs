//! The scheduler owns the run queue, the executors and their leases, and the schedules.
//!
//! It hears `RunRequested` and fills the queue, hands runs to executors over their `Work` streams,
//! and tells `pipeline` when an executor is lost. It decides nothing about a run: `pipeline` does,
//! and the scheduler's own view of places is a guess that saves trips.
//!
//! A schedule's slots are pure functions of it and the time ([`calendar`], [`schedule`]). What is due
//! is taken, asked for and settled by loops that meet in rows ([`fire`]); the pipeline service starts
//! the runs, and refuses a second one of a slot.
//!
//! **Invariants:** I6 (every slot ends in one row); I11 (busy slots are rows, and never more than an executor has); a lease is
//! judged by the store's clock; losing any message makes it slower, not wrong ([`reconcile`]). Any
//! number of schedulers work beside one another, without a leader.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use contracts::scheduler::scheduler_server::SchedulerServer;
use contracts::scheduler::schedules_server::SchedulesServer;
use outbox::Bus;
use runtime::{Bell, Database, Route, Tasks};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

mod api;
mod assign;
mod calendar;
mod entity;
mod error;
mod fire;
mod hub;
mod messages;
mod migration;
mod reconcile;
mod record;
mod schedule;
mod shift;
mod store;
#[cfg(test)]
mod testing;

pub use error::Error;
pub use migration::Migrator;

/// How the scheduler behaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long an executor may be silent before its attempts are lost: 100 ms to 10 min. Default
    /// 30 s; below 1 s a busy machine loses attempts for nothing.
    pub lease: Period,
    /// How often the queue is compared with the truth: 100 ms to 10 min. Default 30 s.
    pub reconcile: Period,
    /// How many runs of schedules with a priority of 1 to 3 are at work at a time, over all
    /// executors; 0 is no limit. Default 5, as UnifiedViews has it.
    pub scheduled_limit: u32,
    /// How many days it is kept what became of a schedule's slots; 0 is for ever. Default 90.
    pub slot_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        let half_a_minute = Period(Duration::from_secs(30));
        Self {
            lease: half_a_minute,
            reconcile: half_a_minute,
            scheduled_limit: 5,
            slot_days: 90,
        }
    }
}

/// A span of time in a configuration: `500ms`, `30s`, `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not a period: write 500ms, 30s or 5m");
        let digits = text
            .find(|it: char| !it.is_ascii_digit())
            .ok_or_else(wrong)?;
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let unit_ms = match &text[digits..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            _ => return Err(wrong()),
        };
        let period_ms = number.saturating_mul(unit_ms);
        if !(100..=600_000).contains(&period_ms) {
            return Err(format!("\"{text}\" is out of range: 100ms to 10m"));
        }
        Ok(Self(Duration::from_millis(period_ms)))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0.as_millis())
    }
}

/// Starts the service and answers what it serves.
pub fn start(
    config: Config,
    database: &Database,
    bus: &Bus,
    pipeline: Route,
    tasks: &Tasks,
) -> Routes {
    let (bell, hub) = (Bell::new(), hub::Hub::default());
    outbox::relay(database, bus, &Bell::new(), tasks, "scheduler");
    let store = store::Store::new(database.clone());
    let clockwork = fire::Clockwork {
        store: store.clone(),
        pipeline: pipeline.clone(),
        due: Bell::new(),
        slots: Bell::new(),
    };
    let ear = Arc::new(messages::Ear {
        bell: bell.clone(),
        slots: clockwork.slots.clone(),
    });
    outbox::consume(messages::COMMANDS, database, bus, ear.clone(), tasks);
    outbox::consume(messages::EVENTS, database, bus, ear, tasks);
    messages::pass_stops_on(bus, &store, &hub, tasks);
    fire::start(&clockwork, config.slot_days, tasks);
    let desk = shift::Desk {
        config,
        store,
        hub,
        bell,
        backlog: assign::Backlog::default(),
        pipeline,
    };
    assign::start(&desk, tasks);
    reconcile::start(&desk, tasks);
    let scheduler = SchedulerServer::new(api::Api {
        desk,
        tasks: tasks.clone(),
    });
    let schedules = SchedulesServer::new(api::Schedules { clockwork });
    Routes::new(scheduler).add_service(schedules)
}
