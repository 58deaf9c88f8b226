//! What can be said about whose a pipeline is, and whether it may be run.

use clap::Args;

use super::OnePipeline;

/// Arguments of `duplicate`.
#[derive(Debug, Args)]
pub struct Duplicate {
    /// Which.
    #[command(flatten)]
    pub pipeline: OnePipeline,
    /// What the copy is called; no other pipeline of the account has it
    #[arg(value_name = "NEW NAME")]
    pub copy: String,
}

/// Who is to own something.
#[derive(Debug, Args)]
pub struct Owner {
    /// The 24-hex id or the e-mail address of an active user of the account
    #[arg(value_name = "OWNER")]
    pub owner: String,
}

/// Arguments of `transfer`.
#[derive(Debug, Args)]
pub struct Transfer {
    /// Which.
    #[command(flatten)]
    pub pipeline: OnePipeline,
    /// To whom.
    #[command(flatten)]
    pub to: Owner,
}

/// Arguments of `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// Which.
    #[command(flatten)]
    pub pipeline: OnePipeline,
    /// Why, for whoever wants to run it (up to 1000 characters)
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    pub reason: String,
}
