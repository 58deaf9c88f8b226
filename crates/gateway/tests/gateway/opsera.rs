//! `/api/v1/pipeline`: the bodies of the contract, and what fills its gaps.

use axum::body::Body;
use axum::http::StatusCode;
use contracts::audit::Entry;
use contracts::message::{ActivityEntry, RunState, StepState, StopMode};
use contracts::pipeline::{Gate, RunStep};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::fakes::{PIPELINE, RUN, World, fault, request, run};

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
            "Pipeline 5fd56d90979ee048ee660624 can not be run: it is locked.",
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
async fn a_run_at_a_gate_is_paused() {
    let world = World::new();
    let mut waiting = run(3, RunState::Waiting);
    waiting.steps = vec![RunStep {
        slug: "go".into(),
        id: "2".repeat(24),
        name: "Go?".into(),
        state: StepState::Waiting.into(),
        gate: Some(Gate {
            message: "ok?".into(),
            ..Default::default()
        }),
        ..Default::default()
    }];
    world.set(|behind| behind.runs = [(3, waiting)].into());
    let answer = world
        .post("/api/v1/pipeline/status", &body(""))
        .await
        .json();
    assert_eq!(
        answer["message"],
        "Pipeline: Blank Template's Run 3 is paused pending user response."
    );
    assert_eq!(
        answer["currentStep"],
        json!({"_id": "2".repeat(24), "name": "Go?", "index": 0})
    );
    assert_eq!(
        answer["pendingApproval"],
        json!({"stepId": "2".repeat(24), "message": "ok?"})
    );
}

#[tokio::test]
async fn a_paused_pipeline_refuses_runs_in_the_contracts_bytes() {
    let world = World::new();
    let paused = fault(Code::FailedPrecondition, "PAUSED", "it waits");
    world.set(|behind| behind.failures.push_back(paused));
    let answer = world.post("/api/v1/pipeline/run", &body("")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let message = format!(
        "Pipeline {PIPELINE} is currently in a paused state.  Will not start another job until \
         this pending status is resolved."
    );
    assert_eq!(
        answer.text,
        format!(r#"{{"status":"failed","message":"{message}"}}"#)
    );
    assert!(world.behind(|it| it.starts[0].unless_paused));
}

#[tokio::test]
async fn people_approve_and_deny() {
    let world = World::new();
    for (route, approve, said) in [("approve", true, "approved"), ("deny", false, "denied")] {
        let path = format!("/api/v1/pipeline/{route}");
        let asked = body(r#","stepId":"go","runCount":"3","message":"fine""#);
        let answer = world.post(&path, &asked).await;
        let message = format!("The pending step has been {said}.");
        assert_eq!(
            answer.text,
            format!(r#"{{"status":"success","message":"{message}","runCount":3}}"#)
        );
        let asked = world.behind(|it| it.decisions.last().cloned().unwrap());
        assert_eq!((asked.approve, asked.run_count), (approve, 3));
        assert_eq!(
            (asked.step.as_str(), asked.message.as_str()),
            ("go", "fine")
        );
        let closed = fault(Code::FailedPrecondition, "NOT_OPEN", "nothing waits");
        world.set(|behind| behind.failures.push_back(closed));
        let answer = world.post(&path, &body("")).await;
        let message = format!("Pipeline {PIPELINE} can not be {said}: nothing waits.");
        assert_eq!(
            (answer.status, answer.text),
            (
                StatusCode::OK,
                format!(r#"{{"status":"failed","message":"{message}"}}"#)
            )
        );
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

#[tokio::test]
async fn summary_is_the_whole_document() {
    let world = World::new();
    let mut ended = run(3, RunState::Failed);
    ended.started_at_ms = 1_600_000_003_000;
    ended.ended_at_ms = 1_600_000_004_500;
    ended.steps = vec![RunStep {
        slug: "build".into(),
        id: "1".repeat(24),
        state: StepState::Failed.into(),
        ended_at_ms: 1_600_000_004_000,
        ..Default::default()
    }];
    world.set(|behind| {
        behind.pipeline.current_run = Some(ended.clone());
        behind.pipeline.latest_ended_run = Some(ended);
    });
    let document = world.post("/api/v1/pipeline/summary", &body("")).await;
    assert_eq!(document.json(), whole_document());
    assert!(document.text.starts_with(r#"{"_id":"#));
}

/// The document of the pipeline of these tests after a run whose first step failed.
fn whole_document() -> Value {
    json!({
        "_id": PIPELINE,
        "name": "Blank Template",
        "description": "",
        "type": ["sdlc"],
        "owner": "5e1cbf251c26d68f7ce6361e",
        "owner_name": "Ada",
        "account": "org",
        "roles": [],
        "role_access_level": "owner",
        "tags": [],
        "active": true,
        "locked": false,
        "workflow": {
            "source": {},
            "plan": [
                {
                    "_id": "1".repeat(24), "name": "build", "active": true, "type": ["script"],
                    "orchestration_type": "standard",
                    "tool": {"tool_identifier": "command-line", "configuration": {"commands": "make"}},
                    "trigger": [], "notification": [], "tags": [],
                },
                {
                    "_id": "2".repeat(24), "name": "Go?", "active": true, "type": ["approval"],
                    "orchestration_type": "standard",
                    "tool": {"tool_identifier": "approval", "configuration": {"message": "ok?"}},
                    "trigger": [], "notification": [], "tags": [],
                },
            ],
            "run_count": 3,
            "last_step": {
                "step_id": "1".repeat(24),
                "status": "stopped",
                "failed": {
                    "step_id": "1".repeat(24), "status": "failed",
                    "updatedAt": "2020-09-13T12:26:44.000Z",
                },
            },
            "last_run": {
                "run_count": 3, "status": "failed", "completed": "2020-09-13T12:26:44.500Z",
                "started": "2020-09-13T12:26:43.000Z", "triggeredBy": null, "duration": 1500,
            },
        },
        "state": "stopped",
        "status": "failed",
        "createdAt": "2020-09-13T12:26:40.000Z",
        "updatedAt": "2020-09-13T12:26:41.000Z",
        "__v": 0,
    })
}

#[tokio::test]
async fn the_position_follows_the_current_run() {
    for (state, word) in [
        (RunState::Running, "running"),
        (RunState::Cancelling, "running"),
    ] {
        let world = World::new();
        world.set(|behind| behind.pipeline.current_run = Some(run(3, state)));
        let document = world
            .post("/api/v1/pipeline/summary", &body(""))
            .await
            .json();
        assert_eq!(document["state"], word);
        assert_eq!(document["workflow"]["last_step"]["status"], word);
    }
    let world = World::new();
    let document = world
        .post("/api/v1/pipeline/summary", &body(""))
        .await
        .json();
    assert_eq!(document["workflow"]["last_step"], json!({}));
}

#[tokio::test]
async fn the_list_is_a_bare_array_for_power_users() {
    let world = World::new();
    let answer = world.get("/api/v1/pipeline/pipelines").await.json();
    assert_eq!(answer.as_array().unwrap().len(), 3);
    assert_eq!(answer[0]["_id"], PIPELINE);
    let asked = axum::http::Request::get("/api/v1/pipeline/pipelines");
    let asked = asked
        .header("authorization", "Bearer user")
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.send(asked).await.status, StatusCode::FORBIDDEN);
}

fn entry(seq: u64, kind: &str, message: &str) -> Entry {
    let line = ActivityEntry {
        seq,
        time_ms: 1_600_000_000_000 + i64::try_from(seq).unwrap(),
        step_id: "build".into(),
        r#try: 1,
        message: message.into(),
        ..Default::default()
    };
    let attempt = u32::from(kind.is_empty());
    Entry {
        run_id: RUN.into(),
        attempt,
        entry: Some(line),
        kind: kind.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn logs_are_a_bare_array_newest_first() {
    let world = World::new();
    world.set(|behind| {
        behind.latest.entries = vec![
            entry(4, "step.succeeded", "done"),
            entry(3, "", "two"),
            entry(2, "", "one"),
        ];
    });
    let asked = body(r#","runCount":3,"type":"console output""#);
    let records = world.post("/api/v1/pipeline/logs", &asked).await.json();
    let expected = json!({
        "_id": "5f5e100066 0aaa0100000002".replace(' ', ""),
        "pipeline_id": PIPELINE,
        "run_count": 3,
        "step_id": "1".repeat(24),
        "step_name": "build",
        "step_index": 0,
        "action": "console output",
        "message": "Console output of build",
        "status": "running",
        "api_response": {"consoleLog": "one\ntwo\n", "chunk": 0, "offset": 0},
        "account": "org",
        "owner": "5e1cbf251c26d68f7ce6361e",
        "createdAt": "2020-09-13T12:26:40.003Z",
        "updatedAt": "2020-09-13T12:26:40.003Z",
        "__v": 0,
    });
    assert_eq!(records[1], expected);
    assert_eq!(records[0]["action"], "step succeeded");
    let asked = world.behind(|it| it.latest_asked[0].clone());
    assert_eq!(
        (asked.run_id.as_str(), asked.console_only, asked.limit),
        (RUN, true, 1000)
    );

    let asked = body(r#","type":"Console Output","limit":5"#);
    let records = world.post("/api/v1/pipeline/logs", &asked).await.json();
    assert_eq!(records[0]["run_count"], 3);
    let asked = world.behind(|it| it.latest_asked[1].clone());
    assert_eq!(
        (asked.run_id.as_str(), asked.console_only, asked.limit),
        ("", false, 5)
    );
}

#[tokio::test]
async fn only_a_missing_token_is_401_and_every_other_refusal_is_the_same_403() {
    let world = World::new();
    for (said, expected) in [
        (None, (401, "unauthorized")),
        (Some("Basic dTpw"), (401, "unauthorized")),
        (Some("Bearer wrong"), (403, "forbidden")),
        (Some("Bearer "), (403, "forbidden")),
    ] {
        let mut asked = axum::http::Request::post("/api/v1/pipeline/run");
        if let Some(said) = said {
            asked = asked.header("authorization", said);
        }
        let answer = world.send(asked.body(Body::from(body(""))).unwrap()).await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), told["code"].as_str().unwrap()),
            expected,
            "{said:?}"
        );
        assert_eq!(told["status"], "failed");
        if expected.0 == 403 {
            assert_eq!(told["message"], "Forbidden");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_404_only_for_those_who_see_everything() {
    let world = World::new();
    let unknown = r#"{"pipelineId":"000000000000000000000000"}"#;
    for route in ["run", "status", "reset", "stop", "summary", "logs"] {
        let path = format!("/api/v1/pipeline/{route}");
        let answer = world.post(&path, unknown).await;
        assert_eq!(
            (answer.status, answer.json()["code"].clone()),
            (StatusCode::NOT_FOUND, json!("not_found")),
            "{route}"
        );
        let asked = axum::http::Request::post(&path).header("authorization", "Bearer user");
        let answer = world.send(asked.body(Body::from(unknown)).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{route}");
        assert_eq!(answer.json()["message"], "Forbidden");
    }
}

#[tokio::test]
async fn input_is_taken_liberally_but_not_blindly() {
    let world = World::new();
    let form = request("POST", "/api/v1/pipeline/run/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("pipelineId={PIPELINE}&more=1")))
        .unwrap();
    assert_eq!(world.send(form).await.json()["status"], "executed");
    for wrong in ["", "{", "{}", r#"{"pipelineId":"5"}"#] {
        let answer = world.post("/api/v1/pipeline/run", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        let told = answer.json();
        assert_eq!(
            (&told["status"], &told["code"]),
            (&json!("failed"), &json!("bad_request"))
        );
        assert_ne!(told["message"], Value::Null);
    }
}

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_told_in_the_envelope() {
    let world = World::new();
    let answer = world.post("/api/v1/pipeline/unknown", "").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["code"]),
        (404, &json!("not_found"))
    );
    let answer = world.get("/api/v1/pipeline/run").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
    assert_eq!(answer.json()["code"], "method_not_allowed");
}

#[tokio::test]
async fn a_token_can_be_tried_without_triggering_anything() {
    let world = World::new();
    let body = json!({"pipelineId": "x", "note": 1}).to_string();
    let answer = world.post("/api/v1/pipeline/demo", &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = answer.json();
    assert_eq!(told["status"], "success");
    assert_eq!(told["reqBody"]["note"], 1);
    assert_eq!(told["reqToken"]["scope"], "api");
    assert!(!answer.text.contains("Bearer") && !answer.text.contains("\"admin\""));
}

#[tokio::test]
async fn a_pipeline_is_made_of_a_document() {
    let world = World::new();
    let document = json!({
        "name": "Template",
        "workflow": {"plan": [{
            "name": "Say it",
            "tool": {"tool_identifier": "command-line", "configuration": {"commands": "echo"}},
        }]},
    });
    let answer = world
        .post("/api/v1/pipeline/create", &document.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let told = answer.json();
    assert_eq!(told["status"], "success");
    assert_eq!(told["newPipelineId"].as_str().map(str::len), Some(24));
    let answer = world.post("/api/v1/pipeline/create", "[1]").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
