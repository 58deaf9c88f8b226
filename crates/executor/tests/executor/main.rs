//! An executor between a scheduler and a pipeline service of the tests' own, with real processes.
//!
//! This executable starts itself again as the keeper, so the harness leaves `main` to it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    reason = "a test, which clippy can't see without its harness"
)]

mod disk;
mod ends;
mod flows;
mod groups;
mod http;
mod leases;
mod logs;
mod peers;
mod plugins;
mod snapshots;
mod tools;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("keeper"), _) => return keeper::main(),
        (Some(part @ (disk::DIES | disk::FILLS)), Some(folder)) => {
            return disk::play(part, &folder);
        }
        _ => {}
    }
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let parts = [
        flows::trials(),
        ends::trials(),
        leases::trials(),
        http::trials(),
        logs::trials(),
        disk::trials(),
        snapshots::trials(),
        tools::trials(),
        plugins::trials(),
        groups::trials(),
    ];
    parts.into_iter().flatten().collect()
}

/// The trials of these asynchronous functions, named after them.
#[macro_export]
macro_rules! trials_of {
    ($($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($test), || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async {
                tokio::time::timeout($crate::world::PATIENCE, $test()).await
            })?;
            Ok(())
        })),+]
    };
}
