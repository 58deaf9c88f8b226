//! The rules that every crate's `Cargo.toml` keeps: lints and versions are said once, at the root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use toml::{Table, Value};

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// What is wrong with the manifests of the workspace at `root`, a sentence each, in order of path.
pub fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    for name in crates(root)? {
        let manifest = read(&root.join(&name))?;
        let found = faults_of(&manifest).into_iter();
        faults.extend(found.map(|fault| format!("{name}: {fault}")));
        named.extend(tables(&manifest).flat_map(|table| table.keys().cloned()));
    }
    faults.extend(unused(&read(root)?, &named));
    Ok(faults)
}

fn read(folder: &Path) -> anyhow::Result<Table> {
    let path = folder.join("Cargo.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("{} is unreadable", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no manifest", path.display()))
}

/// The folders of the workspace's crates, relative to the root.
pub fn crates(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = vec!["tests".to_owned()];
    for entry in fs::read_dir(root.join("crates"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(format!("crates/{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    Ok(names)
}

fn faults_of(manifest: &Table) -> Vec<String> {
    let mut faults = Vec::new();
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    if lints != Some(&Value::Boolean(true)) {
        faults.push("it does not inherit the lints; add [lints] workspace = true".to_owned());
    }
    for dependencies in tables(manifest) {
        let own = dependencies.iter().filter(|(_, said)| !is_inherited(said));
        faults.extend(own.map(|(name, _)| {
            format!(
                "{name} is not inherited; name it in the root and write {name}.workspace = true"
            )
        }));
    }
    faults
}

/// The tables of dependencies, those for some targets only included.
fn tables(manifest: &Table) -> impl Iterator<Item = &Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flatten();
    targets
        .filter_map(|(_, target)| target.as_table())
        .chain([manifest])
        .flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()))
}

/// What the root names and no crate uses. The crates of the workspace itself may be so.
fn unused(root: &Table, named: &BTreeSet<String>) -> Vec<String> {
    let said = root.get("workspace").and_then(|it| it.get("dependencies"));
    let said = said.and_then(Value::as_table).into_iter().flatten();
    said.filter(|(name, about)| !named.contains(*name) && about.get("path").is_none())
        .map(|(name, _)| format!("Cargo.toml: {name} is used by no crate; remove it"))
        .collect()
}

fn is_inherited(dependency: &Value) -> bool {
    dependency.get("workspace") == Some(&Value::Boolean(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_in(text: &str) -> Vec<String> {
        faults_of(&toml::from_str(text).unwrap())
    }

    #[test]
    fn a_crate_that_inherits_everything_has_no_fault() {
        let faults = faults_in(
            "[dependencies]\nserde.workspace = true\nx = { workspace = true, optional = true }\n\
             [lints]\nworkspace = true",
        );
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn versions_and_missing_lints_are_found_wherever_they_are() {
        let faults = faults_in(
            "[dependencies]\nserde = \"1\"\n[dev-dependencies]\nrstest = { version = \"1\" }\n\
             [target.'cfg(unix)'.dependencies]\nlibc = { path = \"x\" }",
        );
        assert_eq!(faults.len(), 4, "{faults:?}");
    }

    #[test]
    fn what_no_crate_uses_is_found_in_the_root() {
        let root = "[workspace.dependencies]\nserde = \"1\"\nold = \"1\"\nours = { path = \"x\" }";
        let named = BTreeSet::from(["serde".to_owned()]);
        let faults = unused(&toml::from_str(root).unwrap(), &named);
        assert_eq!(faults, ["Cargo.toml: old is used by no crate; remove it"]);
    }
}
