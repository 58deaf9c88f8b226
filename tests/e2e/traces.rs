//! A run is one trace, from the request that starts it into its steps, and telling it disturbs
//! nothing.

mod collector;

use std::time::{Duration, Instant};

use harness::api::{Api, assert_end};
use harness::eventually::LONG_PATIENCE;
use harness::world::{CANARY_NAME, TOKEN};
use harness::{Settings, Shape, Story, World, eventually, eventually_within, own};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use collector::{Collector, Seen};

pub(crate) fn stories() -> Vec<Story> {
    let stories = own![
        a_run_is_one_trace_from_the_request_into_its_steps,
        a_collector_that_is_away_disturbs_nothing,
        a_collector_that_hangs_disturbs_nothing,
    ];
    let shapes = [Shape::Embedded, Shape::Spread];
    stories.into_iter().map(|it| it.only(&shapes)).collect()
}

/// The span of a caller outside.
const CALLER: &str = "b7ad6b7169203331";
/// The trace of a caller outside.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// How long a trace may take to come.
const WHOLE: Duration = Duration::from_secs(20);

/// Steps of each run that is looked at.
const STEPS: usize = 3;

/// A service and a span of its.
type Named = (&'static str, &'static str);

const REQUEST: Named = ("gateway", "POST /api/v2/pipelines/{p}/runs");
const START: Named = ("pipeline", "penstock.pipeline.v1.Pipelines/StartRun");
const BEGIN: Named = ("pipeline", "penstock.pipeline.v1.Attempts/BeginAttempt");
const REPORT: Named = ("pipeline", "penstock.pipeline.v1.Attempts/Report");
const REVEAL: Named = ("registry", "penstock.registry.v1.Registry/RevealSecrets");
const ASSIGN: Named = ("scheduler", "assign");
const ATTEMPT: Named = ("executor", "attempt");

/// Who tells what because of what.
const LINKS: &[(Named, Option<Named>)] = &[
    (REQUEST, None),
    (START, Some(REQUEST)),
    (("scheduler", "hear penstock.run.requested.v1"), Some(START)),
    (("audit-log", "hear penstock.run.changed.v1"), Some(START)),
    (ASSIGN, Some(START)),
    (ATTEMPT, Some(ASSIGN)),
    (BEGIN, Some(ATTEMPT)),
    (("executor", "step"), Some(ATTEMPT)),
    (REPORT, Some(ATTEMPT)),
    (REVEAL, Some(REPORT)),
    (
        ("audit-log", "hear penstock.attempt.ended.v1"),
        Some(REPORT),
    ),
];

async fn a_run_is_one_trace_from_the_request_into_its_steps(shape: Shape) {
    let collector = Collector::open().await;
    let world = World::start(told_to(shape, &collector.url)).await;
    let api = world.api();
    let steps = format!(
        "- {{id: first, run: 'echo $TRACEPARENT'}}\n\
         - {{id: second, secrets: {{CANARY: {CANARY_NAME}}}, run: 'echo $TRACEPARENT $CANARY'}}\n\
         - {{id: third, run: 'exit 3'}}"
    );
    let pipeline = api.define_steps("traced", &steps).await;
    messages_are_heard(&api).await;

    let ours = format!("00-{TRACE}-{CALLER}-01");
    let run = started(&api, &pipeline, Some(&ours)).await;
    assert_end(&run, "failed", "stepFailed");
    let spans = whole_trace(&collector, TRACE, CALLER).await;
    check_steps(&spans, &run["id"], &pipeline);
    let said = traceparents(&api, &pipeline, 1).await;
    let steps: Vec<&Seen> = spans.iter().filter(|it| it.name == "step").collect();
    for (said, step) in said.iter().zip(["first", "second"]) {
        let of = |it: &&&Seen| it.attributes["step.id"] == step;
        let span = steps.iter().find(of).unwrap();
        assert_eq!(*said, format!("00-{TRACE}-{}-01", span.id));
    }
    assert_eq!(said.len(), 2, "{said:?}");

    started(&api, &pipeline, None).await;
    let said = traceparents(&api, &pipeline, 2).await;
    let trace = said[0].split('-').nth(1).unwrap();
    assert!(trace != TRACE && said[1].contains(trace), "{said:?}");
    whole_trace(&collector, trace, "").await;

    let told = collector.services();
    let known = [
        "audit-log",
        "executor",
        "gateway",
        "pipeline",
        "registry",
        "scheduler",
    ];
    assert_eq!(told, known);
    for secret in [world.canary(), TOKEN] {
        assert!(!collector.has_seen(secret), "a secret is in a trace");
    }
    world.finish().await;
}

/// Runs something until a run goes through at once. The very first message of a world may be late,
/// for consumers join their groups; then the scheduler finds the run by itself, which is in no trace.
async fn messages_are_heard(api: &Api<'_>) {
    /// Sooner than the scheduler looks for runs of which it has not heard.
    const HEARD: Duration = Duration::from_secs(8);
    let pipeline = api.define_steps("first", "- {id: a, run: 'true'}").await;
    eventually_within(LONG_PATIENCE, "messages are heard", async || {
        let begun = Instant::now();
        api.through(&pipeline).await;
        (begun.elapsed() < HEARD).then_some(())
    })
    .await;
}

/// A world that tells its traces to this address, and soon.
fn told_to(shape: Shape, url: &str) -> Settings {
    Settings::of(shape)
        .with("PENSTOCK_TELEMETRY__OTLP_ENDPOINT", url)
        .with("OTEL_BSP_SCHEDULE_DELAY", "200")
}

/// Starts a run and waits for its end.
async fn started(api: &Api<'_>, pipeline: &str, traceparent: Option<&str>) -> serde_json::Value {
    let path = format!("/api/v2/pipelines/{pipeline}/runs");
    let mut request = api.request(Method::POST, &path).json(&json!({}));
    if let Some(traceparent) = traceparent {
        request = request.header("traceparent", traceparent);
    }
    let answer = api.send(request).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let run_count = api.accepted(&answer);
    api.ended(pipeline, run_count).await
}

/// The first word of every line of a run's output.
async fn traceparents(api: &Api<'_>, pipeline: &str, run_count: i64) -> Vec<String> {
    let output = api.output(pipeline, run_count).await;
    let first = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
    output.iter().map(first).collect()
}

/// A run's trace once all of it has come: every parent, and every link that there has to be.
async fn whole_trace(collector: &Collector, trace: &str, root: &str) -> Vec<Seen> {
    let begun = Instant::now();
    let what = format!("trace {trace} is whole");
    let look = async || {
        let spans = collector.trace(trace);
        let missing = missing(&spans, root);
        assert!(begun.elapsed() < WHOLE, "{missing:#?} in {spans:#?}");
        missing.is_empty().then_some(spans)
    };
    let spans = eventually(&what, look).await;
    assert!(spans.iter().all(|it| it.has_ended), "{spans:#?}");
    let roots = spans.iter().filter(|it| it.parent == root);
    assert_eq!(roots.count(), 1, "{spans:#?}");
    spans
}

/// What a run's trace lacks: spans without their parent, and who had to tell what because of what.
fn missing(spans: &[Seen], root: &str) -> Vec<String> {
    let has_parent =
        |span: &&Seen| span.parent == root || spans.iter().any(|it| it.id == span.parent);
    let orphans = spans.iter().filter(|it| !has_parent(it));
    let mut missing: Vec<String> = orphans.map(|it| format!("the parent of {it:?}")).collect();
    let is =
        |it: &Seen, (service, name): (&str, &str)| (&*it.service, &*it.name) == (service, name);
    let steps = spans.iter().filter(|it| it.name == "step").count();
    if steps < STEPS {
        missing.push(format!("{} of {STEPS} steps", STEPS - steps));
    }
    for (what, because) in LINKS {
        let has_cause = |span: &Seen| {
            let parents = spans.iter().filter(|it| it.id == span.parent);
            because.is_none_or(|because| parents.clone().any(|it| is(it, because)))
        };
        if !spans.iter().any(|it| is(it, *what) && has_cause(it)) {
            missing.push(format!("{what:?} because of {because:?}"));
        }
    }
    missing
}

/// Checks what the spans of steps say.
fn check_steps(spans: &[Seen], run_id: &serde_json::Value, pipeline: &str) {
    let steps: Vec<&Seen> = spans.iter().filter(|it| it.name == "step").collect();
    assert_eq!(steps.len(), STEPS, "{steps:#?}");
    for (step, id) in steps.iter().zip(["first", "second", "third"]) {
        let said = |name: &str| step.attributes.get(name).map_or("", String::as_str);
        assert_eq!(said("step.id"), id, "{step:#?}");
        assert_eq!(said("run.id"), run_id.as_str().unwrap(), "{step:#?}");
        assert_eq!(said("pipeline.id"), pipeline, "{step:#?}");
        let numbers = [said("run.count"), said("run.attempt"), said("step.try")];
        assert_eq!(numbers, ["1", "1", "1"], "{step:#?}");
        assert_eq!(step.has_failed, id == "third", "{step:#?}");
    }
}

async fn a_collector_that_is_away_disturbs_nothing(shape: Shape) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    undisturbed_by(shape, &format!("http://{address}")).await;
}

async fn a_collector_that_hangs_disturbs_nothing(shape: Shape) {
    // Connections are accepted by the kernel, and nobody ever reads them.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    undisturbed_by(shape, &format!("http://{address}")).await;
    drop(listener);
}

async fn undisturbed_by(shape: Shape, url: &str) {
    /// What the end of a process may take: its last export has two seconds.
    const END: Duration = Duration::from_secs(10);
    let world = World::start(told_to(shape, url)).await;
    let api = world.api();
    let pipeline = api
        .define_steps("undisturbed", "- {id: a, run: 'true'}")
        .await;
    for _ in 0..10 {
        assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    }
    eventually("the loss is counted", async || {
        let answer = api.try_send(api.request(Method::GET, "/metrics")).await?;
        let lost = answer
            .text
            .lines()
            .find_map(|line| line.strip_prefix("penstock_trace_spans_lost_total "));
        lost.filter(|it| *it != "0").map(drop)
    })
    .await;
    let server = world.server("gateway");
    let told = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(told.elapsed() < END, "the end took {:?}", told.elapsed());
    world.end().await;
}
