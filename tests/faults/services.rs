//! Each service is killed under load, and several of a kind work beside one another.

use harness::api::assert_end;
use harness::{Settings, Shape, Story, World, own};

use crate::load::Load;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = own![runs_survive_crashes_of_everything_under_load];
    let apart = own![
        runs_survive_a_crash_of_each_service_under_load,
        a_scheduler_restarts_with_leases_live,
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
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let pipeline = api
        .define_steps("leased", "- {id: long, run: 'sleep 5; echo done'}")
        .await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "long", "running").await;
    world.crash("scheduler").await;
    let run = api.ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "no lease lapsed: {run:#}");
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
