//! Programs that the tasks need and that no crate brings: found, installed where we may, or named
//! with the way to get them.
//!
//! Kept true: nothing is installed unless we are root and `apt-get` is there, and then only what is
//! missing; what can't be had is named, all at once, with the command that brings it.

mod system;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, anyhow, bail, ensure};

use self::system::System;
use crate::process;

/// The oldest Java that the broker runs on.
const JAVA: u32 = 17;

/// Something we need, the Debian package that brings it, and how to tell that it is there.
#[derive(Clone, Copy)]
struct Need {
    what: &'static str,
    package: &'static str,
    is_there: fn(&System) -> bool,
}

/// What building and the repository's own tests need.
const BUILDING: [Need; 3] = [
    Need {
        what: "a C and a C++ compiler, make and perl",
        package: "build-essential",
        is_there: |system| {
            ["cc", "c++", "make", "perl"]
                .into_iter()
                .all(|it| system.has(it))
        },
    },
    Need {
        what: "git",
        package: "git",
        is_there: |system| system.has("git"),
    },
    Need {
        what: "curl, which customers' scripts call",
        package: "curl",
        is_there: |system| system.has("curl"),
    },
];

/// What the tests' PostgreSQL and Kafka need.
const SERVICES: [Need; 3] = [
    Need {
        what: "the server of PostgreSQL",
        package: "postgresql",
        is_there: |system| system.postgres_bin().is_some(),
    },
    Need {
        what: "Java, version 17 or newer",
        package: "default-jre-headless",
        is_there: |system| system.java_version().is_some_and(|it| it >= JAVA),
    },
    Need {
        what: "Maven (mvn)",
        package: "maven",
        is_there: |system| system.has("mvn"),
    },
];

/// Makes sure that everything is there that building and all tests need.
pub(crate) fn provide() -> anyhow::Result<()> {
    provided(&System::here(), &[&BUILDING[..], &SERVICES[..]].concat())
}

/// Makes sure that everything is there that the tests' services need.
pub(crate) fn provide_services() -> anyhow::Result<()> {
    provided(&System::here(), &SERVICES)
}

/// The folder of the newest PostgreSQL server's programs.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    System::here().postgres_bin()
}

/// Says whether we are root, whom PostgreSQL refuses to serve.
pub(crate) fn is_root() -> bool {
    System::here().is_root
}

/// Installs what is missing as root on a system with `apt-get`; elsewhere the error says what is
/// missing and how to get it.
fn provided(system: &System, needs: &[Need]) -> anyhow::Result<()> {
    let missing = missing(system, needs);
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apt_get) = system.program("apt-get") else {
        bail!(
            "{}there is no apt-get to install it with: install it as your system does",
            named(&missing)
        );
    };
    let packages: Vec<_> = missing.iter().map(|it| it.package).collect();
    let command = format!("apt-get install -y {}", packages.join(" "));
    if !system.is_root {
        bail!(
            "{}only root may install it: run\n  sudo apt-get update && sudo {command}",
            named(&missing)
        );
    }
    eprintln!("installing what is missing: {}", packages.join(" "));
    install(&apt_get, &packages).map_err(|error| {
        anyhow!(
            "{}{error:#}; what it said is above. Without a network or a mirror, bring the packages \
             by other means:\n  {command}",
            named(&missing)
        )
    })?;
    let still = self::missing(system, needs);
    ensure!(
        still.is_empty(),
        "{}its package was installed and is too old, or is not on the PATH: install a newer one",
        named(&still)
    );
    Ok(())
}

fn missing(system: &System, needs: &[Need]) -> Vec<Need> {
    let missing = needs.iter().filter(|need| !(need.is_there)(system));
    missing.copied().collect()
}

/// What is missing, a line each.
fn named(missing: &[Need]) -> String {
    let mut text = "missing:\n".to_owned();
    for need in missing {
        // A string takes whatever is written to it.
        let _ = writeln!(text, "  {} (Debian package {})", need.what, need.package);
    }
    text
}

/// Installs packages. Lists that can't be fetched are no fault while those that are there do.
fn install(apt_get: &Path, packages: &[&str]) -> anyhow::Result<()> {
    if let Err(error) = run(Command::new(apt_get).args(["update", "-qq"])) {
        eprintln!("{error:#}; trying with the lists that are there");
    }
    let mut install = Command::new(apt_get);
    install.args(["install", "-y", "-qq", "--no-install-recommends"]);
    // Another apt-get, of a machine's first minutes say, is waited for.
    install.args(["-o", "DPkg::Lock::Timeout=120"]);
    run(install
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Runs a program to its end with its output shown.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = process::shown(command);
    let status = command
        .status()
        .with_context(|| format!("{line} could not be started"))?;
    ensure!(status.success(), "{line} failed ({status})");
    Ok(())
}

/// Runs a program to its end; the error quotes what it wrote.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = process::shown(command);
    let output = command
        .output()
        .with_context(|| format!("{line} could not be started"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{line} failed:\n{text}{}",
        complaint.trim_end()
    );
    Ok(text)
}
