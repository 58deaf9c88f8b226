//! Keepers that wait ahead, are kept and replaced.

use std::time::Duration;

use executor::process::{Exit, Keepers};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;

use crate::harness::{SELF, children_named, eventually, fresh, spec, trials_of};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        keepers_wait_ahead_and_are_replaced,
        a_waiting_keeper_that_died_is_not_missed,
        a_keeper_is_kept_for_the_next_process,
        many_processes_start_at_once,
        after_a_rush_more_keepers_wait_than_are_wanted_until_they_may_rest,
        a_missing_keeper_is_an_error_that_names_it,
    ]
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
    // Those of other tests come and go.
    let mut seen = Vec::new();
    eventually(|| {
        seen = fresh(&before);
        keepers.waiting() == 1 && seen.len() == 1
    })
    .await;
    let keeper = seen[0];
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
