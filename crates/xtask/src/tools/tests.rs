//! Machines that lack things, made of scripts in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::system::System;
use super::{BUILDING, SERVICES, provided};

/// A machine with nothing on it.
struct Machine {
    folder: tempfile::TempDir,
    is_root: bool,
}

impl Machine {
    fn of(is_root: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        Self { folder, is_root }
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Puts a program there.
    fn with(self, name: &str, script: &str) -> Self {
        let file = self.bin().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn with_all(self, names: &[&str]) -> Self {
        names
            .iter()
            .fold(self, |machine, name| machine.with(name, ":"))
    }

    fn with_java(self, version: &str) -> Self {
        self.with("java", &format!("echo 'openjdk version \"{version}\"' >&2"))
    }

    /// An `apt-get` that writes down what it is told, and answers to each of its tasks so.
    fn with_apt_get(self, update: &str, install: &str) -> Self {
        let said = self.folder.path().join("said");
        let script = format!(
            "echo \"$@\" >> {}\ncase $1 in update) {update};; install) {install};; esac",
            said.display()
        );
        self.with("apt-get", &script)
    }

    fn said_to_apt_get(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }

    fn provided(&self) -> Result<(), String> {
        let system = System {
            path: self.bin().into(),
            postgres: self.folder.path().join("postgresql"),
            is_root: self.is_root,
        };
        let needs = [&BUILDING[..], &SERVICES[..]].concat();
        provided(&system, &needs).map_err(|error| format!("{error:#}"))
    }

    /// Programs whose parts all are there but Maven.
    fn all_but_maven(is_root: bool) -> Self {
        let all = ["cc", "c++", "make", "perl", "git", "curl", "initdb"];
        Self::of(is_root).with_all(&all).with_java("17.0.15")
    }
}

#[test]
fn nothing_is_asked_of_a_machine_that_has_everything() {
    let machine = Machine::all_but_maven(true)
        .with_all(&["mvn"])
        .with_apt_get("exit 1", "exit 1");
    machine.provided().unwrap();
    assert_eq!(machine.said_to_apt_get(), "");
}

#[test]
fn root_gets_what_is_missing_and_nothing_else() {
    let machine = Machine::all_but_maven(true);
    let maven = machine.bin().join("mvn");
    let install = format!(
        "cp {} {}",
        machine.bin().join("git").display(),
        maven.display()
    );
    let machine = machine.with_apt_get(":", &format!("PATH=/usr/bin:/bin {install}"));
    machine.provided().unwrap();
    let said = machine.said_to_apt_get();
    assert!(said.starts_with("update -qq\ninstall -y"), "{said}");
    assert!(
        said.trim_end().ends_with("DPkg::Lock::Timeout=120 maven"),
        "{said}"
    );
}

#[test]
fn who_is_not_root_is_told_everything_that_is_missing_and_the_command() {
    let machine = Machine::of(false)
        .with_all(&["git", "curl"])
        .with_java("11.0.2");
    let machine = machine.with_apt_get("exit 1", "exit 1");
    let said = machine.provided().unwrap_err();
    assert_eq!(
        said,
        "missing:\n  a C and a C++ compiler, make and perl (Debian package build-essential)\n  \
         the server of PostgreSQL (Debian package postgresql)\n  Java, version 17 or newer (Debian \
         package default-jre-headless)\n  Maven (mvn) (Debian package maven)\nonly root may install \
         it: run\n  sudo apt-get update && sudo apt-get install -y build-essential postgresql \
         default-jre-headless maven"
    );
    assert_eq!(machine.said_to_apt_get(), "");
}

#[test]
fn a_machine_without_apt_get_is_told_what_to_bring() {
    let said = Machine::all_but_maven(true).provided().unwrap_err();
    assert!(
        said.contains("Maven (mvn)") && said.contains("no apt-get"),
        "{said}"
    );
}

#[test]
fn without_a_network_the_error_says_what_can_not_be_installed() {
    let machine = Machine::all_but_maven(true).with_apt_get("exit 100", "exit 100");
    let said = machine.provided().unwrap_err();
    for part in [
        "Maven (mvn)",
        "failed (exit status: 100)",
        "network",
        "install -y maven",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The lists of packages may be old and good enough.
    assert!(machine.said_to_apt_get().contains("install"));
}

#[test]
fn a_package_that_is_too_old_is_not_taken_for_what_is_needed() {
    let machine = Machine::all_but_maven(true)
        .with_all(&["mvn"])
        .with_java("11.0.2");
    let said = machine.with_apt_get(":", ":").provided().unwrap_err();
    assert!(
        said.contains("Java, version 17") && said.contains("too old"),
        "{said}"
    );
}

#[test]
fn the_newest_server_of_postgresql_is_taken() {
    let machine = Machine::of(false).with_all(&["initdb"]);
    let postgres = machine.folder.path().join("postgresql");
    let system = System {
        path: machine.bin().into(),
        postgres: postgres.clone(),
        is_root: false,
    };
    assert_eq!(system.postgres_bin(), Some(machine.bin()));
    for version in ["9.6", "15", "17", "common"] {
        let bin = postgres.join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("initdb"), "").unwrap();
    }
    assert_eq!(system.postgres_bin(), Some(postgres.join("17/bin")));
}

#[test]
fn a_file_that_can_not_be_run_is_no_program() {
    let machine = Machine::of(false).with_all(&["cc"]);
    let file = machine.bin().join("cc");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(machine.provided().unwrap_err().contains("compiler"));
}
