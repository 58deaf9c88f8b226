//! Everything is killed or told to end, and starts again.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use harness::api::{assert_end, states};
use harness::{Settings, Shape, Story, World, own};
use serde_json::json;

pub(crate) fn stories() -> Vec<Story> {
    own![
        queued_and_running_runs_survive_a_restart_of_everything,
        what_was_there_before_a_restart_is_there_after_it,
        a_process_that_is_told_to_end_gives_its_runs_back,
        the_token_of_the_first_start_stays,
    ]
}

async fn queued_and_running_runs_survive_a_restart_of_everything(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let name = world.name("survivors");
    let gate = world.gate();
    let steps = format!(
        "- {{id: first, run: 'echo first >> trace'}}\n  \
         - {{id: second, run: 'echo second >> trace; {}'}}\n  - {{id: third, run: cat trace}}",
        gate.pass()
    );
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 1\nsteps:\n  {steps}\n"
        ))
        .await;
    for _ in 0..3 {
        api.start(&pipeline).await;
    }
    api.step_is(&pipeline, 1, "second", "running").await;
    world.crash_all().await;
    gate.open();
    let api = world.api();
    for run_count in 1..=3 {
        let run = api.ended_at_last(&pipeline, run_count).await;
        assert_end(&run, "succeeded", "completed");
        let attempts = if run_count == 1 { 2 } else { 1 };
        assert_eq!(run["attempt"], attempts, "{run:#}");
    }
    let output = api.output(&pipeline, 1).await;
    let firsts = output.iter().filter(|it| *it == "first").count();
    assert_eq!(firsts, 1, "a finished step doesn't run again: {output:?}");
    world.finish().await;
}

async fn what_was_there_before_a_restart_is_there_after_it(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let pipeline = api.define_steps("kept", "- {id: a, run: seq 1 100}").await;
    let run = api.through(&pipeline).await;
    let log = api.log(&pipeline, 1).await;
    world.crash_all().await;
    let api = world.api();
    assert_eq!(api.run(&pipeline, 1).await, run);
    assert_eq!(api.log(&pipeline, 1).await, log);
    assert_eq!(api.start(&pipeline).await, 2);
    world.finish().await;
}

async fn a_process_that_is_told_to_end_gives_its_runs_back(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let steps = "- {id: quick, run: 'echo on'}\n- {id: long, run: 'test $PENSTOCK_ATTEMPT = 2 || sleep 600'}";
    let pipeline = api.define_steps("given-back", steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "long", "running").await;
    let server = world.server("executor");
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.said());
    world.start_again(server).await;
    let run = world.api().ended(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(
        (states(&run), &run["attempt"]),
        (vec!["succeeded", "succeeded"], &json!(2))
    );
    let handed_back = api_log_has(&world, &pipeline, "attempt.handed-back").await;
    assert!(handed_back, "the attempt was not handed back");
    world.finish().await;
}

async fn api_log_has(world: &World, pipeline: &str, kind: &str) -> bool {
    world
        .api()
        .log(pipeline, 1)
        .await
        .iter()
        .any(|it| it["kind"] == kind)
}

async fn the_token_of_the_first_start_stays(shape: Shape) {
    let settings = Settings::of(shape).with(
        "PENSTOCK_ADMIN_TOKEN",
        "another-token-of-the-administrator-here",
    );
    let world = World::start_silent(settings).await;
    let answer = world.api().get("/api/v2/pipelines").await;
    assert_eq!(
        answer.status, 401,
        "the harness's token is not this world's"
    );
    for server in world.servers() {
        server.set("PENSTOCK_ADMIN_TOKEN", None);
    }
    let folder = world.server("registry").name.clone();
    world.crash_all().await;
    let file = world.dir().join(folder).join("admin-token");
    let token = std::fs::read_to_string(&file).unwrap_or_default();
    if !token.is_empty() {
        let mode = std::fs::metadata(&file).unwrap().permissions();
        assert_eq!(
            mode.mode() & 0o777,
            Permissions::from_mode(0o600).mode() & 0o777
        );
        let url = format!("{}/api/v2/pipelines", world.url());
        let request = harness::api::http().get(url).bearer_auth(token.trim());
        assert_eq!(world.api().send(request).await.status, 200);
    }
    world.end().await;
}
