//! Stops in each mode, and attempts that are another's.

use std::time::{Duration, Instant};

use contracts::message::StopMode;
use contracts::pipeline::{Outcome, StepReport};
use contracts::scheduler::{Assignment, Attempt, Fence, Stop, to_executor::Says};
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{RUN, World, eventually, grant, lives};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        a_graceful_stop_lets_the_step_finish,
        a_cancel_terminates_the_step_and_spares_the_finalizer,
        a_kill_leaves_nothing_of_the_step,
        a_child_that_evades_is_killed_with_its_step,
        a_stop_that_only_an_answer_carries_is_obeyed,
        a_stop_that_comes_while_the_attempt_begins_is_obeyed,
        a_refused_report_kills_what_runs,
        a_fence_kills_what_runs_and_is_not_answered,
        an_executor_that_drains_lets_steps_finish_in_the_grace_period,
        an_executor_that_drains_gives_back_what_does_not_finish,
        an_executor_that_drains_declines_new_work,
    ]
}

const SLOW: &str = "run: 'echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done'";

async fn a_graceful_stop_lets_the_step_finish() {
    let world = World::with(&format!(
        "  - {{id: a, {SLOW}}}\n  - {{id: b, run: 'true'}}"
    ))
    .await;
    world.assign(1).await;
    world.made("pid").await;
    world.stop(StopMode::Graceful).await;
    std::fs::write(world.workspace().join("go"), "").unwrap();
    world.ended().await;
    let seen: Vec<_> = world
        .script()
        .steps()
        .iter()
        .map(|step| (step.step_id.clone(), step.outcome()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a".into(), Outcome::Succeeded),
            ("b".into(), Outcome::Cancelled)
        ]
    );
}

async fn a_cancel_terminates_the_step_and_spares_the_finalizer() {
    let definition = concat!(
        "  - {id: a, run: 'trap \"echo bye >> said; exit 0\" TERM; echo $$ > pid; while :; do sleep 0.01 || :; done'}\n",
        "  - {id: f, always: true, run: 'echo cleaned >> said'}",
    );
    let world = World::with(definition).await;
    world.script().debugging = true;
    world.assign(1).await;
    world.made("pid").await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    let steps = world.script().steps();
    assert_eq!(steps[0].outcome(), Outcome::Cancelled);
    assert_eq!(steps[1].outcome(), Outcome::Succeeded);
    assert_eq!(world.made("said").await, "bye\ncleaned\n");
}

async fn a_kill_leaves_nothing_of_the_step() {
    let definition = concat!(
        "  - {id: a, run: 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.01 || :; done'}\n",
        "  - {id: f, always: true, run: 'true'}",
    );
    let world = World::with(definition).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    let began = Instant::now();
    world.stop(StopMode::Kill).await;
    eventually("it is gone", || !lives(&pid)).await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    world.ended().await;
    let outcomes: Vec<_> = world
        .script()
        .steps()
        .iter()
        .map(StepReport::outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Cancelled]);
}

async fn a_child_that_evades_is_killed_with_its_step() {
    let evader = r#"trap "" TERM; (setsid sh -c "echo \$\$ > pid; exec sleep 1000" &); sleep 1000"#;
    let mut world = World::new().await;
    world.plan(&format!("  - {{id: a, run: '{evader}'}}"));
    let config = executor::Config {
        grace_ms: 100,
        ..world.config()
    };
    world.start(config).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    assert!(lives(&pid));
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    assert!(!lives(&pid));
}

async fn a_stop_that_only_an_answer_carries_is_obeyed() {
    let mut world = World::new().await;
    world.plan(&format!("  - {{id: a, needs: [], {SLOW}}}\n  - {{id: b, needs: [], run: 'while [ ! -e pid ]; do sleep 0.01; done'}}"));
    world.script().first = vec![grant("a", 1), grant("b", 1)];
    world.script().after.clear();
    world.script().stop = StopMode::Unspecified;
    world.start(world.config()).await;
    world.assign(1).await;
    world.made("pid").await;
    // The report of b is answered with it.
    eventually("b is reported", || !world.script().reports.is_empty()).await;
    world.script().stop = StopMode::Kill;
    world.stop(StopMode::Kill).await;
    world.ended().await;
    let steps = world.script().steps();
    let a = steps.iter().find(|step| step.step_id == "a").unwrap();
    assert_eq!(a.outcome(), Outcome::Cancelled);
}

async fn a_stop_that_comes_while_the_attempt_begins_is_obeyed() {
    let mut world = World::new().await;
    world.plan(&format!("  - {{id: a, needs: [], {SLOW}}}"));
    world.script().first = vec![grant("a", 1)];
    world.script().holds_begin = true;
    world.start(world.config()).await;
    world.assign(1).await;
    eventually("it begins", || world.script().begun == 1).await;
    // The answer, which was made before the stop, doesn't know of it.
    let (run_id, mode) = (RUN.to_owned(), StopMode::Kill.into());
    world.says(Says::Stop(Stop { run_id, mode })).await;
    // What comes after the stop on the stream has been heard, so the stop has, too.
    let other = Assignment {
        run_id: "0123456789abcdef01234568".into(),
        attempt: 1,
        traceparent: String::new(),
    };
    world.says(Says::Assignment(other)).await;
    eventually("the other begins", || world.script().begun == 2).await;
    world.script().holds_begin = false;
    eventually("the step is cut", || {
        let steps = world.script().steps();
        steps.iter().any(|it| it.outcome() == Outcome::Cancelled)
    })
    .await;
}

async fn a_refused_report_kills_what_runs() {
    let mut world = World::new().await;
    world.plan(&format!("  - {{id: a, needs: [], {SLOW}}}\n  - {{id: b, needs: [], run: 'while [ ! -e pid ]; do sleep 0.01; done'}}"));
    world.script().first = vec![grant("a", 1), grant("b", 1)];
    world.script().refuses = true;
    world.start(world.config()).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.ended().await;
    assert!(!lives(&pid));
    assert_eq!(world.script().steps().len(), 1);
}

async fn a_fence_kills_what_runs_and_is_not_answered() {
    let world = World::with(&format!("  - {{id: a, {SLOW}}}")).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    let attempt = Some(Attempt {
        run_id: RUN.into(),
        attempt: 1,
    });
    world.says(Says::Fence(Fence { attempt })).await;
    eventually("it is gone", || !lives(&pid)).await;
    world.drain().await;
    assert!(world.script().reports.is_empty());
    assert!(world.desk().heard.iter().all(|said| {
        use contracts::scheduler::from_executor::Said;
        matches!(said, Said::Hello(_) | Said::Renew(_))
    }));
}

async fn an_executor_that_drains_lets_steps_finish_in_the_grace_period() {
    let world =
        World::with("  - {id: a, run: 'echo > began; sleep 0.3'}\n  - {id: b, run: 'true'}").await;
    world.assign(1).await;
    world.made("began").await;
    world.drain().await;
    assert_eq!(world.script().steps().len(), 2);
    world.ended().await;
}

async fn an_executor_that_drains_gives_back_what_does_not_finish() {
    let mut world = World::new().await;
    world.plan(&format!("  - {{id: a, {SLOW}}}"));
    let config = executor::Config {
        grace_ms: 200,
        ..world.config()
    };
    world.start(config).await;
    world.assign(1).await;
    let pid = world.made("pid").await;
    world.tasks.drain();
    world.tasks.ended().await;
    assert!(!lives(&pid));
    world.handed_back().await;
    assert!(world.script().reports.is_empty());
    assert!(world.workspace().exists(), "the next attempt goes on in it");
}

async fn an_executor_that_drains_declines_new_work() {
    let world = World::with(&format!("  - {{id: a, {SLOW}}}")).await;
    world.assign(1).await;
    world.made("pid").await;
    let draining = tokio::spawn({
        let world = world.clone();
        async move { world.drain().await }
    });
    eventually("it says so", || {
        use contracts::scheduler::from_executor::Said;
        world
            .desk()
            .heard
            .iter()
            .any(|said| matches!(said, Said::Renew(renew) if renew.draining))
    })
    .await;
    world.assign(2).await;
    world.handed_back().await;
    std::fs::write(world.workspace().join("go"), "").unwrap();
    draining.await.unwrap();
    assert_eq!(world.script().begun, 1);
}
