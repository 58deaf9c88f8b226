//! The tree that the README shows is the tree there is.
//!
//! It is the fenced block whose first line begins with `Cargo.toml`. A line's first column, up to
//! two spaces, names one path or several; an indented line names what lies below the path above it.

use std::collections::BTreeSet;
use std::fs;

use crate::files::repository;

#[test]
fn the_tree_in_the_readme_is_the_tree() {
    let root = xtask::root();
    let shown = tree(&fs::read_to_string(root.join("README.md")).expect("there is a README.md"));
    assert!(
        !shown.is_empty(),
        "README.md shows no tree: a fenced block that begins with Cargo.toml"
    );
    for path in &shown {
        assert!(
            root.join(path).exists(),
            "README.md shows {path}, which does not exist"
        );
        let folder = root.join(path).is_dir();
        assert_eq!(
            folder,
            path.ends_with('/'),
            "only a folder's name ends with a slash: {path}"
        );
    }
    let missing: Vec<String> = folders()
        .unwrap()
        .into_iter()
        .filter(|folder| !covers(&shown, folder))
        .collect();
    assert!(missing.is_empty(), "README.md does not show {missing:?}");
}

/// The folders a reader should know: those of the root that aren't hidden, and all crates.
fn folders() -> anyhow::Result<BTreeSet<String>> {
    let mut folders = BTreeSet::new();
    for name in repository()? {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 1 && !name.starts_with('.') {
            folders.insert(format!("{}/", parts[0]));
        }
        if parts[0] == "crates" && parts.len() > 2 {
            folders.insert(format!("crates/{}/", parts[1]));
        }
    }
    Ok(folders)
}

/// Says whether a folder is shown: itself, or something in it.
fn covers(shown: &BTreeSet<String>, folder: &str) -> bool {
    shown.iter().any(|path| path.starts_with(folder))
}

/// The paths of the tree in a text, relative to the root, folders with a slash at their end.
fn tree(text: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let mut above = String::new();
    for line in block(text) {
        let below = line.starts_with("  ");
        let column = line.trim_start().split("  ").next().unwrap_or_default();
        for name in column.split_whitespace() {
            if below {
                paths.insert(format!("{above}{name}"));
            } else {
                name.clone_into(&mut above);
                paths.insert(above.clone());
            }
        }
    }
    paths
}

/// The lines of the fenced block that begins with `Cargo.toml`.
fn block(text: &str) -> Vec<&str> {
    let mut fenced = text.split("```").skip(1).step_by(2);
    let tree = fenced.find_map(|block| {
        let (_language, body) = block.split_once('\n')?;
        body.starts_with("Cargo.toml").then_some(body)
    });
    tree.into_iter()
        .flat_map(str::lines)
        .filter(|line| !line.trim().is_empty())
        .collect()
}

#[test]
fn a_tree_is_read_with_several_names_a_line_and_names_below_names() {
    let text = "# X\n```sh\nls\n```\n```text\nCargo.toml        members\n.ci/run           calls\n\
                crates/\n  contracts/      the wire\n  pipeline/ audit-log/   services\n\n\
                docs/             the map (architecture.md), more\n```\n";
    let paths: Vec<String> = tree(text).into_iter().collect();
    let expected = [
        ".ci/run",
        "Cargo.toml",
        "crates/",
        "crates/audit-log/",
        "crates/contracts/",
        "crates/pipeline/",
        "docs/",
    ];
    assert_eq!(paths, expected);
    assert!(tree("no tree").is_empty());
}
