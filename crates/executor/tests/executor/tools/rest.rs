//! Whatever a step describes itself, and what holds for every connector: stops, timeouts, executors
//! that are lost.

use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::json;

use super::{Asked, Reply, Server, Tool, log, only_step, position, said, status, world};
use crate::trials_of;
use crate::world::{World, eventually};

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        an_operation_of_the_steps_own_is_carried_out,
        a_graceful_stop_lets_the_tool_finish,
        a_timeout_reaches_the_tool,
        a_tool_that_can_not_be_stopped_is_left,
        an_attempt_goes_on_where_an_executor_has_given_it_back,
        a_start_that_was_not_answered_is_not_sent_again,
        a_tool_that_is_away_for_a_moment_is_asked_again,
        a_step_without_its_tool_fails,
    ]
}

/// A service with jobs. One ends when it is polled for the last time, or when it is deleted.
#[derive(Default)]
struct Jobs {
    polls: usize,
    last: Option<usize>,
    is_deleted: bool,
    loses_starts: bool,
}

impl Tool for Jobs {
    fn answer(&mut self, asked: &Asked) -> Reply {
        match asked.path.as_str() {
            "POST /api/jobs" if self.loses_starts => status(502),
            "POST /api/jobs" => {
                assert_eq!(asked.json(), json!({"day": "today", "strict": true}));
                said(202, json!({"job": {"id": "j 1"}}))
            }
            "GET /api/jobs/j%201" => {
                self.polls += 1;
                let is_last = self.last.is_some_and(|last| self.polls >= last);
                let state = if self.is_deleted {
                    "gone"
                } else if is_last {
                    "done"
                } else {
                    "busy"
                };
                said(
                    200,
                    json!({"state": state, "rows": 12, "percent": self.polls}),
                )
            }
            "DELETE /api/jobs/j%201" => {
                self.is_deleted = true;
                status(204)
            }
            _ => status(404),
        }
    }
}

const START: &str = "start: {request: {method: POST, path: /jobs, json: {day: '{{ with.day }}', strict: true}}, take: {id: $.job.id}}";
const POLL: &str = "poll: {request: {path: '/jobs/{{ var.id }}'}, take: {rows: $.rows}, progress: $.percent, \
    state: [{at: $.state, map: {busy: running, done: succeeded, gone: cancelled}}]}";
const STOP: &str = "stop: {method: DELETE, path: '/jobs/{{ var.id }}'}";

fn step(more: &str, operation: &[&str]) -> String {
    let operation = operation.join(", ");
    format!(
        "  - {{id: job, {more} tool: {{tool: t, every: 100ms, with: {{day: today}}, operation: {{{operation}, \
         outputs: {{rows: '{{{{ var.rows? }}}}'}}}}}}}}"
    )
}

async fn serving(jobs: Jobs, step: &str) -> (Server<Jobs>, World) {
    let server = Server::of(jobs).await;
    let configuration = json!({"url": format!("{}/api", server.url())});
    let world = world("generic-rest", configuration, step).await;
    (server, world)
}

async fn an_operation_of_the_steps_own_is_carried_out() {
    let jobs = Jobs {
        last: Some(3),
        ..Jobs::default()
    };
    let (server, world) = serving(jobs, &step("", &[START, POLL, STOP])).await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Succeeded, "{}", step.message);
    assert_eq!(step.outputs["rows"], "12");
    position(&log(&world).await, "generic-rest: 2");
    assert_eq!(server.lines().len(), 4);
}

async fn a_graceful_stop_lets_the_tool_finish() {
    let (server, world) = serving(Jobs::default(), &step("", &[START, POLL, STOP])).await;
    world.assign(1).await;
    server.until("GET /api/jobs").await;
    world.stop(StopMode::Graceful).await;
    let polls = server.tool().polls;
    eventually("it goes on", || server.tool().polls > polls + 2).await;
    server.tool().last = Some(0);
    world.ended().await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Succeeded);
    assert!(!server.tool().is_deleted);
}

async fn a_timeout_reaches_the_tool() {
    let (server, world) = serving(
        Jobs::default(),
        &step("timeout: 300ms,", &[START, POLL, STOP]),
    )
    .await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::TimedOut);
    assert_eq!(step.message, "timed out after 300ms");
    assert!(server.tool().is_deleted);
}

async fn a_tool_that_can_not_be_stopped_is_left() {
    let (server, world) = serving(Jobs::default(), &step("", &[START, POLL])).await;
    world.assign(1).await;
    server.until("GET /api/jobs").await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    let step = &world.script().steps()[0];
    assert_eq!(step.outcome(), Outcome::Cancelled);
    assert!(step.message.contains("goes on there"), "{}", step.message);
}

async fn an_attempt_goes_on_where_an_executor_has_given_it_back() {
    let (server, mut world) = serving(Jobs::default(), &step("", &[START, POLL, STOP])).await;
    world.assign(1).await;
    server.until("GET /api/jobs").await;
    world.drain().await;
    world.handed_back().await;
    assert!(
        !server.tool().is_deleted,
        "what is given back is left alone"
    );

    world.executor = None;
    world.script().first[0].r#try = 2;
    world.start(world.config()).await;
    world.assign(2).await;
    let polls = server.tool().polls;
    eventually("it is polled again", || server.tool().polls > polls).await;
    server.tool().last = Some(0);
    world.ended().await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Succeeded);
    assert_eq!(server.count("POST /api/jobs"), 1);
}

async fn a_start_that_was_not_answered_is_not_sent_again() {
    let jobs = Jobs {
        loses_starts: true,
        ..Jobs::default()
    };
    let (server, world) = serving(jobs, &step("", &[START, POLL])).await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Failed);
    assert!(
        step.message.contains("may have begun there or not"),
        "{}",
        step.message
    );
    assert_eq!(server.lines().len(), 1);
}

async fn a_tool_that_is_away_for_a_moment_is_asked_again() {
    // Nobody listens there yet, so nothing can have begun.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let operation = ["start: {request: {path: /}}"];
    let configuration = json!({"url": format!("http://{address}")});
    let world = world("generic-rest", configuration, &step("", &operation)).await;
    world.assign(1).await;
    let said = world.log(1).await;
    assert!(
        said[0].message.contains("start failed and is tried again"),
        "{}",
        said[0].message
    );
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = axum::Router::new().fallback(async || "welcome");
    tokio::spawn(async move { axum::serve(listener, router).await });
    world.ended().await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Succeeded);
}

async fn a_step_without_its_tool_fails() {
    let world = World::with("  - {id: a, tool: {tool: t}}").await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Failed);
    assert!(step.message.contains("granted no tool"), "{}", step.message);
}
