//! The `penstock` program.

use std::process::ExitCode;

/// The keeper and native plug-ins come before everything else: they are started for steps, and have
/// to do nothing else and to be nothing else.
fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(part) if part == "keeper" => keeper::main(),
        Some(part) if part == "plugin" => steps::plugins::native::main(),
        Some(_) | None => penstock::main(),
    }
}
