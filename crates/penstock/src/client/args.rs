//! What can be said to the client commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

const NAME: &str = "Name, number or 24-hex id of the pipeline (name:… says that it is a name)";

/// Commands to a server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make pipelines, or new versions of them, from YAML or JSON files
    #[command(after_help = "\
Examples:
  penstock apply -f hello.yaml -f nightly.yaml
  generate | penstock apply -f -

A running run keeps the version that it was started with.")]
    Apply(With<Apply>),
    /// Start a run of a pipeline
    #[command(after_help = "\
Examples:
  penstock run hello
  penstock run hello --follow              watch it; the exit code says how it ended (0, 1 or 3)
  penstock run report -p day=2030-01-31 -p dry=true
  penstock run deploy --idempotency-key \"$BUILD_ID\"   the same key starts one run in 24 hours

Ctrl-C while following leaves the run alone and says how to stop it.")]
    Run(With<Run>),
    /// Stop the unfinished runs of a pipeline, or one of them
    #[command(after_help = "\
Modes:
  graceful  the running step finishes, no other starts; steps marked `always` run
  cancel    running steps are told to end, and killed after their grace period; `always` steps run
  kill      all processes are killed at once; nothing else runs

A second stop may only be harder than the first.")]
    Stop(With<Stop>),
    /// Show a run and its steps (the latest run unless said)
    Status(With<OneRun>),
    /// Print what a run said (the latest run unless said)
    #[command(after_help = "\
Examples:
  penstock logs hello
  penstock logs hello --run 3 --step fetch
  penstock logs hello --follow             until the run ends")]
    Logs(With<Logs>),
    /// List the runs of a pipeline, newest first
    Runs(With<Runs>),
    /// List pipelines
    List(With<List>),
    /// Say why a run waits, runs or has ended
    Explain(With<OneRun>),
    /// Delete a pipeline that has no unfinished runs
    Delete(With<OnePipeline>),
    /// Clear a pipeline's position after a failed or stopped run
    Reset(With<Reset>),
    /// Secrets that steps can name; values are never shown
    #[command(subcommand)]
    Secret(Secret),
    /// List executors, their slots and leases
    Executors(With<Nothing>),
}

/// Arguments, and where to send them.
#[derive(Debug, Args)]
pub struct With<A: Args> {
    /// What the command is about.
    #[command(flatten)]
    pub args: A,
    /// Where the server is.
    #[command(flatten)]
    pub connection: Connection,
}

/// Where the server is, and how answers look.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection and output")]
pub struct Connection {
    /// The server's address [default: the one that runs on this machine with --data-dir]
    #[arg(long, env = "PENSTOCK_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The token to show [default: the administrator's, from --data-dir]
    #[arg(
        long,
        env = "PENSTOCK_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// Where the server of this machine keeps its data
    #[arg(
        long,
        env = "PENSTOCK_DATA_DIR",
        default_value = "./penstock-data",
        value_name = "DIRECTORY"
    )]
    pub data_dir: PathBuf,
    /// How answers look: for people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// How answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables and sentences
    Table,
    /// The API's JSON; logs one entry a line
    Json,
}

/// No arguments.
#[derive(Debug, Args)]
pub struct Nothing {}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// A file with a definition; - is standard input. May be said several times
    #[arg(long = "file", short, required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// A pipeline.
#[derive(Debug, Args)]
pub struct OnePipeline {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
}

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

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// At most so many
    #[arg(long, default_value_t = 1000, value_name = "N")]
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

/// Commands about secrets.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Set a secret to what standard input holds (without the last line's end)
    #[command(after_help = "\
Example:
  printf %s \"$PASSWORD\" | penstock secret set shop-password")]
    Set(With<SecretName>),
    /// List the names
    List(With<Nothing>),
    /// Delete a secret
    Delete(With<SecretName>),
}

/// A secret.
#[derive(Debug, Args)]
pub struct SecretName {
    /// Name of the secret: letters, digits, dot, dash and underscore
    #[arg(value_name = "SECRET")]
    pub name: String,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write key=value".into()),
    }
}
