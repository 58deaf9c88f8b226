//! What is said of pipelines that come and go as files.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::NAME;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The exported ZIP; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Make nothing, and print what would be made and what is missing
    #[arg(long)]
    pub dry_run: bool,
    /// Make its schedules, too, if they are in the file
    #[arg(long)]
    pub schedules: bool,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    #[arg(value_name = "PIPELINE", help = NAME)]
    pub name: String,
    /// As what
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    pub format: Format,
    /// Where to write it [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// As what a pipeline is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A definition, which `apply` takes
    Yaml,
    /// A ZIP, which UnifiedViews and `import` take
    Zip,
}
