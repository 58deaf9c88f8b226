//! Processes as these tests start and find them.

use std::collections::BTreeMap;
use std::time::Duration;

use executor::process::{Process, Spec, monotonic_ns};
use tokio::io::AsyncReadExt as _;

pub(crate) const SELF: &str = executor::process::OWN_PROGRAM;
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The trials of these asynchronous functions, named after them.
macro_rules! trials_of {
    ($($test:ident),+ $(,)?) => {
        vec![$(libtest_mimic::Trial::test(stringify!($test), || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async {
                tokio::time::timeout(crate::harness::PATIENCE, $test()).await
            })?;
            Ok(())
        })),+]
    };
}
pub(crate) use trials_of;

/// A main process and a child in another session, which both ignore TERM.
pub(crate) const OBSTINATE: &str = "trap '' TERM; setsid sh -c 'echo ready; while :; do sleep 1; done' & \
                         while :; do sleep 1; done";

pub(crate) fn spec(run: &str, script: &str) -> Spec {
    let env = [
        ("PATH", "/usr/bin:/bin"),
        ("PENSTOCK_EXECUTOR", "tests of the process"),
        ("PENSTOCK_RUN", run),
        ("PENSTOCK_ATTEMPT", "1"),
        ("PENSTOCK_STEP", "only"),
        ("PENSTOCK_TRY", "1"),
    ];
    Spec {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from(env.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        cwd: "/".into(),
        grace_ms: 1000,
        deadline_ns: monotonic_ns() + 60_000_000_000,
    }
}

pub(crate) async fn start(spec: &Spec) -> Process {
    Process::start(SELF.as_ref(), spec).await.unwrap()
}

pub(crate) async fn hears(process: &mut Process, line: &str) {
    let mut heard = vec![0; line.len() + 1];
    process
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut heard)
        .await
        .unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), format!("{line}\n"));
}

pub(crate) async fn eventually(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The living processes of a run of these tests.
pub(crate) fn survivors(run: &str) -> Vec<i32> {
    let entry = format!("PENSTOCK_RUN={run}");
    let ours = |pid: &i32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
            environ
                .split(|&byte| byte == 0)
                .any(|e| e == entry.as_bytes())
        })
    };
    pids().filter(ours).collect()
}

pub(crate) fn fresh(before: &[i32]) -> Vec<i32> {
    let mut now = children_named("penstock-keeper");
    now.retain(|pid| !before.contains(pid));
    now
}

/// The living children of this process with this name.
pub(crate) fn children_named(name: &str) -> Vec<i32> {
    let start = format!(" {} ", std::process::id());
    let is_ours = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.split_once(&format!("({name}) ")).map(|(_, rest)| rest);
        after_name.is_some_and(|rest| !rest.starts_with('Z') && rest[1..].starts_with(&start))
    };
    pids().filter(is_ours).collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}
