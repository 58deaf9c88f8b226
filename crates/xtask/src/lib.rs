//! The workspace's own tasks: everything a developer or CI runs beyond plain `cargo`.
//!
//! `cargo xtask` is the command line over these modules. They are a library too, so that a fault
//! test can stop and start the broker or the database by [`services::Services`] without a second
//! `cargo`.
//!
//! Kept true: nothing is written outside the repository's `target/`, except packages that `apt-get`
//! installs when we are root and one is missing.

#![allow(clippy::print_stdout, reason = "what a command prints is its result")]

pub mod bench;
mod dependencies;
pub mod fuzz;
pub mod lint;
pub mod manifest;
mod process;
mod python;
pub mod services;
mod stats;
mod step;
pub mod suite;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A task of cargo, run at the root.
fn cargo(task: &str) -> Command {
    let mut command = Command::new("cargo");
    command.arg(task).current_dir(root());
    command
}
