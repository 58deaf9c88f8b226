//! The stories of a user, from end to end: the same bodies in every world.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]
#![allow(
    clippy::format_collect,
    reason = "clearer where a definition is written"
)]

mod audit;
mod bad_input;
mod children;
mod commands;
mod connectors;
mod custody;
mod ends;
mod gates;
mod logs;
mod operated;
mod people;
mod pipelines;
mod plugins;
mod queue;
mod restarts;
mod schedules;
mod secrets;
mod served;
mod stop;
mod tools;
mod traces;
mod transfer;

use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        ends::stories(),
        stop::stories(),
        connectors::stories(),
        custody::stories(),
        gates::stories(),
        children::stories(),
        schedules::stories(),
        queue::stories(),
        pipelines::stories(),
        plugins::stories(),
        logs::stories(),
        secrets::stories(),
        tools::stories(),
        transfer::stories(),
        served::stories(),
        audit::stories(),
        people::stories(),
        commands::stories(),
        bad_input::stories(),
        operated::stories(),
        traces::stories(),
        restarts::stories(),
    ];
    harness::run_suite(&parts.concat())
}
