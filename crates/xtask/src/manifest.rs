//! The rules that every crate's `Cargo.toml` keeps: lints and versions are said once, at the root.

use std::fs;
use std::path::Path;

use anyhow::Context;
use toml::{Table, Value};

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// What is wrong with the manifests of the workspace at `root`, a sentence each, in order of path.
pub fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    for name in crates(root)? {
        let path = root.join(&name).join("Cargo.toml");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} is unreadable", path.display()))?;
        let manifest: Table = toml::from_str(&text)?;
        faults.extend(
            faults_of(&manifest)
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
    }
    Ok(faults)
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
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten();
    let tables = targets
        .filter_map(|(_, target)| target.as_table())
        .chain([manifest]);
    for table in tables {
        for dependencies in KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()) {
            let own = dependencies.iter().filter(|(_, said)| !is_inherited(said));
            faults.extend(own.map(|(name, _)| {
                format!(
                    "{name} is not inherited; name it in the root and write {name}.workspace = true"
                )
            }));
        }
    }
    faults
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
}
