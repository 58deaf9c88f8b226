//! Each service is killed under load, and several of a kind work beside one another.

use harness::api::{assert_end, is_ended, step_of};
use harness::invariants::processes;
use harness::{Settings, Shape, Story, World, eventually, own};
use serde_json::Value;

use crate::load::Load;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = own![runs_survive_crashes_of_everything_under_load];
    let apart = own![
        runs_survive_a_crash_of_each_service_under_load,
        a_scheduler_restarts_with_leases_live,
        a_scheduler_that_is_away_for_longer_than_a_lease_loses_no_run,
        two_schedulers_and_two_executors_share_the_work,
        two_pipeline_services_share_a_database,
    ];
    stories.extend(apart.into_iter().map(|story| story.only(&[Shape::Spread])));
    stories
}

async fn runs_survive_crashes_of_everything_under_load(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 30).await;
    // A third crash in a row would end a run as lost.
    for ended in [5, 15] {
        load.has_ended(&world, ended).await;
        world.crash_all().await;
    }
    load.has_succeeded(&world, 30).await;
    world.finish().await;
}

async fn runs_survive_a_crash_of_each_service_under_load(shape: Shape) {
    let world = World::start(Settings::of(shape).slots(4)).await;
    let services = [
        "pipeline",
        "scheduler",
        "executor",
        "audit-log",
        "registry",
        "gateway",
    ];
    for (number, service) in (0_u32..).zip(services) {
        let load = Load::of(&world).await;
        let starting = load.start(&world, 1, 30);
        let crash = async {
            load.has_ended(&world, 8).await;
            world.crash(service).await;
        };
        tokio::join!(starting, crash);
        load.has_succeeded(&world, 30).await;
        eprintln!(
            "crash {} of {}: {service} was killed and all runs went on",
            number + 1,
            services.len()
        );
    }
    world.finish().await;
}

async fn a_scheduler_restarts_with_leases_live(shape: Shape) {
    let world = World::start(Settings::of(shape).lease("20s")).await;
    let (api, gate) = (world.api(), world.gate());
    let steps = format!("- {{id: long, run: '{}; echo done'}}", gate.pass());
    let pipeline = api.define_steps("leased", &steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "long", "running").await;
    world.crash("scheduler").await;
    gate.open();
    let run = api.ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "no lease lapsed: {run:#}");
    world.finish().await;
}

async fn a_scheduler_that_is_away_for_longer_than_a_lease_loses_no_run(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let (api, gate) = (world.api(), world.gate());
    let steps = format!(
        "- {{id: first, run: 'echo first'}}\n\
         - {{id: second, run: 'echo second in $PENSTOCK_ATTEMPT; {}; echo through'}}\n\
         - {{id: third, run: 'echo third'}}",
        gate.pass()
    );
    let pipeline = api.define_steps("cut", &steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "second", "running").await;
    eventually("its process runs", async || {
        (!processes(&world).is_empty()).then_some(())
    })
    .await;
    let scheduler = world.server("scheduler");
    scheduler.kill();
    // Accepted while nobody can hand it out.
    api.start(&pipeline).await;
    eventually("the lease lapses, and what it held is cut", async || {
        processes(&world).is_empty().then_some(())
    })
    .await;
    gate.open();
    let run = api.run(&pipeline, 1).await;
    assert!(
        !is_ended(&run),
        "a step that was cut counts for nothing: {run:#}"
    );
    world.start_again(scheduler).await;

    let run = api.ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 2, "{run:#}");
    let tries = ["first", "second", "third"].map(|it| step_of(&run, it)["tries"].clone());
    assert_eq!(tries, [1, 2, 1], "only what was cut ran twice: {run:#}");
    assert_eq!(
        api.output(&pipeline, 1).await,
        ["first", "second in 1", "second in 2", "through", "third"]
    );
    let log = api.log(&pipeline, 1).await;
    let is_end = |it: &&Value| it["kind"] == "attempt.lost" || it["kind"] == "attempt.handed-back";
    assert_eq!(log.iter().filter(is_end).count(), 1, "{log:#?}");
    let next = api.ended_at_last(&pipeline, 2).await;
    assert_end(&next, "succeeded", "completed");
    assert_eq!(next["attempt"], 1, "{next:#}");
    world.finish().await;
}

async fn two_schedulers_and_two_executors_share_the_work(shape: Shape) {
    let world = World::start(Settings::of(shape).schedulers(2).executors(2).slots(3)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 20).await;
    load.has_ended(&world, 6).await;
    world.crash("scheduler-2").await;
    load.start(&world, 21, 40).await;
    load.has_succeeded(&world, 40).await;
    let executors = harness::rows::executors_of_attempts(&world).await;
    assert_eq!(executors.len(), 2, "both had some: {executors:?}");
    world.finish().await;
}

async fn two_pipeline_services_share_a_database(shape: Shape) {
    let world = World::start(Settings::of(shape).schedulers(2).executors(2).pipelines(2)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 20).await;
    load.has_ended(&world, 5).await;
    world.crash("pipeline-2").await;
    load.has_succeeded(&world, 20).await;
    world.finish().await;
}
