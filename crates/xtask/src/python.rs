//! A Python of the tests' own, for the programs of theirs that are written in it.
//!
//! Kept true: it lies in `target/python`, made anew when what it is to hold has changed. Where there is
//! no Python or nothing to install from, the tests that need it are left out, and why is said.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::tools::output;

/// The variable that names its interpreter to the tests.
pub(crate) const VARIABLE: &str = "TEST_PYTHON";

/// The interpreter, with everything that `tests/python/requirements.txt` names.
pub(crate) fn provided() -> anyhow::Result<PathBuf> {
    let wanted = crate::root().join("tests/python/requirements.txt");
    let text = fs::read_to_string(&wanted).context("what Python is to hold can't be read")?;
    let place = crate::root().join("target/python");
    let python = place.join("bin/python");
    let mark = place.join("requirements.txt");
    if python.is_file() && fs::read_to_string(&mark).is_ok_and(|it| it == text) {
        return Ok(python);
    }
    if place.exists() {
        fs::remove_dir_all(&place).context("an earlier one can't be removed")?;
    }
    output(Command::new("python3").args(["-m", "venv"]).arg(&place))
        .context("there is no Python 3 with venv (Debian packages python3 and python3-venv)")?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    output(Command::new(&python).args(install).arg(&wanted))
        .context("what the tests' programs import can't be installed")?;
    ensure!(python.is_file(), "{} was not made", python.display());
    fs::write(&mark, text).context("what it holds can't be noted")?;
    Ok(python)
}
