//! Programs that the tasks need and that no crate brings: found, installed where we may, or named
//! with the way to get them.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, bail, ensure};

use crate::process;

/// The oldest Java that the broker runs on.
const JAVA: u32 = 17;

/// A Debian package, and how to tell that what we want of it is there.
struct Package {
    name: &'static str,
    is_there: fn() -> bool,
}

const PACKAGES: [Package; 4] = [
    Package {
        name: "build-essential",
        is_there: has_compiler,
    },
    Package {
        name: "postgresql",
        is_there: || postgres_bin().is_some(),
    },
    Package {
        name: "default-jre-headless",
        is_there: || java_version().is_some_and(|v| v >= JAVA),
    },
    Package {
        name: "maven",
        is_there: || program("mvn").is_some(),
    },
];

/// Makes sure that a compiler, PostgreSQL, Java and Maven are there.
///
/// As root on a system with `apt-get` the missing ones are installed; else the error names them and
/// the command.
pub(crate) fn provide() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !is_root() || program("apt-get").is_none() {
        bail!("missing: {packages}. On Debian: apt-get install {packages} (Java {JAVA} or newer)");
    }
    eprintln!("installing what is missing: {packages}");
    apt_get(&["update", "-qq"])?;
    apt_get(
        &[
            &["install", "-y", "-qq", "--no-install-recommends"],
            missing.as_slice(),
        ]
        .concat(),
    )?;
    let still = self::missing();
    ensure!(
        still.is_empty(),
        "still missing after apt-get: {}",
        still.join(" ")
    );
    Ok(())
}

fn missing() -> Vec<&'static str> {
    PACKAGES
        .iter()
        .filter(|package| !(package.is_there)())
        .map(|package| package.name)
        .collect()
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("apt-get could not be started")?;
    ensure!(status.success(), "apt-get {} failed", arguments.join(" "));
    Ok(())
}

/// Says whether we are root, whom PostgreSQL refuses to serve.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where a program lies on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The folder of the newest PostgreSQL server's programs.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = debian
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let bin = path.join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .max();
    newest
        .map(|(_, bin)| bin)
        .or_else(|| Some(program("initdb")?.parent()?.to_owned()))
}

fn has_compiler() -> bool {
    ["cc", "c++", "make", "perl"]
        .into_iter()
        .all(|name| program(name).is_some())
}

/// The major version of the Java on the path.
fn java_version() -> Option<u32> {
    let output = Command::new("java")
        .arg("-XX:-UsePerfData")
        .arg("-version")
        .output()
        .ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// Reads `openjdk version "17.0.15" …`.
fn major(said: &str) -> Option<u32> {
    said.split('"')
        .nth(1)?
        .split(['.', '-', '+'])
        .next()?
        .parse()
        .ok()
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

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_version_of_java_is_read_from_what_it_says() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major("openjdk version \"21-ea\" 2023"), Some(21));
        assert_eq!(major("command not found"), None);
    }
}
