//! What can be said to the client commands.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{flags, help};

pub(super) use audit::Audit;
pub(crate) use executors::{Drain, Executor, Executors};
pub(crate) use runs::{Decide, Logs, OneRun, Reset, Run, Runs, Stop};
pub(crate) use transfer::{Export, Format, Import};

pub(super) mod audit;
pub(crate) mod custody;
mod executors;
pub(crate) mod people;
mod runs;
pub(crate) mod schedules;
mod transfer;

const NAME: &str = "Name, number or 24-hex id of the pipeline (name:… says that it is a name)";

/// Commands to a server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make pipelines, or new versions of them, from YAML or JSON files
    #[command(after_help = help::APPLY)]
    Apply(With<Apply>),
    /// Start a run of a pipeline
    #[command(after_help = help::RUN)]
    Run(With<Run>),
    /// Stop the unfinished runs of a pipeline, or one of them
    #[command(after_help = help::STOP)]
    Stop(With<Stop>),
    /// Go on where the latest run of a pipeline failed or was stopped, in a new run
    #[command(after_help = help::RESUME)]
    Resume(With<OneRun>),
    /// Approve a step that a run waits at
    #[command(after_help = help::APPROVE)]
    Approve(With<Decide>),
    /// Reject a step that a run waits at: the run fails
    #[command(after_help = help::REJECT)]
    Reject(With<Decide>),
    /// Show a run and its steps (the latest run unless said)
    #[command(after_help = help::STATUS)]
    Status(With<OneRun>),
    /// Print what a run said (the latest run unless said)
    #[command(after_help = help::LOGS)]
    Logs(With<Logs>),
    /// List the runs of a pipeline, newest first
    #[command(after_help = help::RUNS)]
    Runs(With<Runs>),
    /// List pipelines
    #[command(after_help = help::LIST)]
    List(With<List>),
    /// Say why a run waits, runs or has ended
    #[command(after_help = help::EXPLAIN)]
    Explain(With<OneRun>),
    /// Delete a pipeline that has no unfinished runs
    #[command(after_help = help::DELETE)]
    Delete(With<OnePipeline>),
    /// Clear a pipeline's position after a failed or stopped run
    #[command(after_help = help::RESET)]
    Reset(With<Reset>),
    /// Make a pipeline with the definition of another
    #[command(after_help = help::custody::DUPLICATE)]
    Duplicate(With<custody::Duplicate>),
    /// Give a pipeline to another owner
    #[command(after_help = help::custody::TRANSFER)]
    Transfer(With<custody::Transfer>),
    /// Lock a pipeline: no run of it is accepted
    #[command(after_help = help::custody::LOCK)]
    Lock(With<custody::Lock>),
    /// Unlock a pipeline
    #[command(after_help = help::custody::UNLOCK)]
    Unlock(With<OnePipeline>),
    /// Make a pipeline of one that UnifiedViews has exported
    #[command(after_help = help::IMPORT)]
    Import(With<Import>),
    /// Print a pipeline as YAML, or write it as a ZIP for UnifiedViews
    #[command(after_help = help::EXPORT)]
    Export(With<Export>),
    /// Secrets that steps can name; values are never shown
    #[command(subcommand, after_help = help::SECRET)]
    Secret(Secret),
    /// Records of who did what: verify them, export them
    #[command(subcommand, after_help = help::AUDIT)]
    Audit(Audit),
    /// Tools that pipelines work with, and how they are reached
    #[command(subcommand, after_help = help::TOOL)]
    Tool(Tool),
    /// Schedules: when pipelines run by themselves
    #[command(subcommand, after_help = help::schedules::SCHEDULE)]
    Schedule(schedules::Schedule),
    /// Users of the account
    #[command(subcommand, after_help = help::people::USER)]
    User(people::User),
    /// Groups of users, which rules can name
    #[command(subcommand, after_help = help::people::GROUP)]
    Group(people::Group),
    /// Personal access tokens
    #[command(subcommand, after_help = help::people::TOKEN)]
    Token(people::Token),
    /// List executors with their slots and leases; drain one
    #[command(after_help = help::EXECUTORS)]
    Executors(Executors),
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
    #[arg(long, global = true, env = "PENSTOCK_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// The token to show [default: the administrator's, from --data-dir]
    #[arg(
        long,
        global = true,
        env = "PENSTOCK_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub token: Option<String>,
    /// Where the server of this machine keeps its data
    #[arg(
        long,
        global = true,
        env = "PENSTOCK_DATA_DIR",
        default_value = flags::DATA_DIR,
        value_name = "DIRECTORY"
    )]
    pub data_dir: PathBuf,
    /// How answers look: for people or for programs
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
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

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// At most so many
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub limit: usize,
}

/// Commands about secrets.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Set a secret to what standard input holds (without the last line's end)
    #[command(after_help = help::SECRET_SET)]
    Set(With<SecretName>),
    /// List the names
    #[command(after_help = help::SECRET_LIST)]
    List(With<Nothing>),
    /// Delete a secret
    #[command(after_help = help::SECRET_DELETE)]
    Delete(With<SecretName>),
    /// Seal all secrets under a new key, while everything goes on
    #[command(after_help = help::ROTATE_KEY)]
    RotateKey(With<RotateKey>),
}

/// Arguments of `secret rotate-key`.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// Answer when nothing is left under an earlier key
    #[arg(long)]
    pub wait: bool,
}

/// Commands about tools.
#[derive(Debug, Subcommand)]
pub enum Tool {
    /// Add a tool
    #[command(after_help = help::TOOL_ADD)]
    Add(With<AddTool>),
    /// List tools
    #[command(after_help = help::TOOL_LIST)]
    List(With<List>),
    /// Print a tool as JSON; its secrets are references
    #[command(after_help = help::TOOL_SHOW)]
    Show(With<OneTool>),
    /// Change what a file says of a tool, and nothing else
    #[command(after_help = help::TOOL_UPDATE)]
    Update(With<UpdateTool>),
    /// Give a tool to another owner
    #[command(after_help = help::TOOL_TRANSFER)]
    Transfer(With<TransferTool>),
    /// List the pipelines that name a tool
    #[command(after_help = help::TOOL_USES)]
    Uses(With<ToolUses>),
    /// Delete a tool and its secrets
    #[command(after_help = help::TOOL_DELETE)]
    Delete(With<OneTool>),
}

/// Arguments of `tool add`.
#[derive(Debug, Args)]
pub struct AddTool {
    /// A file that says the tool, in YAML or JSON; - is standard input
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
}

/// A tool.
#[derive(Debug, Args)]
pub struct OneTool {
    /// Name, number or 24-hex id of the tool (name:… says that it is a name)
    #[arg(value_name = "TOOL")]
    pub name: String,
}

/// Arguments of `tool transfer`.
#[derive(Debug, Args)]
pub struct TransferTool {
    /// Which.
    #[command(flatten)]
    pub tool: OneTool,
    /// To whom.
    #[command(flatten)]
    pub to: custody::Owner,
}

/// Arguments of `tool uses`.
#[derive(Debug, Args)]
pub struct ToolUses {
    /// Which.
    #[command(flatten)]
    pub tool: OneTool,
    /// How many.
    #[command(flatten)]
    pub list: List,
}

/// Arguments of `tool update`.
#[derive(Debug, Args)]
pub struct UpdateTool {
    /// Which.
    #[command(flatten)]
    pub tool: OneTool,
    /// A file that says what changes, in YAML or JSON; - is standard input
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Remove what the file doesn't say
    #[arg(long)]
    pub replace: bool,
}

/// A secret.
#[derive(Debug, Args)]
pub struct SecretName {
    /// Name of the secret: letters, digits, dot, dash and underscore
    #[arg(value_name = "SECRET")]
    pub name: String,
}
