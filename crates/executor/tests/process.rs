//! The executor's side of its keepers, against real ones.
//!
//! This executable starts itself again as the keeper, so the harness leaves `main` to it.

#![allow(
    clippy::unwrap_used,
    reason = "a test, which clippy can't see without its harness"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use executor::process::{Error, Exit, Keepers, Process, Spec, monotonic_ns, sweep};
use libtest_mimic::{Arguments, Trial};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

const SELF: &str = executor::process::OWN_PROGRAM;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("keeper") {
        return keeper::main();
    }
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

/// The trials of these asynchronous functions, named after them.
macro_rules! trials_of {
    ($($test:ident),+ $(,)?) => {
        vec![$(Trial::test(stringify!($test), || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(async { timeout(PATIENCE, $test()).await })?;
            Ok(())
        })),+]
    };
}

fn trials() -> Vec<Trial> {
    trials_of![
        every_way_to_end_is_told,
        a_dropped_process_is_killed_with_all_it_forked,
        a_start_that_is_given_up_leaves_nothing,
        orders_reach_the_process,
        a_wait_can_be_cancelled_and_repeated,
        a_process_that_kills_its_keeper_is_killed,
        a_process_that_kills_its_keeper_at_once_is_killed,
        keepers_wait_ahead_and_are_replaced,
        a_waiting_keeper_that_died_is_not_missed,
        a_keeper_is_kept_for_the_next_process,
        many_processes_start_at_once,
        after_a_rush_more_keepers_wait_than_are_wanted_until_they_may_rest,
        a_long_specification_arrives_and_one_too_long_is_refused,
        a_missing_keeper_is_an_error_that_names_it,
        a_sweep_kills_what_is_left_of_attempts_that_are_over,
    ]
}

async fn every_way_to_end_is_told() {
    let keepers = Keepers::new(SELF, 1);
    for (script, exit) in [
        ("echo out; echo err >&2; exit 7", Exit::Code(7)),
        ("echo out; echo err >&2; kill -KILL $$", Exit::Signal(9)),
        ("echo out; echo err >&2; (sleep 1000) & true", Exit::Code(0)),
    ] {
        let mut process = keepers.start(&spec("told", script)).await.unwrap();
        assert!(process.pid().is_some());
        let (mut out, mut err) = (String::new(), String::new());
        process
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .await
            .unwrap();
        process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .await
            .unwrap();
        assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
        assert_eq!(process.wait().await, exit, "{script}");
        assert_eq!(process.wait().await, exit, "{script}, again");
    }
    let mut missing = spec("told", "");
    missing.argv = vec!["no-such-program".to_owned()];
    let mut process = keepers.start(&missing).await.unwrap();
    assert_eq!(process.pid(), None);
    let Exit::Failed(reason) = process.wait().await else {
        panic!("it was started")
    };
    assert!(
        reason.contains("there is no program `no-such-program`"),
        "{reason}"
    );
}

async fn a_dropped_process_is_killed_with_all_it_forked() {
    let mut process = start(&spec("dropped", OBSTINATE)).await;
    hears(&mut process, "ready").await;
    assert!(survivors("dropped").len() > 1);
    drop(process);
    eventually(|| survivors("dropped").is_empty()).await;
}

async fn a_start_that_is_given_up_leaves_nothing() {
    let spec = spec("given-up", OBSTINATE);
    for micros in (0..4000).step_by(100) {
        let _ = timeout(Duration::from_micros(micros), start(&spec)).await;
    }
    eventually(|| survivors("given-up").is_empty()).await;
}

async fn orders_reach_the_process() {
    let trapping = "trap 'echo cleaned; exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let mut process = start(&spec("ordered", trapping)).await;
    hears(&mut process, "ready").await;
    process.term();
    hears(&mut process, "cleaned").await;
    assert_eq!(process.wait().await, Exit::Code(5));
    process.kill();
    assert_eq!(process.wait().await, Exit::Code(5));

    let mut process = start(&spec("ordered", OBSTINATE)).await;
    hears(&mut process, "ready").await;
    process.kill();
    assert_eq!(process.wait().await, Exit::Signal(9));

    let mut process = start(&spec("ordered", OBSTINATE)).await;
    hears(&mut process, "ready").await;
    process.extend(monotonic_ns() + 100_000_000);
    assert_eq!(process.wait().await, Exit::Signal(9));
    assert_eq!(survivors("ordered"), Vec::<i32>::new());
}

async fn a_wait_can_be_cancelled_and_repeated() {
    let mut process = start(&spec("cancelled", "sleep 0.1; exit 4")).await;
    let mut cancelled = 0;
    let exit = loop {
        match timeout(Duration::from_millis(1), process.wait()).await {
            Ok(exit) => break exit,
            Err(_) => cancelled += 1,
        }
    };
    assert!(cancelled > 10);
    assert_eq!(exit, Exit::Code(4));
}

async fn a_process_that_kills_its_keeper_is_killed() {
    let script = format!(
        "{{ {OBSTINATE} }} & while [ ! -e \"$GO\" ]; do sleep 0.01; done; kill -KILL $PPID; sleep 1000"
    );
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut spec = spec("orphaned", &script);
    spec.env.insert("GO".to_owned(), go.display().to_string());
    let mut process = start(&spec).await;
    hears(&mut process, "ready").await;
    std::fs::write(go, "").unwrap();
    assert_eq!(process.wait().await, Exit::Lost);
    assert_eq!(survivors("orphaned"), Vec::<i32>::new());
}

async fn a_process_that_kills_its_keeper_at_once_is_killed() {
    for _ in 0..20 {
        match Process::start(
            SELF.as_ref(),
            &spec("orphaned-at-once", "kill -KILL $PPID; sleep 1000"),
        )
        .await
        {
            Ok(mut process) => assert_eq!(process.wait().await, Exit::Lost),
            Err(error) => assert!(matches!(error, Error::Lost), "{error}"),
        }
        assert_eq!(survivors("orphaned-at-once"), Vec::<i32>::new());
    }
}

async fn keepers_wait_ahead_and_are_replaced() {
    let keepers = Keepers::new(SELF, 2);
    assert_eq!(keepers.waiting(), 0);
    keepers.warm();
    eventually(|| keepers.waiting() == 2).await;
    for _ in 0..5 {
        let mut process = keepers.start(&spec("ahead", "exit 0")).await.unwrap();
        assert_eq!(process.wait().await, Exit::Code(0));
    }
    eventually(|| keepers.waiting() == 2).await;
    let kept = children_named("penstock-keeper");
    assert!(kept.len() >= 2);
}

async fn a_waiting_keeper_that_died_is_not_missed() {
    let before = children_named("penstock-keeper");
    let keepers = Keepers::new(SELF, 1);
    keepers.warm();
    eventually(|| keepers.waiting() == 1 && fresh(&before).len() == 1).await;
    let keeper = fresh(&before)[0];
    kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
    eventually(|| !children_named("penstock-keeper").contains(&keeper)).await;
    let mut process = keepers.start(&spec("not-missed", "exit 6")).await.unwrap();
    assert_eq!(process.wait().await, Exit::Code(6));
}

async fn a_keeper_is_kept_for_the_next_process() {
    let keepers = Keepers::new(SELF, 2);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut process = keepers.start(&spec("kept", "echo $PPID")).await.unwrap();
        let mut keeper = String::new();
        let mut stdout = process.stdout.take().unwrap();
        stdout.read_to_string(&mut keeper).await.unwrap();
        assert_eq!(process.wait().await, Exit::Code(0));
        // Too late for this process, and nothing to the next.
        process.kill();
        seen.insert(keeper);
    }
    assert!(
        seen.len() <= 3,
        "twenty processes had {} keepers",
        seen.len()
    );
}

async fn many_processes_start_at_once() {
    let keepers = Keepers::new(SELF, 3);
    let starts = (0..40).map(|code| {
        let (keepers, spec) = (keepers.clone(), spec("many", &format!("exit {code}")));
        async move { keepers.start(&spec).await.unwrap().wait().await }
    });
    let exits = futures::future::join_all(starts).await;
    assert_eq!(exits, (0..40).map(Exit::Code).collect::<Vec<_>>());
    eventually(|| keepers.waiting() == 3).await;
}

async fn after_a_rush_more_keepers_wait_than_are_wanted_until_they_may_rest() {
    let keepers = Keepers::new(SELF, 2).keeping(8);
    let starts = (0..20).map(|_| {
        let (keepers, spec) = (keepers.clone(), spec("rush", "sleep 0.1"));
        async move { keepers.start(&spec).await.unwrap().wait().await }
    });
    futures::future::join_all(starts).await;
    eventually(|| keepers.waiting() == 8).await;
    keepers.rest(Duration::from_hours(1));
    assert_eq!(keepers.waiting(), 8);
    keepers.rest(Duration::ZERO);
    assert_eq!(keepers.waiting(), 2);
}

async fn a_long_specification_arrives_and_one_too_long_is_refused() {
    let mut long = spec("long", r#"test "$V9" = "$V11" && test ${#V11} = 100000"#);
    long.env
        .extend((0..12).map(|i| (format!("V{i}"), "x".repeat(100_000))));
    assert_eq!(start(&long).await.wait().await, Exit::Code(0));
    long.env
        .extend((0..90).map(|i| (format!("V{i}"), "x".repeat(100_000))));
    let refused = Process::start(SELF.as_ref(), &long).await;
    assert!(matches!(refused, Err(Error::Spec(_))));
}

async fn a_missing_keeper_is_an_error_that_names_it() {
    let error = Keepers::new("/no/such/keeper", 2)
        .start(&spec("none", "exit 0"))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not start a keeper from /no/such/keeper"
    );
}

async fn a_sweep_kills_what_is_left_of_attempts_that_are_over() {
    let mut over = start(&spec("swept-1", OBSTINATE)).await;
    let mut live = start(&spec("swept-2", OBSTINATE)).await;
    for process in [&mut over, &mut live] {
        hears(process, "ready").await;
    }
    let executor = "tests of the process";
    let killed = tokio::task::spawn_blocking(move || {
        assert_eq!(sweep("another", |_, _| false).unwrap(), 0);
        sweep(executor, |run, attempt| (run, attempt) != ("swept-1", 1)).unwrap()
    });
    assert!(killed.await.unwrap() >= 2);
    assert_eq!(over.wait().await, Exit::Signal(9));
    assert!(survivors("swept-2").len() > 1);
}

/// A main process and a child in another session, which both ignore TERM.
const OBSTINATE: &str = "trap '' TERM; setsid sh -c 'echo ready; while :; do sleep 1; done' & \
                         while :; do sleep 1; done";

fn spec(run: &str, script: &str) -> Spec {
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

async fn start(spec: &Spec) -> Process {
    Process::start(SELF.as_ref(), spec).await.unwrap()
}

async fn hears(process: &mut Process, line: &str) {
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

async fn eventually(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The living processes of a run of these tests.
fn survivors(run: &str) -> Vec<i32> {
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

fn fresh(before: &[i32]) -> Vec<i32> {
    let mut now = children_named("penstock-keeper");
    now.retain(|pid| !before.contains(pid));
    now
}

/// The living children of this process with this name.
fn children_named(name: &str) -> Vec<i32> {
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
