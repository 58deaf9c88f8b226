//! The machine as far as the tasks care: where programs lie, and who we are.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// Where programs are looked for, and whether we may install any.
#[derive(Debug, Clone)]
pub(super) struct System {
    /// As in the variable `PATH`.
    pub(super) path: OsString,
    /// Debian's folder of PostgreSQL's programs: one a version.
    pub(super) postgres: PathBuf,
    pub(super) is_root: bool,
}

impl System {
    /// This machine.
    pub(super) fn here() -> Self {
        Self {
            path: env::var_os("PATH").unwrap_or_default(),
            postgres: "/usr/lib/postgresql".into(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }

    /// Where a program lies on the path.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        let places = env::split_paths(&self.path);
        let mut files = places.map(|folder| folder.join(name));
        files.find(|file| {
            let about = fs::metadata(file);
            about.is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        })
    }

    /// Says whether a program lies on the path.
    pub(super) fn has(&self, name: &str) -> bool {
        self.program(name).is_some()
    }

    /// The folder of the newest PostgreSQL server's programs.
    pub(super) fn postgres_bin(&self) -> Option<PathBuf> {
        let debian = fs::read_dir(&self.postgres).into_iter().flatten();
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
            .or_else(|| Some(self.program("initdb")?.parent()?.to_owned()))
    }

    /// The major version of the Java on the path.
    pub(super) fn java_version(&self) -> Option<u32> {
        let output = Command::new(self.program("java")?)
            .arg("-XX:-UsePerfData")
            .arg("-version")
            .output()
            .ok()?;
        major(&String::from_utf8_lossy(&output.stderr))
    }
}

/// Reads `openjdk version "17.0.15" …`; before version 9 the first number was 1.
fn major(said: &str) -> Option<u32> {
    let mut numbers = said.split('"').nth(1)?.split(['.', '-', '+', '_']);
    let first: u32 = numbers.next()?.parse().ok()?;
    match first {
        1 => numbers.next()?.parse().ok(),
        _ => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn the_version_of_java_is_read_from_what_it_says() {
        for (said, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15", Some(17)),
            ("openjdk version \"21-ea\" 2023", Some(21)),
            ("java version \"1.8.0_401\"", Some(8)),
            ("command not found", None),
        ] {
            assert_eq!(major(said), version, "{said}");
        }
    }
}
