//! The client commands: what `/api/v2` offers, for people in a terminal and for scripts.
//!
//! They find the server of this machine and its token in the data directory, print tables to people
//! and JSON to programs, and end with a code that says what became of it.
//!
//! **Invariant:** what is asked of a run by mistake twice (a lost connection, say) happens once.

mod api;
mod args;
mod command;
mod connection;
mod error;
mod file;
pub(crate) mod flags;
mod follow;
mod help;
mod http;
mod path;
mod problem;
mod screen;
mod sse;
mod table;
mod time;

use std::process::ExitCode;

pub use args::Command;
pub use error::Error;

/// Obeys a client command, prints what comes of it, and answers the exit code.
pub fn main(command: Command) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(command::obey(command)),
        Err(error) => Err(Error::Output(error)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => error.tell(),
    }
}
