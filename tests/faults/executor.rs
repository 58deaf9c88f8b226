//! Executors that are killed, frozen or replaced in the middle of a step.

use std::time::Duration;

use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::{Outcome, ReportRequest, ReportResponse, StepReport};
use harness::api::{assert_end, states, step_of};
use harness::eventually::LONG_PATIENCE;
use harness::invariants::processes;
use harness::world::Server;
use harness::{Settings, Shape, Story, World, eventually, own};
use serde_json::{Value, json};
use tonic::transport::Channel;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = own![
        a_run_survives_its_executor,
        nothing_outlives_its_attempt_whatever_it_forked,
        a_run_that_loses_three_executors_in_a_row_fails,
        a_step_that_may_not_run_again_fails_with_its_executor,
        a_frozen_process_loses_no_run,
        a_stop_ends_a_run_whose_executor_is_gone,
    ];
    let apart = own![
        another_executor_goes_on_in_the_same_workspace,
        another_executor_goes_on_in_a_copy_of_the_workspace,
        a_frozen_executor_reports_too_late,
        a_run_is_stopped_while_no_executor_is_there,
    ];
    stories.extend(apart.into_iter().map(|story| story.only(&[Shape::Spread])));
    stories
}

/// A first step that ends, and a second that goes on until the second attempt.
const TWO_ATTEMPTS: &str = "- {id: first, run: 'echo first >> trace'}\n\
    - {id: second, run: 'echo second >> trace; test $PENSTOCK_ATTEMPT = 2 || sleep 600'}\n\
    - {id: third, run: cat trace}";

async fn a_run_survives_its_executor(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let pipeline = api.define_steps("survivor", TWO_ATTEMPTS).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "second", "running").await;
    world.crash("executor").await;
    goes_on(&world, &pipeline).await;
    world.finish().await;
}

/// The second attempt goes on after the finished step, where it left its file.
async fn goes_on(world: &World, pipeline: &str) {
    let api = world.api();
    let run = api.ended_at_last(pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(
        (&run["attempt"], &step_of(&run, "first")["tries"]),
        (&json!(2), &json!(1)),
        "{run:#}"
    );
    let log = api.log(pipeline, 1).await;
    let output = api.output(pipeline, 1).await;
    let firsts = output.iter().filter(|line| *line == "first").count();
    assert_eq!(firsts, 1, "a finished step doesn't run again: {output:?}");
    assert!(
        log.iter().any(|it| it["kind"] == "attempt.lost"),
        "the log says that an attempt was lost"
    );
}

async fn another_executor_goes_on_in_the_same_workspace(shape: Shape) {
    let world = World::start(Settings::of(shape).executors(2)).await;
    let api = world.api();
    let pipeline = api.define_steps("moved", TWO_ATTEMPTS).await;
    api.start(&pipeline).await;
    let run = api.step_is(&pipeline, 1, "second", "running").await;
    let (holder, _) = holder(&world, &run);
    holder.kill();
    goes_on(&world, &pipeline).await;
    world.start_again(holder).await;
    world.finish().await;
}

async fn another_executor_goes_on_in_a_copy_of_the_workspace(shape: Shape) {
    let world = World::start(Settings::of(shape).executors(2).snapshots()).await;
    let api = world.api();
    let pipeline = api.define_steps("copied", TWO_ATTEMPTS).await;
    api.start(&pipeline).await;
    let run = api.step_is(&pipeline, 1, "second", "running").await;
    let (holder, _) = holder(&world, &run);
    holder.kill();
    goes_on(&world, &pipeline).await;
    world.start_again(holder).await;
    world.finish().await;
}

/// The executor that has the run, and the other one.
fn holder<'w>(world: &'w World, run: &Value) -> (&'w Server, &'w Server) {
    let (one, two) = (world.server("executor"), world.server("executor-2"));
    if run["executor"]
        .as_str()
        .is_some_and(|it| it.ends_with("-2"))
    {
        (two, one)
    } else {
        (one, two)
    }
}

async fn nothing_outlives_its_attempt_whatever_it_forked(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let stubborn = "trap \"\" TERM HUP INT; sleep 601 & sleep 602";
    let steps = format!(
        "- id: fork\n  run: |\n    trap '' TERM HUP\n    test $PENSTOCK_ATTEMPT = 2 && exit 0\n    \
         setsid sh -c '{stubborn}' &\n    (setsid sh -c '{stubborn}' &) &\n    \
         setsid setsid sh -c '({stubborn}) &' </dev/null >/dev/null 2>&1\n    sleep 603\n"
    );
    let pipeline = api.define_steps("forking", &steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "fork", "running").await;
    eventually("the step has forked", async || {
        (processes(&world).len() >= 7).then_some(())
    })
    .await;
    let executor = world.server("executor");
    executor.kill();
    eventually("nothing is left of the attempt", async || {
        processes(&world).is_empty().then_some(())
    })
    .await;
    world.start_again(executor).await;
    assert_end(
        &world.api().ended_at_last(&pipeline, 1).await,
        "succeeded",
        "completed",
    );
    world.finish().await;
}

async fn a_run_that_loses_three_executors_in_a_row_fails(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let pipeline = world
        .api()
        .define_steps(
            "deadly",
            "- {id: kills, run: 'echo on; sleep 600'}\n- {id: never, run: 'true'}",
        )
        .await;
    world.api().start(&pipeline).await;
    for attempt in 1..=3 {
        let api = world.api();
        let begun =
            |run: &Value| run["attempt"] == attempt && step_of(run, "kills")["state"] == "running";
        api.run_within(LONG_PATIENCE, &pipeline, 1, ("is at the attempt", begun))
            .await;
        world.crash("executor").await;
    }
    let run = world.api().ended_at_last(&pipeline, 1).await;
    assert_end(&run, "failed", "executorLost");
    assert_eq!(run["attempt"], 3);
    world.finish().await;
}

async fn a_step_that_may_not_run_again_fails_with_its_executor(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let steps = "- {id: once, onLost: fail, run: sleep 600}\n- {id: never, run: 'true'}\n- {id: tidy, always: true, run: echo tidy}";
    let pipeline = api.define_steps("once", steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "once", "running").await;
    world.crash("executor").await;
    let run = world.api().ended_at_last(&pipeline, 1).await;
    assert_end(&run, "failed", "executorLost");
    assert_eq!(states(&run), ["failed", "skipped", "succeeded"]);
    world.finish().await;
}

/// Three leases: whoever has the run by then is another attempt.
const THREE_LEASES: Duration = Duration::from_secs(9);

async fn a_frozen_process_loses_no_run(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let pipeline = api
        .define_steps("frozen", "- {id: work, run: 'sleep 4; echo done'}")
        .await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "work", "running").await;
    let executor = world.server("executor");
    executor.pause();
    // Nobody is left to ask where all are one process: only time passes.
    tokio::time::sleep(THREE_LEASES).await;
    executor.resume();
    let run = world.api().ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    world.finish().await;
}

async fn a_frozen_executor_reports_too_late(shape: Shape) {
    let world = World::start(Settings::of(shape).executors(2)).await;
    let api = world.api();
    // The first attempt ends while its executor is frozen, and within its lease.
    let gate = world.gate();
    let pass = gate.pass();
    let steps =
        format!("- {{id: work, run: 'echo $PENSTOCK_ATTEMPT >> trace; {pass}; cat trace'}}");
    let pipeline = api.define_steps("late", &steps).await;
    api.start(&pipeline).await;
    let run = api.step_is(&pipeline, 1, "work", "running").await;
    let (frozen, _) = holder(&world, &run);
    frozen.pause();
    gate.open();
    let run = api.ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 2, "{run:#}");
    let of_first = || {
        processes(&world)
            .into_iter()
            .filter(|it| it.attempt == 1)
            .count()
    };
    eventually("nothing of the first attempt runs", async || {
        (of_first() == 0).then_some(())
    })
    .await;
    let pipelines = world.server("pipeline");
    let refused = async || {
        world
            .counted(pipelines, "penstock_refused_reports_total")
            .await
    };
    let before = refused().await;
    assert!(report_of_first(pipelines, &run).await.refused);
    let counted = refused().await - before;
    assert!(
        (counted - 1.0).abs() < 0.5,
        "a late report is counted: {counted}"
    );
    frozen.resume();
    let second = api.through(&pipeline).await;
    assert_end(&second, "succeeded", "completed");
    let now = api.run(&pipeline, 1).await;
    assert_eq!(
        now, run,
        "what the first attempt says later changes nothing"
    );
    world.finish().await;
}

/// What an executor is answered that says of the first attempt that its step went well.
async fn report_of_first(pipelines: &Server, run: &Value) -> ReportResponse {
    let url = pipelines.grpc_url().unwrap();
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let work = StepReport {
        step_id: "work".into(),
        r#try: 1,
        outcome: Outcome::Succeeded.into(),
        ..StepReport::default()
    };
    let report = ReportRequest {
        run_id: run["id"].as_str().unwrap().to_owned(),
        attempt: 1,
        steps: vec![work],
        last_seq: 1,
    };
    let answer = AttemptsClient::new(channel).report(report).await;
    answer.unwrap().into_inner()
}

async fn a_stop_ends_a_run_whose_executor_is_gone(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let steps = "- {id: work, run: sleep 600}\n- {id: next, run: echo never}\n- {id: tidy, always: true, run: echo tidy}";
    let pipeline = api.define_steps("stopped", steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "work", "running").await;
    assert_eq!(api.stop(&pipeline, 1, "graceful").await.status, 202);
    world.crash("executor").await;
    let run = world.api().ended_at_last(&pipeline, 1).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(step_of(&run, "next")["state"], "skipped");
    assert_eq!(step_of(&run, "tidy")["state"], "succeeded");
    world.finish().await;
}

async fn a_run_is_stopped_while_no_executor_is_there(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let pipeline = api
        .define_steps("alone", "- {id: work, run: sleep 600}")
        .await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "work", "running").await;
    let executor = world.server("executor");
    executor.kill();
    assert_eq!(api.stop(&pipeline, 1, "cancel").await.status, 202);
    assert_end(
        &api.ended_at_last(&pipeline, 1).await,
        "cancelled",
        "stopped",
    );
    world.start_again(executor).await;
    world.finish().await;
}
