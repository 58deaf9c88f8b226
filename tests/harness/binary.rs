//! The program under test: `penstock` as cargo built it beside this test, and no older one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The variable that names another program to test.
const OTHER: &str = "TEST_PROGRAM";

/// The program, built first if it is missing or older than its sources.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(other) = crate::variable(OTHER) {
            return other.into();
        }
        let program = beside_this();
        if !is_fresh(&program) {
            build();
        }
        assert!(program.is_file(), "{} was not built", program.display());
        program
    })
}

/// Tests lie in `<target>/<profile>/deps`, programs one up.
fn beside_this() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test lies two folders deep");
    profile.join("penstock")
}

/// Whether the program is as new as everything that cargo says it was made of.
fn is_fresh(program: &Path) -> bool {
    let Ok(sources) = fs::read_to_string(program.with_extension("d")) else {
        return false;
    };
    let Some(built) = modified(program) else {
        return false;
    };
    let (_, sources) = sources.split_once(": ").unwrap_or_default();
    sources
        .split_whitespace()
        .all(|source| modified(Path::new(source)).is_some_and(|it| it <= built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|it| it.modified()).ok()
}

fn build() {
    let status = Command::new("cargo")
        // With the features that the workspace has together, or its dependencies were built twice.
        .args(["build", "--workspace", "--bin", "penstock"])
        .current_dir(xtask::root())
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "penstock can't be built");
}
