//! I5: no process of a step lives on whose attempt is over.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::facts::Facts;
use crate::world::World;

/// The grace period of worlds, and what a busy machine takes besides.
const GRACE: Duration = Duration::from_secs(8);

/// A process that a step of a world started, however deep below.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its process id.
    pub pid: u32,
    /// Its run.
    pub run_id: String,
    /// Its attempt.
    pub attempt: u32,
    /// Its command line.
    pub command: String,
}

/// All processes that were started by steps of a world: they carry its executors' names.
pub fn processes(world: &World) -> Vec<Found> {
    let prefix = format!("{}-", world.place().name);
    let Ok(table) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = table.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| found(pid, &prefix)).collect()
}

fn found(pid: u32, prefix: &str) -> Option<Found> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |name: &str| {
        let variables = environ.split(|byte| *byte == 0);
        let found = variables.filter_map(|it| std::str::from_utf8(it).ok());
        found
            .filter_map(|it| it.split_once('='))
            .find(|it| it.0 == name)
            .map(|it| it.1.to_owned())
    };
    value("PENSTOCK_EXECUTOR").filter(|it| it.starts_with(prefix))?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Found {
        pid,
        run_id: value("PENSTOCK_RUN")?,
        attempt: value("PENSTOCK_ATTEMPT")?.parse().ok()?,
        command: String::from_utf8_lossy(&command).replace('\0', " "),
    })
}

/// Once all runs have ended nothing of theirs lives on.
pub(super) async fn violations(world: &World, facts: &Facts) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let left: Vec<Found> = processes(world)
            .into_iter()
            .filter(|it| is_over(facts, it))
            .collect();
        if left.is_empty() || begun.elapsed() > GRACE {
            let say = |it: &Found| {
                let Found {
                    pid,
                    run_id,
                    attempt,
                    command,
                } = it;
                format!("I5: process {pid} of attempt {attempt} of {run_id} lives on: {command}")
            };
            return left.iter().map(say).collect();
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn is_over(facts: &Facts, found: &Found) -> bool {
    let attempt = facts
        .attempts
        .iter()
        .find(|it| it.run_id == found.run_id && it.attempt == i64::from(found.attempt));
    attempt.is_none_or(|it| it.ended_at_ms.is_some())
}
