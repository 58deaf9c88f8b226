//! Steps of tools that consumers outside of Penstock serve, over Kafka and in another language.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use contracts::message::{StepEnded, StepRequested, StepStopRequested};
use harness::api::{assert_end, states, step_of};
use harness::topics::Told;
use harness::{Shape, Story, World, eventually, shared};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![a_tool_that_only_consumers_serve_needs_a_bus_that_they_reach];
    stories[0] = stories[0].clone().only(&[Shape::Embedded]);
    let with_python = shared![
        the_example_of_the_documentation_serves_a_tool,
        doubled_and_late_replies_of_a_consumer_change_nothing,
        a_stop_reaches_a_consumer_and_a_kill_does_not_wait_for_it,
    ];
    let reached = |story: Story| {
        let story = story.only(&[Shape::Spread, Shape::Joined]);
        story.told(&["TEST_PYTHON"])
    };
    stories.extend(with_python.into_iter().map(reached));
    stories
}

/// A consumer, which ends with its world or before.
struct Consumer {
    _child: Child,
}

impl Consumer {
    fn start(world: &World, program: &Path, kind: &str) -> Self {
        let (brokers, prefix) = world.broker();
        let python = harness::variable("TEST_PYTHON").unwrap();
        let child = Command::new(python)
            .arg(program)
            .env("BROKERS", brokers)
            .env("PREFIX", prefix)
            .env("KIND", kind)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        Self {
            _child: child.unwrap(),
        }
    }

    /// One that serves a kind of tool of this story alone.
    fn adapter(world: &World, kind: &str) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::start(world, &here.join("e2e/served/adapter.py"), kind)
    }
}

/// The program that the page about connectors shows.
fn example(world: &World) -> PathBuf {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/connectors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, from) = page.split_once("```python\n").unwrap();
    let (program, _) = from.split_once("```").unwrap();
    let path = world.dir().join("greeter.py");
    std::fs::write(&path, program).unwrap();
    path
}

async fn register(world: &World, kind: &str) -> String {
    let name = world.name(kind);
    let tool = json!({"name": name, "toolIdentifier": kind, "connector": "kafka",
        "configuration": {"greeting": "Hello", "password": world.canary()}});
    let answer = world.api().post("/api/v2/tools", &tool).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    name
}

async fn a_tool_that_only_consumers_serve_needs_a_bus_that_they_reach(world: &World) {
    let api = world.api();
    let tool = register(world, "field").await;
    let pipeline = api
        .define_steps(
            "no-consumer",
            &format!("- {{id: a, tool: {{tool: {tool}}}}}"),
        )
        .await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    let message = step_of(&run, "a")["message"].as_str().unwrap_or_default();
    assert!(message.contains("kafka://"), "{message}");
}

async fn the_example_of_the_documentation_serves_a_tool(world: &World) {
    let api = world.api();
    let _consumer = Consumer::start(world, &example(world), "greeter");
    let tool = register(world, "greeter").await;
    let steps = format!(
        "- {{id: greet, tool: {{tool: {tool}, operation: greet, with: {{name: Ada}}}}}}\n\
         - {{id: show, run: 'echo \"$TEXT\"', env: {{TEXT: \"${{{{ steps.greet.outputs.text }}}}\"}}}}"
    );
    let pipeline = api.define_steps("greeted", &steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    let output = api.output(&pipeline, 1).await;
    assert!(output.iter().any(|it| it == "Hello, Ada!"), "{output:?}");
}

async fn doubled_and_late_replies_of_a_consumer_change_nothing(world: &World) {
    let api = world.api();
    let kind = world.name("field");
    let _consumer = Consumer::adapter(world, &kind);
    let tool = register(world, &kind).await;
    let steps = format!(
        "- {{id: grow, tool: {{tool: {tool}, operation: grow, with: {{crop: rye}}}}}}\n\
         - {{id: limp, tool: {{tool: {tool}, operation: limp}}, retry: {{attempts: 2, delay: 10ms}}}}\n\
         - {{id: show, run: 'echo \"$CROP\"', env: {{CROP: \"${{{{ steps.grow.outputs.crop }}}}\"}}}}"
    );
    let pipeline = api.define_steps("grown", &steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(step_of(&run, "grow")["message"], "grown", "{run:#}");
    assert_eq!(step_of(&run, "limp")["tries"], 2, "{run:#}");
    let late = eventually("the late replies were told", async || {
        let told = world.bus().all(world).await;
        let of_run = |it: &StepEnded| it.run_id == run["id"].as_str().unwrap_or_default();
        let ended = told.iter().filter_map(Told::decode::<StepEnded>);
        let ended: Vec<StepEnded> = ended.filter(of_run).collect();
        // Three tries, each ended three times so, and three times otherwise.
        (ended.len() == 18).then_some(told)
    })
    .await;
    let asked = late.iter().filter_map(Told::decode::<StepRequested>);
    for request in asked {
        let tool = request.tool.unwrap_or_default();
        assert!(!tool.configuration_json.contains("canary"), "{tool:?}");
    }
    let log = api.log(&pipeline, 1).await;
    let said: Vec<&Value> = log
        .iter()
        .filter(|it| it["kind"] == "step.progress")
        .collect();
    let said: Vec<&str> = said
        .iter()
        .filter_map(|it| it["message"].as_str())
        .collect();
    assert_eq!(
        said,
        ["sown rye", "watered", "weeded", "sown ", "sown "],
        "{log:#?}"
    );
    assert_eq!(api.run(&pipeline, 1).await["state"], "succeeded");
}

async fn a_stop_reaches_a_consumer_and_a_kill_does_not_wait_for_it(world: &World) {
    let api = world.api();
    let kind = world.name("field");
    let _consumer = Consumer::adapter(world, &kind);
    let tool = register(world, &kind).await;
    for (operation, mode) in [("wait", "graceful"), ("wait", "cancel"), ("sleep", "kill")] {
        let steps = format!(
            "- {{id: far, tool: {{tool: {tool}, operation: {operation}}}}}\n\
             - {{id: after, run: echo never}}"
        );
        let pipeline = api.define_steps("stopped", &steps).await;
        let run_count = api.start(&pipeline).await;
        eventually("the step is requested", async || {
            let run = api.run(&pipeline, run_count).await;
            let step = step_of(&run, "far");
            let is_there = operation == "sleep" || step["message"] == "accepted by adapter";
            (step["state"] == "waiting" && is_there).then_some(())
        })
        .await;
        api.stop(&pipeline, run_count, mode).await;
        let run = api.ended(&pipeline, run_count).await;
        assert_end(&run, "cancelled", "stopped");
        assert_eq!(states(&run), ["cancelled", "skipped"], "{mode}");
        let id = run["id"].as_str().unwrap_or_default().to_owned();
        let stop = eventually("the stop is told", async || {
            let told = world.bus().all(world).await;
            let stops = told.iter().filter_map(Told::decode::<StepStopRequested>);
            stops.into_iter().find(|it| it.run_id == id)
        })
        .await;
        assert_eq!(stop.over, mode == "kill", "{stop:?}");
    }
}
