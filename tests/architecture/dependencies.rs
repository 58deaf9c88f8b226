//! The dependency rule: services never import each other, they meet in `contracts`; the foundations
//! know none of ours; a library that shapes code stays where it belongs.
//!
//! Between ours, and for databases, dependencies for tests count as well: a test that reaches past
//! the rule is a way around it. As a prop of a test, though, a library may be used anywhere.

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind::Development;
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// A crate of ours and all of ours that it may know.
const MAY_KNOW: [(&str, &[&str]); 12] = [
    ("contracts", &[]),
    ("runtime", &[]),
    ("steps", &[]),
    // It is pure; its tests look at whether definitions that it makes are some.
    ("transfer", &["steps"]),
    ("keeper", &[]),
    ("outbox", &["contracts", "runtime"]),
    (
        "gateway",
        &["contracts", "runtime", "outbox", "steps", "transfer"],
    ),
    ("pipeline", &["contracts", "runtime", "outbox", "steps"]),
    ("registry", &["contracts", "runtime", "outbox", "transfer"]),
    ("scheduler", &["contracts", "runtime", "outbox"]),
    (
        "executor",
        &["contracts", "runtime", "outbox", "steps", "keeper"],
    ),
    ("audit-log", &["contracts", "runtime", "outbox"]),
];

/// The crates that may know all: the program that wires them, and what tests and tends them.
const KNOW_ALL: [&str; 3] = ["penstock", "tests", "xtask"];

/// A library from outside and the only crates that may use it.
const ONLY_IN: [(&str, &[&str]); 2] = [("rdkafka", &["outbox"]), ("axum", &["gateway", "runtime"])];

/// Crates without a database, and so without the libraries for one.
const NO_DATABASE: [&str; 6] = [
    "gateway",
    "contracts",
    "steps",
    "keeper",
    "executor",
    "transfer",
];

#[test]
fn every_crate_knows_only_those_it_may() {
    let metadata = metadata().unwrap();
    let ours: BTreeSet<&str> = packages(&metadata)
        .map(|package| package.name.as_str())
        .collect();
    for package in packages(&metadata).filter(|package| !KNOW_ALL.contains(&package.name.as_str()))
    {
        let rule = MAY_KNOW
            .iter()
            .find(|(name, _)| *name == package.name.as_str());
        let (_, allowed) = rule.unwrap_or_else(|| panic!("{} has no rule here", package.name));
        for known in dependencies(package).filter(|name| ours.contains(name)) {
            assert!(
                allowed.contains(&known),
                "{} may not know {known}",
                package.name
            );
        }
    }
}

#[test]
fn every_rule_is_about_a_crate_that_exists() {
    let metadata = metadata().unwrap();
    let ours: BTreeSet<&str> = packages(&metadata)
        .map(|package| package.name.as_str())
        .collect();
    let ruled: BTreeSet<&str> = MAY_KNOW
        .iter()
        .map(|(name, _)| *name)
        .chain(KNOW_ALL)
        .collect();
    assert_eq!(ours, ruled);
}

#[test]
fn a_library_stays_in_the_crates_that_it_belongs_to() {
    let metadata = metadata().unwrap();
    for package in packages(&metadata) {
        let shipped = package
            .dependencies
            .iter()
            .filter(|it| it.kind != Development);
        for (library, homes) in ONLY_IN {
            let at_home = homes.contains(&package.name.as_str());
            let used = shipped.clone().any(|dependency| dependency.name == library);
            assert!(at_home || !used, "{} may not use {library}", package.name);
        }
    }
}

#[test]
fn a_crate_without_a_database_has_no_library_for_one() {
    let metadata = metadata().unwrap();
    for package in
        packages(&metadata).filter(|package| NO_DATABASE.contains(&package.name.as_str()))
    {
        let library = dependencies(package).find(|name| {
            ["sea-orm", "sqlx", "rusqlite"]
                .iter()
                .any(|it| name.starts_with(it))
        });
        assert_eq!(library, None, "{} has no database", package.name);
    }
}

fn metadata() -> Result<Metadata, cargo_metadata::Error> {
    let manifest = xtask::root().join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
}

fn packages(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.packages.iter()
}

fn dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str())
}
