//! The pipeline document, the list and the log.

use axum::body::Body;
use axum::http::StatusCode;
use contracts::audit::Entry;
use contracts::message::{ActivityEntry, RunState, StepState};
use contracts::pipeline::RunStep;
use serde_json::{Value, json};

use super::body;
use crate::fakes::{PIPELINE, RUN, World, run};

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
