//! What is said of executors.

use clap::{Args, Subcommand};

use super::{Connection, help};

/// Executors, and where to ask.
#[derive(Debug, Args)]
pub struct Executors {
    /// What is asked; the list unless said.
    #[command(subcommand)]
    pub deed: Option<Executor>,
    /// Where the server is.
    #[command(flatten)]
    pub connection: Connection,
}

/// Commands about executors.
#[derive(Debug, Subcommand)]
pub enum Executor {
    /// List them (the same as no subcommand)
    List,
    /// Give an executor no new work
    #[command(after_help = help::DRAIN)]
    Drain(Drain),
    /// Give a drained executor work again
    #[command(after_help = help::UNDRAIN)]
    Undrain(ExecutorName),
}

/// Arguments of `executors drain`.
#[derive(Debug, Args)]
pub struct Drain {
    /// Whom.
    #[command(flatten)]
    pub executor: ExecutorName,
    /// Answer when its last run has ended
    #[arg(long)]
    pub wait: bool,
}

/// An executor.
#[derive(Debug, Args)]
pub struct ExecutorName {
    /// Name of the executor, as `penstock executors` shows it
    #[arg(value_name = "EXECUTOR")]
    pub name: String,
}
