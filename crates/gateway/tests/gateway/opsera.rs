//! `/api/v1/pipeline`: the bodies of the contract, and what fills its gaps.

mod documents;
mod gates;
mod refusals;

use axum::body::Body;
use axum::http::StatusCode;
use contracts::message::{RunState, StopMode};
use serde_json::json;
use tonic::{Code, Status};

use crate::fakes::{PIPELINE, World, fault, request, run};

fn body(more: &str) -> String {
    format!(r#"{{"pipelineId":"{PIPELINE}"{more}}}"#)
}

#[tokio::test]
async fn run_answers_the_contracts_bytes() {
    let world = World::new();
    let answer = world.post("/api/v1/pipeline/run", &body("")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        r#"{"status":"executed","message":"Run pipeline request submitted successfully for (5fd56d90979ee048ee660624)","runCount":4}"#
    );
    world.set(|behind| behind.queue_position = 2);
    let answer = world.post("/api/v1/pipeline/run", &body("")).await;
    assert!(
        answer
            .text
            .ends_with(r#""runCount":4,"queued":true,"queuePosition":2}"#),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn settings_become_parameters_where_the_source_allows_them() {
    let world = World::new();
    let more = r#","settings":{"branch":"dev"},"parameters":{"day":"today"}"#;
    let refused = world.post("/api/v1/pipeline/run", &body(more)).await;
    let message =
        format!("Pipeline {PIPELINE} can not be run: its source does not allow dynamic settings.");
    let expected = json!({"status": "failed", "message": message});
    assert_eq!(refused.json(), expected);
    let source = json!({"annotations": {"opsera": {"source": {"dynamicSettings": true}}}});
    world.set(|behind| behind.pipeline.definition_json = source.to_string());
    let answer = world.post("/api/v1/pipeline/run", &body(more)).await;
    assert_eq!(answer.json()["status"], "executed", "{}", answer.text);
    let given = world.behind(|it| it.starts[0].parameters.clone());
    let given: std::collections::BTreeMap<_, _> = given.into_iter().collect();
    let expected = [("branch", "dev"), ("day", "today")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(given, expected.into());
}

#[tokio::test]
async fn a_refused_run_is_a_200_that_says_failed() {
    let refusals = [
        (
            fault(Code::FailedPrecondition, "PAUSED", "a gate waits"),
            "Pipeline 5fd56d90979ee048ee660624 is currently in a paused state.  Will not start another job until this pending status is resolved.",
        ),
        (
            fault(
                Code::InvalidArgument,
                "NO_STEP",
                "pipeline \"x\" has no enabled step to run",
            ),
            "Pipeline 5fd56d90979ee048ee660624 has no enabled step.  Enable one before running it.",
        ),
        (
            fault(Code::FailedPrecondition, "LOCKED", "it is locked"),
            "Pipeline 5fd56d90979ee048ee660624 is locked. Unlock it before running it.",
        ),
    ];
    for (refusal, message) in refusals {
        let world = World::new();
        world.set(|behind| behind.failures.push_back(refusal));
        let answer = world.post("/api/v1/pipeline/run", &body("")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(
            answer.json(),
            json!({"status": "failed", "message": message})
        );
    }
}

#[tokio::test]
async fn a_start_is_tried_again_with_the_same_key_while_the_service_is_away() {
    let world = World::new();
    world.set(|behind| {
        behind.failures = [Status::unavailable("x"), Status::unavailable("y")].into();
    });
    let answer = world.post("/api/v1/pipeline/run", &body("")).await;
    assert_eq!(answer.json()["status"], "executed");
    let keys = world.behind(|it| {
        it.starts
            .iter()
            .map(|it| it.idempotency_key.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(keys.len(), 3);
    assert!(
        keys[0].len() == 32 && keys.iter().all(|key| *key == keys[0]),
        "{keys:?}"
    );
    assert!(world.behind(|it| it.starts.iter().all(|it| !it.key_given)));
}

#[tokio::test]
async fn a_callers_key_is_passed_on() {
    let world = World::new();
    let asked = request("POST", "/api/v1/pipeline/run").header("Idempotency-Key", "build 7");
    world
        .send(
            asked
                .body(Body::from(body(r#","parameters":{"day":"x","n":3}"#)))
                .unwrap(),
        )
        .await;
    let start = world.behind(|it| it.starts[0].clone());
    assert_eq!(
        (start.idempotency_key.as_str(), start.key_given),
        ("build 7", true)
    );
    assert_eq!(start.parameters["n"], "3");
    assert_eq!(start.caller.unwrap().actor.unwrap().name, "Ada");
}

#[tokio::test]
async fn status_tells_each_state_in_the_contracts_words() {
    let expected = [
        (
            RunState::Queued,
            "queued",
            "Pipeline: Blank Template's Run 3 is queued.",
        ),
        (
            RunState::Running,
            "running",
            "Pipeline: Blank Template's Run 3 is currently running.",
        ),
        (
            RunState::Cancelling,
            "running",
            "Pipeline: Blank Template's Run 3 is currently running.",
        ),
        (
            RunState::Succeeded,
            "success",
            "Pipeline: Blank Template's Run 3 was successful.",
        ),
        (
            RunState::Warned,
            "success",
            "Pipeline: Blank Template's Run 3 was successful.",
        ),
        (
            RunState::Failed,
            "failed",
            "Pipeline: Blank Template's Run 3 has failed.",
        ),
        (
            RunState::Cancelled,
            "stopped",
            "Pipeline: Blank Template's Run 3 was stopped.",
        ),
    ];
    let world = World::new();
    for (state, word, message) in expected {
        world.set(|behind| behind.runs = [(3, run(3, state))].into());
        for asked in [r#","runCount":3"#, r#","runCount":"3""#, ""] {
            let answer = world.post("/api/v1/pipeline/status", &body(asked)).await;
            let start = format!(r#"{{"status":"{word}","message":"{message}""#);
            assert!(answer.text.starts_with(&start), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_unknown_run_is_never_a_failed_one() {
    let world = World::new();
    let answer = world
        .post("/api/v1/pipeline/status", &body(r#","runCount":99"#))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let told = answer.json();
    assert_eq!(told["status"], "unknown");
    assert_eq!(
        told["message"],
        "Pipeline: Blank Template's Run 99 is unknown."
    );
    assert_eq!(told["code"], "not_found");
    assert_eq!(told["requestId"], answer.header("x-request-id"));
}

#[tokio::test]
async fn stop_and_reset_answer_the_contracts_bytes() {
    let world = World::new();
    let answer = world.post("/api/v1/pipeline/stop", &body("")).await;
    assert_eq!(
        answer.text,
        r#"{"status":"success","message":"The pipeline has been stopped."}"#
    );
    let answer = world.post("/api/v1/pipeline/reset", &body("")).await;
    assert_eq!(
        answer.text,
        r#"{"status":"success","message":"The pipeline run status has been reset."}"#
    );
    let stop = world.behind(|it| it.stops[0].clone());
    assert_eq!(
        (stop.run_count, stop.mode(), stop.keep_queue),
        (0, StopMode::Graceful, false)
    );
}

#[tokio::test]
async fn stop_takes_a_mode_and_says_what_it_took_from_the_queue() {
    let world = World::new();
    world.set(|behind| behind.queue_position = 2);
    let more = r#","mode":"force","runCount":"3","reason":"late","keepQueue":true"#;
    let answer = world
        .post("/api/v1/pipeline/stop", &body(more))
        .await
        .json();
    assert_eq!(answer["queuedRunsCancelled"], 2);
    let stop = world.behind(|it| it.stops[0].clone());
    assert_eq!(
        (stop.run_count, stop.mode(), stop.reason.as_str()),
        (3, StopMode::Cancel, "late")
    );
    assert!(stop.keep_queue);
    let answer = world
        .post("/api/v1/pipeline/stop", &body(r#","mode":"softly""#))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_running_pipeline_is_not_reset() {
    let world = World::new();
    world.set(|behind| {
        behind
            .failures
            .push_back(fault(Code::FailedPrecondition, "UNFINISHED", "it runs"));
    });
    let answer = world.post("/api/v1/pipeline/reset", &body("")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({
            "status": "failed",
            "message": "Pipeline 5fd56d90979ee048ee660624 is currently running.  Stop the pipeline before resetting it.",
        })
    );
    world
        .post("/api/v1/pipeline/reset", &body(r#","force":"true""#))
        .await;
    assert!(world.behind(|it| it.resets[0].force));
}
