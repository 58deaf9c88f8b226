//! The UnifiedViews Master API, as its clients use it: messages, fields and their order, and what its
//! document and its known clients disagree about.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]

mod catalogue;
mod clients;
mod disagreements;
mod events;
mod form;
mod imports;
mod negative;
mod people;
mod plugins;
mod schedules;
mod shapes;
mod uv;

use std::process::ExitCode;

fn main() -> ExitCode {
    let parts = [
        shapes::stories(),
        catalogue::stories(),
        people::stories(),
        schedules::stories(),
        events::stories(),
        imports::stories(),
        plugins::stories(),
        disagreements::stories(),
        clients::stories(),
        negative::stories(),
    ];
    harness::run_suite(&parts.concat())
}
