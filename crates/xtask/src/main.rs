//! `cargo xtask`: test, services, bench, fuzz and lint. A task is a module of the library and an arm here.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::services::{Name, Services};
use xtask::{bench, fuzz, lint, suite};

/// The workspace's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every check and every test, setting up what they need.
    Test {
        /// Also runs the long fault stories.
        #[arg(long)]
        all: bool,
    },
    /// Checks format, manifests, dependencies and lints.
    Lint {
        /// Also prints how long the files and functions of each crate are.
        #[arg(long)]
        stats: bool,
    },
    /// Measures the release build and prints a table.
    Bench {
        /// Figures and shapes, as `tests/bench/main.rs` names them; all unless said.
        only: Vec<String>,
    },
    /// Shows the readers of others' files what strangers might send.
    Fuzz {
        /// How long each reader is shown something, in seconds.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
    },
    /// Runs a PostgreSQL and an Apache Kafka of the tests' own.
    Services {
        /// Where they keep their data and say their addresses [default: target/services].
        #[arg(long, global = true)]
        dir: Option<PathBuf>,
        #[command(subcommand)]
        deed: Deed,
    },
}

#[derive(Subcommand)]
enum Deed {
    /// Starts both; does nothing for one that runs.
    Up,
    /// Stops both and removes what they stored.
    Down,
    /// Says where both are and whether they answer.
    Status,
    /// Starts one again, on the port and data it had.
    Start { name: Name },
    /// Stops one in an orderly way; its port and data stay its own.
    Stop { name: Name },
    /// Freezes all processes of one (SIGSTOP).
    Pause { name: Name },
    /// Lets a frozen one go on (SIGCONT).
    Resume { name: Name },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task; the answer says whether everything passed.
fn run(task: Task) -> anyhow::Result<bool> {
    match task {
        Task::Test { all } => suite::run(all),
        Task::Lint { stats } => lint::run(stats),
        Task::Bench { only } => bench::run(&only),
        Task::Fuzz { seconds } => fuzz::run(seconds),
        Task::Services { dir, deed } => {
            let services = dir.map_or_else(Services::of_the_tests, Services::at);
            serve(&services, &deed).map(|()| true)
        }
    }
}

fn serve(services: &Services, deed: &Deed) -> anyhow::Result<()> {
    match deed {
        Deed::Up => services.up().map(drop)?,
        Deed::Down => services.down()?,
        Deed::Status => {}
        Deed::Start { name } => services.start(*name)?,
        Deed::Stop { name } => services.stop(*name)?,
        Deed::Pause { name } => services.pause(*name)?,
        Deed::Resume { name } => services.resume(*name)?,
    }
    services.print_status()
}
