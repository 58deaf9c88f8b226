//! A crash at each named place between a transaction and what follows it.

use harness::api::{assert_end, step_of};
use harness::eventually::LONG_PATIENCE;
use harness::world::Server;
use harness::{Settings, Shape, Story, World};
use serde_json::Value;

use crate::load::Load;

/// A place, whose it is, and the passage at which it crashes.
const POINTS: [(&str, &str, u32); 19] = [
    ("run.accepted", "pipeline", 1),
    ("run.accepted", "pipeline", 3),
    ("run.assigned", "scheduler", 1),
    ("run.assigned", "scheduler", 2),
    ("attempt.recorded", "pipeline", 1),
    ("attempt.recorded", "pipeline", 2),
    ("attempt.recorded", "pipeline", 7),
    ("attempt.ended", "pipeline", 1),
    ("stop.accepted", "pipeline", 1),
    ("gate.decided", "pipeline", 1),
    ("child.ended", "pipeline", 1),
    ("child.ended", "pipeline", 2),
    ("outbox.published", "pipeline", 1),
    ("outbox.published", "pipeline", 4),
    ("message.taken", "scheduler", 1),
    ("message.taken", "audit-log", 2),
    ("message.taken", "audit-log", 9),
    ("step.ended", "executor", 1),
    ("step.ended", "executor", 4),
];

pub(crate) fn stories() -> Vec<Story> {
    let crash = |(point, service, count): (&'static str, &'static str, u32)| {
        let name = format!(
            "a_crash_at_{}_{count}_of_{service}",
            point.replace('.', "_")
        )
        .replace('-', "_");
        let story = Story::own(&name, move |shape| {
            Box::pin(a_crash(shape, point, service, count))
        });
        // All of these are one process elsewhere, and several crashes there are like one.
        if count > 1 { story.long() } else { story }
    };
    POINTS.into_iter().map(crash).collect()
}

async fn a_crash(shape: Shape, point: &str, service: &str, count: u32) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    let lost = world.api().define_steps("lost", LOST).await;
    let gated = world.api().define_steps("gated", GATED).await;
    let parent = parent_of_two(&world).await;
    let server = world.server(service);
    server.kill();
    server.set("PENSTOCK_FAULT_POINT", Some(&format!("{point}:{count}")));
    world.start_only(server);
    let stop = async {
        if point == "stop.accepted" {
            stop_one(&world, &load.pipeline).await;
        }
    };
    let loss = async {
        if point == "attempt.ended" {
            lose_one(&world, &lost).await;
        }
    };
    let decision = async {
        if point == "gate.decided" {
            decide_one(&world, &gated).await;
        }
    };
    let birth = async {
        if point == "child.ended" {
            bear_two(&world, &parent).await;
        }
    };
    let crash = async {
        assert!(!server.ended().await.success(), "{}", server.said());
        server.set("PENSTOCK_FAULT_POINT", None);
        world.start_again(server).await;
    };
    let work = until_the_crash(&world, &load, server);
    let other = async { tokio::join!(stop, loss, decision, birth) };
    let (started, (), _) = tokio::join!(work, crash, other);
    let runs = load.has_ended(&world, started).await;
    assert_eq!(runs.len(), started, "each key started one run");
    let odd = runs
        .iter()
        .filter(|run| run["state"] != "succeeded")
        .count();
    assert!(
        odd == usize::from(point == "stop.accepted") || odd == 0,
        "{runs:#?}"
    );
    world.finish().await;
}

/// A step that only an executor that is killed gets out of.
const LOST: &str = "- {id: stay, run: 'test $PENSTOCK_ATTEMPT != 1 || sleep 600'}";

/// Kills the executor of a run, which its next start gives back as lost. The run goes on.
async fn lose_one(world: &World, pipeline: &str) {
    let api = world.api();
    api.start_stubbornly(pipeline, &world.name("lost")).await;
    let stays = |run: &Value| step_of(run, "stay")["state"] == "running";
    let what = ("stays where it is", stays);
    api.run_within(LONG_PATIENCE, pipeline, 1, what).await;
    // Where all are one process, its next start comes to the place before it is ready.
    let executor = world.server("executor");
    executor.kill();
    world.start_only(executor);
    let run = world.api().ended_at_last(pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert!(run["attempt"].as_i64() > Some(1), "{run:#}");
    let log = world.api().log(pipeline, 1).await;
    let losses = log.iter().filter(|it| it["kind"] == "attempt.lost").count();
    assert_eq!(run["attempt"], losses + 1, "{log:#?}");
}

/// A run that waits for people, and then for nobody.
const GATED: &str = "- {id: go, approval: {}}\n- {id: on, run: echo on}";

/// Approves a run until that is answered: it goes on once.
async fn decide_one(world: &World, pipeline: &str) {
    let api = world.api();
    api.start_stubbornly(pipeline, &world.name("gated")).await;
    let waits = |run: &Value| run["state"] == "waiting";
    let what = ("waits", waits);
    api.run_within(LONG_PATIENCE, pipeline, 1, what).await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs/1/steps/go/approve");
    harness::eventually_within(LONG_PATIENCE, "a decision is accepted", async || {
        let api = world.api();
        let request = api.request(reqwest::Method::POST, &path);
        let answer = api.try_send(request.json(&serde_json::json!({}))).await?;
        (answer.status == 200).then_some(())
    })
    .await;
    let run = world.api().ended_at_last(pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 2, "{run:#}");
    let decisions = step_of(&run, "go")["gate"]["decisions"].as_array();
    assert_eq!(decisions.map(Vec::len), Some(1), "{run:#}");
}

/// A pipeline whose steps are two runs of another, one after the other, and a step of its own.
async fn parent_of_two(world: &World) -> String {
    let api = world.api();
    let kid = api.define_steps("kid", "- {id: only, run: echo kid}").await;
    let steps = format!(
        "- {{id: one, pipeline: {{pipeline: {kid}}}}}\n- {{id: two, pipeline: {{pipeline: {kid}}}}}\n\
         - {{id: on, run: echo on}}"
    );
    api.define_steps("parent", &steps).await
}

/// A run whose children end one after the other: each ends its step once, and the run goes on.
async fn bear_two(world: &World, pipeline: &str) {
    let api = world.api();
    api.start_stubbornly(pipeline, &world.name("parent")).await;
    let run = world.api().ended_at_last(pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    for (step, run_count) in [("one", 1), ("two", 2)] {
        let child = &step_of(&run, step)["child"];
        assert_eq!(child["runCount"], run_count, "one run a step: {run:#}");
        assert_eq!(child["state"], "succeeded", "{run:#}");
    }
}

/// Starts runs until the place was passed so often, and answers how many: those that come at the
/// same time may pass it together.
async fn until_the_crash(world: &World, load: &Load, server: &Server) -> usize {
    const GROUP: u32 = 6;
    let first = server.pid();
    let mut started = 0;
    loop {
        load.start(world, started + 1, started + GROUP).await;
        started += GROUP;
        load.has_ended(world, started as usize).await;
        if server.pid() != first {
            return started as usize;
        }
    }
}

/// Asks for the first run's stop until it is accepted.
async fn stop_one(world: &World, pipeline: &str) {
    let path = format!("/api/v2/pipelines/{pipeline}/runs/1/stop");
    harness::eventually_within(LONG_PATIENCE, "a stop is accepted", async || {
        let api = world.api();
        let request = api
            .request(reqwest::Method::POST, &path)
            .json(&serde_json::json!({"mode": "cancel"}));
        (api.try_send(request).await?.status == 202).then_some(())
    })
    .await;
}
