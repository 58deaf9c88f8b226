//! `cargo xtask lint`: format, manifests, dependencies and clippy; with `--stats` also how long
//! files and functions are.

use anyhow::ensure;

use crate::step::Steps;
use crate::{dependencies, manifest, stats};

/// Runs the checks, and prints the table of sizes if `with_stats`; answers whether everything
/// passed.
pub fn run(with_stats: bool) -> anyhow::Result<bool> {
    let mut steps = Steps::default();
    checks(&mut steps);
    if with_stats {
        stats::print(&crate::root())?;
    }
    Ok(steps.summary())
}

/// The checks from the cheapest on; the first failure ends them.
pub(crate) fn checks(steps: &mut Steps) -> bool {
    let mut format = crate::cargo("fmt");
    format.args(["--all", "--check"]);
    let mut clippy = crate::cargo("clippy");
    clippy.args(["--workspace", "--all-targets", "--", "-D", "warnings"]);
    steps.command("format", &mut format)
        && steps.deed("manifests", manifests)
        && dependencies::checks(steps)
        && steps.command("clippy", &mut clippy)
}

fn manifests() -> anyhow::Result<()> {
    let faults = manifest::faults(&crate::root())?;
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}
