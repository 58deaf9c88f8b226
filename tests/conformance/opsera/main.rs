//! The Opsera Customer API, as its customers' scripts use it, compared byte by byte; and attacks on
//! all of HTTP, by the OWASP API Security Top 10 ([`mod@owasp`]).

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]
#![allow(
    clippy::format_collect,
    reason = "clearer where a definition is written"
)]

mod gates;
mod golden;
#[path = "../owasp/stories.rs"]
mod owasp;
mod people;
mod runs;
mod schemathesis;
mod scripts;

use std::process::ExitCode;

use harness::{Answer, World};
use serde_json::Value;

/// A definition's steps that only a stop ends.
const ENDLESS: &str = "- {id: endless, run: 'echo on; sleep 600'}";

fn main() -> ExitCode {
    let parts = [
        runs::stories(),
        golden::stories(),
        gates::stories(),
        people::stories(),
        scripts::stories(),
        owasp::stories(),
        schemathesis::stories(),
    ];
    harness::run_suite(&parts.concat())
}

async fn post(world: &World, route: &str, body: &Value) -> Answer {
    world
        .api()
        .post(&format!("/api/v1/pipeline/{route}"), body)
        .await
}
