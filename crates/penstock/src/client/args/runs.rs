//! What is said of runs.

use clap::{Args, ValueEnum};

use super::NAME;

/// A run of a pipeline.
#[derive(Debug, Args)]
pub struct OneRun {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// Which run, by its count [default: the latest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub run: Option<i64>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// A parameter of the pipeline. May be said several times
    #[arg(long = "parameter", short, value_name = "KEY=VALUE", value_parser = key_value)]
    pub parameters: Vec<(String, String)>,
    /// Print what the run says until it ends
    #[arg(long, short)]
    pub follow: bool,
    /// A name for this start: saying it again within 24 hours starts no second run
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// Arguments of `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// The run or runs.
    #[command(flatten)]
    pub run: OneOrAll,
    /// How hard
    #[arg(long, value_enum, default_value_t = Mode::Graceful)]
    pub mode: Mode,
    /// Why; it is kept with the run
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
}

/// A run of a pipeline, or all that have not ended.
#[derive(Debug, Args)]
pub struct OneOrAll {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// Which run, by its count [default: all that have not ended]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub run: Option<i64>,
}

/// How hard a stop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The running step finishes
    Graceful,
    /// Running steps are told to end
    Cancel,
    /// Running steps are killed
    Kill,
}

impl Mode {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Cancel => "cancel",
            Self::Kill => "kill",
        }
    }
}

/// Arguments of `approve` and `reject`.
#[derive(Debug, Args)]
pub struct Decide {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// Which run, by its count [default: the one that waits]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub run: Option<i64>,
    /// Which step [default: the only one that waits]
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
    /// Why; it is kept with the run
    #[arg(long, short, default_value = "", hide_default_value = true)]
    pub message: String,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// The run.
    #[command(flatten)]
    pub run: OneRun,
    /// Go on until the run ends
    #[arg(long, short)]
    pub follow: bool,
    /// Only this step
    #[arg(long, value_name = "STEP")]
    pub step: Option<String>,
}

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct Runs {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
}

/// Arguments of `reset`.
#[derive(Debug, Args)]
pub struct Reset {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// Stop a running run first
    #[arg(long)]
    pub force: bool,
}

/// Reads `key=value`.
pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write key=value, as in -p day=2030-01-31".into()),
    }
}
