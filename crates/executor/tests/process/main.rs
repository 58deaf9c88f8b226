//! The executor's side of its keepers, against real ones.
//!
//! This executable starts itself again as the keeper, so the harness leaves `main` to it.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]

mod ends;
mod harness;
mod keepers;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("keeper") {
        return keeper::main();
    }
    let mut trials = ends::trials();
    trials.extend(keepers::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
