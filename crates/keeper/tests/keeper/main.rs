//! The keeper against real processes that don't want to end.
//!
//! This executable starts itself again as the keeper, and as an executor that can be stopped and
//! killed; so the harness leaves `main` to it.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]

mod cgroup;
mod ends;
mod families;
mod harness;
mod plain;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("keeper") => keeper::main(),
        Some("executor") => harness::be_an_executor(),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials = plain::trials();
    trials.extend(ends::trials());
    trials.extend(families::trials());
    trials
}

/// The trials of these functions, named after them.
#[macro_export]
macro_rules! trials_of {
    ($($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($test), || { $test(); Ok(()) })),+]
    };
}
