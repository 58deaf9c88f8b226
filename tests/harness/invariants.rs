//! The checker: what must be true of a world once it has come to rest.
//!
//! It reads the services' databases, the topics, the files and the process table, and never asks
//! the services. One file an invariant or two; each answers sentences about what isn't true.

mod audit;
mod events;
mod facts;
mod log;
mod processes;
mod runs;
mod schedules;
mod secrets;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::eventually::LONG_PATIENCE;
use crate::world::World;

use facts::Facts;
pub use processes::{Found, processes};

/// How many violations are printed.
const PRINTED: usize = 30;

/// Where the canary of a world is that should be nowhere, once the world is at rest.
pub async fn leaks(world: &World) -> Vec<String> {
    let (facts, _) = rested(world).await;
    secrets::violations(world, &facts).await
}

/// Waits until a world is at rest and checks all invariants.
///
/// All its processes have to run. Fails by a panic that names every violation.
pub async fn check(world: &World) {
    let (facts, restless) = rested(world).await;
    let mut violations = restless;
    violations.extend(runs::violations(&facts));
    violations.extend(schedules::violations(&facts));
    violations.extend(events::violations(&facts));
    violations.extend(log::violations(&facts));
    violations.extend(audit::violations(&facts));
    violations.extend(processes::violations(world, &facts).await);
    violations.extend(secrets::violations(world, &facts).await);
    let count = violations.len();
    violations.truncate(PRINTED);
    assert!(
        count == 0,
        "{count} violations of invariants:\n  {}",
        violations.join("\n  ")
    );
}

/// What there is once nothing happens any more; and what still does when patience ends.
async fn rested(world: &World) -> (Facts, Vec<String>) {
    let begun = Instant::now();
    loop {
        let facts = Facts::of(world).await;
        let restless = facts.restless();
        if restless.is_empty() || begun.elapsed() > LONG_PATIENCE {
            return (facts, restless);
        }
        sleep(Duration::from_millis(200)).await;
    }
}
