//! What we depend on, looked at by `cargo-deny` (licences, sources, doubles, known holes) and
//! `cargo-machete` (what is named and not used), where these are installed.
//!
//! Kept true: a look that can't be had is skipped and says why; it is never taken for a pass.

use std::process::Stdio;

use crate::step::Steps;

const LICENCES: &str = "licences and sources";
const ADVISORIES: &str = "advisories";
const UNUSED: &str = "unused dependencies";

/// Runs the looks; answers whether none found a fault.
pub(crate) fn checks(steps: &mut Steps) -> bool {
    let unused = unused(steps);
    deny(steps) && unused
}

fn unused(steps: &mut Steps) -> bool {
    if !is_installed("machete") {
        steps.skip(UNUSED, missing("cargo-machete"));
        return true;
    }
    steps.command(UNUSED, &mut crate::cargo("machete"))
}

fn deny(steps: &mut Steps) -> bool {
    if !is_installed("deny") {
        steps.skip(LICENCES, missing("cargo-deny"));
        steps.skip(ADVISORIES, missing("cargo-deny"));
        return true;
    }
    let mut check = crate::cargo("deny");
    // What is there twice is for people to look at, `cargo deny check bans`; here it would drown
    // the rest.
    check.args([
        "--log-level",
        "error",
        "check",
        "bans",
        "licenses",
        "sources",
    ]);
    if !steps.command(LICENCES, &mut check) {
        return false;
    }
    if !is_quietly_done("deny", &["fetch", "db"]) {
        let why = "the advisory database can't be fetched (cargo deny fetch db says why)";
        steps.skip(ADVISORIES, why);
        return true;
    }
    let mut check = crate::cargo("deny");
    steps.command(ADVISORIES, check.args(["check", "advisories"]))
}

fn is_installed(task: &str) -> bool {
    is_quietly_done(task, &["--version"])
}

/// Says whether a task of cargo ends well; what it says is dropped.
fn is_quietly_done(task: &str, arguments: &[&str]) -> bool {
    let status = crate::cargo(task)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn missing(program: &str) -> String {
    format!("{program} is not installed (cargo install {program})")
}
