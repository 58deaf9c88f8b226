//! What no file of the repository may hold, and what every manifest must.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Where people keep their homes: a path below these is right on one machine only.
const HOMES: [&str; 3] = ["/root/", "/home/", "/Users/"];

/// This file, which must name what it looks for.
const THIS: &str = "architecture/files.rs";

#[test]
fn every_crate_inherits_its_lints_and_its_versions() {
    assert_eq!(
        xtask::manifest::faults(&xtask::root()).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let root = format!("{}/", xtask::root().display());
    let mut paths: Vec<&str> = HOMES.to_vec();
    // A checkout right below the file system's root has a name that files may well use.
    if root.matches('/').count() > 2 {
        paths.push(&root);
    }
    for (name, text) in texts()
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.ends_with(THIS))
    {
        for path in &paths {
            assert!(!names(text, path), "{name} names a path below {path}");
        }
    }
}

#[test]
fn no_test_is_skipped() {
    let mark = concat!("#[", "ignore");
    for (name, text) in texts().unwrap().iter().filter(|(name, _)| is_rust(name)) {
        assert!(!text.contains(mark), "{name} skips a test");
    }
}

fn is_rust(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

/// The files of the repository: what git has, and what it would have with the next add.
pub(crate) fn repository() -> anyhow::Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let output = git.current_dir(xtask::root()).output()?;
    anyhow::ensure!(
        output.status.success(),
        "this test wants a clone of git: {output:?}"
    );
    let names = String::from_utf8(output.stdout)?;
    let names = names.split_terminator('\0').map(str::to_owned);
    Ok(names
        .filter(|name| xtask::root().join(name).is_file())
        .collect())
}

/// The text files of the repository with their texts.
fn texts() -> anyhow::Result<Vec<(String, String)>> {
    let with_text = |name: String| {
        let bytes = fs::read(xtask::root().join(&name)).ok()?;
        Some((name, String::from_utf8(bytes).ok()?))
    };
    Ok(repository()?.into_iter().filter_map(with_text).collect())
}

/// Says whether `text` holds an absolute path that begins with `path`.
fn names(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"/._-~}$".contains(c))
    })
}

#[test]
fn only_a_path_from_the_file_system_s_root_is_a_path_of_a_machine() {
    assert!(names("cd /home/me", "/home/") && names("\"/home/me\"", "/home/"));
    assert!(!names("https://example.org/home/", "/home/") && !names("$DIR/home/", "/home/"));
}
