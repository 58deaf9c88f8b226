//! What breaks, and what stays true: every story ends with the checker of the invariants.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]

mod bus;
mod executor;
mod load;
mod points;
mod schedules;
mod services;
mod stores;
mod vault;

use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        executor::stories(),
        points::stories(),
        schedules::stories(),
        services::stories(),
        bus::stories(),
        stores::stories(),
        vault::stories(),
    ];
    harness::run_suite(&parts.concat())
}
