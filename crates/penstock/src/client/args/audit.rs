//! What can be said to `penstock audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Nothing, With};
use crate::client::help;

/// Commands about records of who did what.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Verify that no record was changed, in an export or on the server
    #[command(after_help = help::AUDIT_VERIFY)]
    Verify(With<Verify>),
    /// Print the records with their chains, one JSON a line
    #[command(after_help = help::AUDIT_EXPORT)]
    Export(With<Span>),
    /// List the public keys that sign the chains
    #[command(after_help = help::AUDIT_KEYS)]
    Keys(With<Nothing>),
}

/// Arguments of `audit verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// An export; - is standard input [default: what the server has]
    #[arg(value_name = "FILE", conflicts_with_all = ["account", "from", "to"])]
    pub file: Option<PathBuf>,
    /// A public key that is trusted: 64 hex digits, or a file with one a line. May be said several
    /// times [default: the keys of the export itself]
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,
    /// Which records, where the server is asked.
    #[command(flatten)]
    pub span: Span,
}

/// Which records.
#[derive(Debug, Default, Args)]
pub struct Span {
    /// Whose [default: one's own account]
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// What was kept from this time or day (UTC) on, widened to a signed position
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// What was kept before this time or day (UTC), widened to a signed position
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

impl Span {
    /// Names and values of what is said.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        let mut pairs = Vec::new();
        pairs.extend(self.account.as_deref().map(|it| ("account", it)));
        pairs.extend(self.from.as_deref().map(|it| ("from", it)));
        pairs.extend(self.to.as_deref().map(|it| ("to", it)));
        pairs
    }
}
