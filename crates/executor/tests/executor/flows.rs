//! How steps follow each other, and what they get and give.

use std::time::Instant;

use contracts::pipeline::Outcome;
use contracts::pipeline::begin_attempt_response::Verdict;
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{RUN, World, eventually, grant};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        steps_run_one_after_the_other_in_one_workspace,
        a_step_knows_who_it_is_and_nothing_of_the_server,
        outputs_parameters_and_secrets_reach_the_steps_that_name_them,
        every_outcome_is_reported_with_its_reason,
        parallel_steps_run_at_once_and_may_share_a_report,
        a_retry_starts_when_it_is_due,
        a_run_without_a_place_is_left_in_the_queue,
        an_attempt_that_is_over_starts_nothing,
        an_assignment_that_is_repeated_is_ignored,
        more_assignments_than_slots_are_declined,
        a_plan_that_cannot_be_read_fails_its_steps,
        the_workspace_goes_with_the_run,
        workspaces_of_runs_that_ended_elsewhere_are_swept,
        a_step_starts_at_once,
    ]
}

async fn steps_run_one_after_the_other_in_one_workspace() {
    let world = World::with(
        "  - {id: a, run: 'echo 1 > a'}\n  - {id: b, run: 'cat a > b; rm a'}\n  - {id: c, run: 'test -e b && test ! -e a'}",
    )
    .await;
    let steps = world.carried_out().await;
    let outcomes: Vec<_> = steps
        .iter()
        .map(|step| (step.step_id.as_str(), step.outcome(), step.exit_code))
        .collect();
    let well = |id| (id, Outcome::Succeeded, Some(0));
    assert_eq!(outcomes, [well("a"), well("b"), well("c")]);
    assert!(
        steps
            .iter()
            .all(|step| 0 < step.started_at_ms && step.started_at_ms <= step.ended_at_ms)
    );
}

async fn a_step_knows_who_it_is_and_nothing_of_the_server() {
    let world = World::with("  - {id: a, run: 'env > env; pwd > pwd; cp env /dev/stdout'}").await;
    world.script().debugging = true;
    world.carried_out().await;
    let environment = world.made("env").await;
    for (name, value) in [
        ("ATTEMPT", "1"),
        ("PIPELINE", "fedcba987654321001234567"),
        ("PIPELINE_NAME", "test"),
        ("RUN", RUN),
        ("RUN_COUNT", "7"),
        ("STEP", "a"),
        ("TRY", "1"),
        ("EXECUTOR", world.executor.as_ref().unwrap().name()),
        ("WORKSPACE", world.made("pwd").await.trim()),
    ] {
        let line = format!("PENSTOCK_{name}={value}");
        assert!(
            environment.lines().any(|it| it == line),
            "{line} in {environment}"
        );
    }
    assert!(environment.contains("TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-"));
    assert!(environment.contains("PENSTOCK_OUTPUT=/"));
    assert!(!environment.contains("CARGO"), "{environment}");
}

async fn outputs_parameters_and_secrets_reach_the_steps_that_name_them() {
    let world = World::new().await;
    let definition = concat!(
        "  - {id: a, run: 'echo \"n=41\" >> $PENSTOCK_OUTPUT; echo \"t=$T\" >> $PENSTOCK_OUTPUT'}\n",
        "  - {id: b, run: 'test \"$N $P $T\" = \"41 x y sesame\" && echo \"open $T\"',",
        " env: {N: '${{ steps.a.outputs.n }}', P: '${{ parameters.p }}'}, secrets: {T: token}}",
    );
    let definition = format!("{definition}\nparameters: {{p: {{type: string}}}}");
    let mut world = world;
    world.plan(&definition);
    world.script().parameters.insert("p".into(), "x y".into());
    let mut granted = grant("b", 1);
    granted.secrets.insert("T".into(), b"sesame".to_vec());
    world.script().after.insert("a".into(), vec![granted]);
    world.start(world.config()).await;
    let steps = world.carried_out().await;
    assert_eq!(steps[0].outputs.get("n").unwrap(), "41");
    assert_eq!(steps[1].outcome(), Outcome::Succeeded, "{:?}", steps[1]);
    assert_eq!(world.log(1).await[0].message, "open ***");
}

/// A step, and what is reported of it.
type Case = (&'static str, Outcome, Option<i32>, &'static str);

const CASES: [Case; 8] = [
    (
        "run: 'exit 3'",
        Outcome::Failed,
        Some(3),
        "ended with exit code 3",
    ),
    (
        "run: 'kill -9 $$'",
        Outcome::Failed,
        Some(137),
        "was ended by signal 9",
    ),
    (
        "command: [no-such-program]",
        Outcome::Failed,
        None,
        "no-such-program",
    ),
    (
        "run: 'echo ::warning::low'",
        Outcome::Warned,
        Some(0),
        "low",
    ),
    (
        "run: 'echo ::warning::low >&2; exit 1'",
        Outcome::Failed,
        Some(1),
        "exit code 1",
    ),
    (
        "run: 'sleep 60', timeout: 200ms",
        Outcome::TimedOut,
        Some(143),
        "after 200ms",
    ),
    (
        "run: 'echo oops > $PENSTOCK_OUTPUT'",
        Outcome::Failed,
        Some(0),
        "not key=value",
    ),
    (
        "run: 'true', env: {A: '${{ steps.a.outputs.x }}'}",
        Outcome::Failed,
        None,
        "no output",
    ),
];

async fn every_outcome_is_reported_with_its_reason() {
    for (step, outcome, exit_code, message) in CASES {
        let mut world = World::new().await;
        world.plan(&format!(
            "  - {{id: a, run: 'true'}}\n  - {{id: z, needs: [a], {step}}}"
        ));
        world.script().first = vec![grant("z", 1)];
        world.script().over_after = 1;
        world.start(world.config()).await;
        let steps = world.carried_out().await;
        assert_eq!(
            (steps[0].outcome(), steps[0].exit_code),
            (outcome, exit_code),
            "{step}"
        );
        assert!(
            steps[0].message.contains(message),
            "{step}: {}",
            steps[0].message
        );
    }
}

async fn parallel_steps_run_at_once_and_may_share_a_report() {
    let step = |id: &str, other: &str| {
        format!(
            "  - {{id: {id}, needs: [], run: 'touch {id}; while [ ! -e {other} ]; do sleep 0.01; done'}}\n"
        )
    };
    let mut world = World::new().await;
    world.plan(&(step("a", "b") + &step("b", "c") + &step("c", "a")));
    world.script().first = ["a", "b", "c"].map(|id| grant(id, 1)).into();
    world.script().after.clear();
    world.start(world.config()).await;
    let steps = world.carried_out().await;
    assert_eq!(steps.len(), 3);
    assert!(
        steps
            .iter()
            .all(|step| step.outcome() == Outcome::Succeeded)
    );
}

async fn a_retry_starts_when_it_is_due() {
    let mut world = World::new().await;
    world.plan("  - {id: a, run: 'echo $PENSTOCK_TRY; test $PENSTOCK_TRY = 2'}");
    {
        let mut script = world.script();
        script.over_after = 2;
        script.wake_after_ms = 100;
        // What an empty report is answered.
        script.after.insert(String::new(), vec![grant("a", 2)]);
    }
    world.start(world.config()).await;
    let steps = world.carried_out().await;
    let seen: Vec<_> = steps
        .iter()
        .map(|step| (step.r#try, step.outcome()))
        .collect();
    assert_eq!(seen, [(1, Outcome::Failed), (2, Outcome::Succeeded)]);
}

async fn a_run_without_a_place_is_left_in_the_queue() {
    let world = World::with("  - {id: a, run: 'true'}").await;
    world.script().verdict = Verdict::Busy;
    world.assign(1).await;
    assert!(world.ended().await.busy);
    assert!(world.script().reports.is_empty());
}

async fn an_attempt_that_is_over_starts_nothing() {
    let world = World::with("  - {id: a, run: 'touch ran'}").await;
    world.script().verdict = Verdict::Over;
    world.assign(1).await;
    assert!(!world.ended().await.busy);
    assert!(!world.workspace().exists());
}

async fn an_assignment_that_is_repeated_is_ignored() {
    let world =
        World::with("  - {id: a, run: 'echo x >> ran; while [ ! -e go ]; do sleep 0.01; done'}")
            .await;
    world.script().debugging = true;
    world.assign(1).await;
    world.made("ran").await;
    world.assign(1).await;
    world.assign(1).await;
    std::fs::write(world.workspace().join("go"), "").unwrap();
    world.ended().await;
    assert_eq!(world.made("ran").await, "x\n");
    assert_eq!(world.script().begun, 1);
}

async fn more_assignments_than_slots_are_declined() {
    let world =
        World::with("  - {id: a, run: 'echo > ran; while [ ! -e go ]; do sleep 0.01; done'}").await;
    for attempt in 1..=3 {
        world.assign(attempt).await;
    }
    let declined = world.ended().await;
    assert!(declined.busy && declined.attempt.unwrap().attempt == 3);
}

async fn a_plan_that_cannot_be_read_fails_its_steps() {
    let world = World::with("  - {id: a, run: 'true'}").await;
    world.script().plan = "{\"steps\": 1}".into();
    let steps = world.carried_out().await;
    assert_eq!(steps[0].outcome(), Outcome::Failed);
    assert!(
        steps[0].message.contains("can't read the run's plan"),
        "{}",
        steps[0].message
    );
}

async fn the_workspace_goes_with_the_run() {
    let world = World::with("  - {id: a, run: 'mkdir -p deep/er; touch deep/er/file'}").await;
    world.carried_out().await;
    eventually("it is gone", || !world.workspace().exists()).await;
}

async fn workspaces_of_runs_that_ended_elsewhere_are_swept() {
    let mut world = World::new().await;
    let folder = world.work_dir().join("workspaces");
    let (ended, other) = (folder.join("a".repeat(24)), folder.join("b".repeat(24)));
    for path in [&ended, &other] {
        std::fs::create_dir_all(path.join("x")).unwrap();
    }
    world.script().ended_runs.push("a".repeat(24));
    world.start(world.config()).await;
    eventually("the ended one is gone", || !ended.exists()).await;
    assert!(other.exists());
}

async fn a_step_starts_at_once() {
    let step = |number| format!("  - {{id: s{number}, command: [/bin/true]}}\n");
    let definition: Vec<_> = (0..20).map(step).collect();
    let definition = definition.concat();
    let world = World::with(&definition).await;
    eventually("a stream", || world.desk().streams > 0).await;
    let began = Instant::now();
    world.carried_out().await;
    println!("{:?} a step", began.elapsed() / 20);
}
