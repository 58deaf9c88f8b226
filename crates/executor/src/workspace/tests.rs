//! A run's directory over attempts, in both ways of sharing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

mod bucket;

const RUN: &str = "0123456789abcdef01234567";

fn config(folder: &Path, workspace: Sharing) -> Config {
    Config {
        work_dir: folder.join("own"),
        workspace,
        ..Config::default()
    }
}

/// Executors of two machines that share the store of snapshots.
fn machines(folder: &Path) -> [Workspaces; 2] {
    ["one", "two"].map(|name| {
        let store = folder.join("store").display().to_string();
        let config = Config {
            snapshot_store: format!("file://{store}"),
            ..config(&folder.join(name), Sharing::Snapshot)
        };
        Workspaces::open(&config).unwrap()
    })
}

#[tokio::test]
async fn a_shared_workspace_stays_over_attempts_until_its_run_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let workspaces = Workspaces::open(&config(folder.path(), Sharing::Shared)).unwrap();
    let first = workspaces.of(RUN, 1).unwrap();
    first.ready().await.unwrap();
    fs::write(first.path().join("a"), "1").unwrap();
    first.save().await.unwrap();
    let second = workspaces.of(RUN, 2).unwrap();
    second.ready().await.unwrap();
    assert_eq!(fs::read(second.path().join("a")).unwrap(), b"1");
    workspaces.remove(RUN).await.unwrap();
    assert!(!second.path().exists());
    workspaces.remove(RUN).await.unwrap();
    assert!(matches!(workspaces.of("../x", 1), Err(Fault::Name)));
}

#[tokio::test]
async fn a_workspace_goes_with_links_and_locked_directories_but_not_what_they_lead_to() {
    let folder = tempfile::tempdir().unwrap();
    let workspaces = Workspaces::open(&config(folder.path(), Sharing::Shared)).unwrap();
    let workspace = workspaces.of(RUN, 1).unwrap();
    workspace.ready().await.unwrap();
    fs::write(folder.path().join("mine"), "").unwrap();
    symlink(folder.path(), workspace.path().join("link")).unwrap();
    fs::create_dir_all(workspace.path().join("locked/in")).unwrap();
    fs::set_permissions(
        workspace.path().join("locked"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    workspaces.remove(RUN).await.unwrap();
    assert!(!workspace.path().exists());
    assert!(folder.path().join("mine").exists());
}

#[tokio::test]
async fn the_workspace_of_a_debugging_run_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let workspaces = Workspaces::open(&config(folder.path(), Sharing::Shared)).unwrap();
    let workspace = workspaces.of(RUN, 1).unwrap();
    workspace.ready().await.unwrap();
    workspace.keep().unwrap();
    workspaces.remove(RUN).await.unwrap();
    assert!(workspace.path().exists());
}

#[tokio::test]
async fn a_snapshot_carries_everything_to_another_machine() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = machines(folder.path());
    let first = one.of(RUN, 1).unwrap();
    first.ready().await.unwrap();
    let root = first.path();
    fs::create_dir_all(root.join("deep/er")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("deep/er/file"), "text").unwrap();
    fs::set_permissions(root.join("deep/er/file"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(root.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();
    symlink("deep/er/file", root.join("link")).unwrap();
    symlink("/etc/hostname", root.join("out")).unwrap();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    fs::create_dir(root.join("d".repeat(120))).unwrap();
    fs::write(root.join(&long), "long").unwrap();
    first.save().await.unwrap();

    let second = two.of(RUN, 2).unwrap();
    second.ready().await.unwrap();
    let root = second.path();
    assert_eq!(fs::read(root.join("link")).unwrap(), b"text");
    assert_eq!(fs::read(root.join(&long)).unwrap(), b"long");
    assert!(root.join("empty").is_dir());
    assert_eq!(
        fs::read_link(root.join("out")).unwrap(),
        Path::new("/etc/hostname")
    );
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("deep/er/file"), mode("deep")), (0o755, 0o555));
}

#[tokio::test]
async fn an_attempt_that_is_over_does_not_overwrite_what_a_later_one_saved() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = machines(folder.path());
    let write = |workspace: &Workspace, text: &str| {
        fs::write(workspace.path().join("a"), text).unwrap();
    };
    let first = one.of(RUN, 1).unwrap();
    first.ready().await.unwrap();
    write(&first, "first");
    first.save().await.unwrap();
    let second = two.of(RUN, 2).unwrap();
    second.ready().await.unwrap();
    write(&second, "second");
    second.save().await.unwrap();
    write(&first, "too late");
    first.save().await.unwrap();
    let third = one.of(RUN, 3).unwrap();
    third.ready().await.unwrap();
    assert_eq!(fs::read(third.path().join("a")).unwrap(), b"second");
    one.remove(RUN).await.unwrap();
    let fourth = two.of(RUN, 4).unwrap();
    fourth.ready().await.unwrap();
    assert_eq!(fs::read_dir(fourth.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn only_a_change_is_saved_and_too_much_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [one, _] = machines(folder.path());
    let workspace = one.of(RUN, 1).unwrap();
    workspace.ready().await.unwrap();
    fs::write(workspace.path().join("a"), "1").unwrap();
    workspace.save().await.unwrap();
    let saved = folder
        .path()
        .join("store")
        .join(RUN)
        .join("0000000001.tar.zst");
    let written = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before = written(&saved);
    workspace.save().await.unwrap();
    assert_eq!(written(&saved), before);
    let large = fs::File::create(workspace.path().join("large")).unwrap();
    large.set_len(LARGEST + 1).unwrap();
    assert!(matches!(workspace.save().await, Err(Fault::TooLarge)));
}
