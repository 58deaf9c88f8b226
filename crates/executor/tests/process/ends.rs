//! How processes end, and what is left of them.

use std::time::Duration;

use executor::process::{Error, Exit, Keepers, Process, monotonic_ns, sweep};
use libtest_mimic::Trial;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::harness::{OBSTINATE, SELF, eventually, hears, spec, start, survivors, trials_of};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        every_way_to_end_is_told,
        a_dropped_process_is_killed_with_all_it_forked,
        a_start_that_is_given_up_leaves_nothing,
        orders_reach_the_process,
        a_wait_can_be_cancelled_and_repeated,
        a_process_that_kills_its_keeper_is_killed,
        a_process_that_kills_its_keeper_at_once_is_killed,
        a_long_specification_arrives_and_one_too_long_is_refused,
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
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let script = "while [ ! -e \"$GO\" ]; do sleep 0.01; done; exit 4";
    let mut spec = spec("cancelled", script);
    spec.env.insert("GO".to_owned(), go.display().to_string());
    let mut process = start(&spec).await;
    for _ in 0..10 {
        let waited = timeout(Duration::from_millis(1), process.wait()).await;
        assert!(waited.is_err(), "it goes on");
    }
    std::fs::write(go, "").unwrap();
    assert_eq!(process.wait().await, Exit::Code(4));
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
