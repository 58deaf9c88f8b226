//! `cargo xtask test`: everything that says whether the workspace is sound, the cheap before the
//! dear.
//!
//! The readers of strangers' files are looked at for half a minute. All tests run twice: on the embedded stores and bus, and on a real PostgreSQL and a real Apache
//! Kafka. The second time they find these by `TEST_POSTGRES`, `TEST_KAFKA` (URLs) and
//! `TEST_SERVICES` (the directory for [`Services::at`]); `TEST_ALL` asks for the long stories too.
//! `TEST_PYTHON` names a Python with what the tests' own programs import, where one can be had.
//! Test targets are always chosen from the whole workspace, so that every step uses the same
//! features and nothing is compiled twice.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::services::Services;
use crate::step::Steps;
use crate::{fuzz, lint, python, tools};

/// Runs all checks and all tests, with `all` the long stories too; answers whether everything
/// passed.
pub fn run(all: bool) -> anyhow::Result<bool> {
    let mut steps = Steps::default();
    if sound(&mut steps) {
        let python = provided_python(&mut steps);
        embedded(&mut steps, all, python.as_deref());
        spread(&mut steps, all, python.as_deref());
    }
    Ok(steps.summary())
}

/// What can be said without running the product; the first failure ends it.
fn sound(steps: &mut Steps) -> bool {
    steps.deed("tools", tools::provide)
        && lint::checks(steps)
        && docs(steps)
        && steps.command(
            "build",
            crate::cargo("build").args(["--workspace", "--bins", "--tests"]),
        )
}

fn docs(steps: &mut Steps) -> bool {
    let mut doc = crate::cargo("doc");
    doc.args([
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--quiet",
    ])
    .env("RUSTDOCFLAGS", "-D warnings");
    steps.command("docs", &mut doc)
}

/// A Python with what the tests use of it; without one their stories are left out.
fn provided_python(steps: &mut Steps) -> Option<PathBuf> {
    match python::provided() {
        Ok(python) => Some(python),
        Err(why) => {
            steps.skip("schemathesis and consumers in Python", format!("{why:#}"));
            None
        }
    }
}

fn embedded(steps: &mut Steps, all: bool, python: Option<&Path>) {
    steps.command("tests, embedded", &mut tests(all, python));
    fuzz::briefly(steps);
}

fn spread(steps: &mut Steps, all: bool, python: Option<&Path>) {
    let services = Services::of_the_tests();
    let mut urls = None;
    let up = || services.up().map(|answered| urls = Some(answered));
    steps.deed("services up", up);
    if let Some(urls) = urls {
        let mut command = tests(all, python);
        command.args(["--lib", "--bins", "--tests"]);
        command
            .env("TEST_POSTGRES", urls.postgres)
            .env("TEST_KAFKA", urls.kafka);
        command.env("TEST_SERVICES", services.dir());
        steps.command("tests, PostgreSQL and Kafka", &mut command);
    }
    steps.deed("services down", || services.down());
}

/// All tests of the workspace, whichever fail.
fn tests(all: bool, python: Option<&Path>) -> Command {
    let mut command = crate::cargo("test");
    command.args(["--workspace", "--no-fail-fast"]);
    for name in [
        "TEST_POSTGRES",
        "TEST_KAFKA",
        "TEST_SERVICES",
        "TEST_ALL",
        python::VARIABLE,
    ] {
        command.env_remove(name);
    }
    if all {
        command.env("TEST_ALL", "1");
    }
    if let Some(python) = python {
        command.env(python::VARIABLE, python);
    }
    command
}
