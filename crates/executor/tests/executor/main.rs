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

mod ends;
mod flows;
mod http;
mod leases;
mod logs;
mod peers;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("keeper") {
        return keeper::main();
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
