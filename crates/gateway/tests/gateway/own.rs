//! `/api/v2`: what it answers and how it refuses.

use axum::body::Body;
use axum::http::StatusCode;
use contracts::audit::{Entry, QueryActivityResponse};
use contracts::message::{ActivityEntry, EndCause, RunState, StepState, StopMode, Stream};
use contracts::pipeline::RunStep;
use contracts::scheduler::ExplainResponse;
use serde_json::json;
use tonic::Code;

use crate::fakes::{PIPELINE, RUN, World, ada, fault, request, run};

#[tokio::test]
async fn a_definition_is_passed_on_as_it_is() {
    let world = World::new();
    world.set(|behind| behind.pipeline.created = true);
    let yaml = "name: x\nsteps: []\n";
    let answer = world.post("/api/v2/pipelines", yaml).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(
        answer.header("location"),
        format!("/api/v2/pipelines/{PIPELINE}")
    );
    let shown = answer.json();
    assert_eq!(
        (&shown["id"], &shown["number"]),
        (&json!(PIPELINE), &json!(7))
    );
    assert_eq!(shown["definition"]["steps"][0]["run"], "make");
    assert_eq!(shown["createdAt"], "2020-09-13T12:26:40.000Z");
    world.set(|behind| behind.pipeline.created = false);
    let answer = world.post("/api/v2/pipelines?upsert=true", yaml).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = world.ask("PUT", "/api/v2/pipelines/7", yaml).await;
    assert_eq!(answer.status, StatusCode::OK);
    world.behind(|it| {
        assert!(it.defined.iter().all(|define| define.source == yaml));
        assert_eq!(
            it.defined
                .iter()
                .map(|define| define.upsert)
                .collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(it.defined[2].pipeline.as_ref().unwrap().text, "7");
    });
}

#[tokio::test]
async fn every_fault_of_a_definition_is_listed_with_its_place() {
    let world = World::new();
    let message = "line 4, column 9: steps[0].run: is empty\nname: is missing";
    world.set(|behind| {
        behind
            .failures
            .push_back(fault(Code::InvalidArgument, "FAULTS", message));
    });
    let answer = world.post("/api/v2/pipelines", "steps: [{run: ''}]").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let told = answer.json();
    assert_eq!(told["type"], "/problems/faults");
    assert_eq!(
        told["faults"],
        json!([
            {"place": "steps[0].run", "line": 4, "column": 9, "message": "is empty"},
            {"place": "name", "message": "is missing"},
        ])
    );
}

#[tokio::test]
async fn a_thousand_faults_come_through_a_socket() {
    let world = World::remote().await;
    let line = "line 4, column 9: steps[0].needs[0]: there is no step called \"unknown\"\n";
    let refusal = fault(Code::InvalidArgument, "FAULTS", &line.repeat(1000));
    world.set(|behind| behind.failures.push_back(refusal));
    let answer = world.post("/api/v2/pipelines", "steps: []").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(answer.json()["faults"].as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn pipelines_are_listed_page_by_page() {
    let world = World::new();
    let first = world.get("/api/v2/pipelines?limit=2").await.json();
    let numbers = |page: &serde_json::Value| {
        page["pipelines"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["number"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!((numbers(&first), &first["next"]), (vec![0, 1], &json!("2")));
    let second = world.get("/api/v2/pipelines?limit=2&cursor=2").await.json();
    assert_eq!((numbers(&second), second.get("next")), (vec![2], None));
    for wrong in ["limit=0", "limit=1001", "limit=x", "limt=3"] {
        let answer = world.get(&format!("/api/v2/pipelines?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_pipeline_is_read_by_any_of_its_names_and_deleted() {
    let world = World::new();
    for path in [PIPELINE, "7", "Blank%20Template", "7/"] {
        let answer = world.get(&format!("/api/v2/pipelines/{path}")).await;
        assert_eq!(answer.json()["name"], "Blank Template", "{path}");
    }
    let answer = world.ask("DELETE", "/api/v2/pipelines/7", "").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    world.set(|behind| {
        behind
            .failures
            .push_back(fault(Code::FailedPrecondition, "UNFINISHED", "it runs"));
    });
    let answer = world.ask("DELETE", "/api/v2/pipelines/7", "").await;
    assert_eq!(
        (answer.status, answer.json()["detail"].clone()),
        (StatusCode::CONFLICT, json!("it runs"))
    );
    let answer = world.get("/api/v2/pipelines/none").await;
    let told = answer.json();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(told["type"], "/problems/no-pipeline");
    assert_eq!(told["detail"], "there is no pipeline \"none\"");
    assert_eq!(told["instance"], "/api/v2/pipelines/none");
    assert_eq!(told["requestId"], answer.header("x-request-id"));
}

#[tokio::test]
async fn a_run_is_accepted_with_its_number() {
    let world = World::new();
    let answer = world.post("/api/v2/pipelines/7/runs", "").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(
        answer.header("location"),
        format!("/api/v2/pipelines/{PIPELINE}/runs/4")
    );
    let shown = answer.json();
    assert_eq!(
        (&shown["runCount"], &shown["state"]),
        (&json!(4), &json!("queued"))
    );
    assert_eq!(
        (&shown["queuePosition"], &shown["repeated"]),
        (&json!(0), &json!(false))
    );
    let asked = request("POST", "/api/v2/pipelines/7/runs").header("idempotency-key", "k");
    let parameters = r#"{"parameters":{"day":"2030-01-31","dry":true}}"#;
    world
        .send(asked.body(Body::from(parameters)).unwrap())
        .await;
    let start = world.behind(|it| it.starts[1].clone());
    assert_eq!(
        (start.idempotency_key.as_str(), start.key_given),
        ("k", true)
    );
    assert_eq!(start.parameters["dry"], "true");
    for wrong in ["{", r#"{"parameter":{}}"#, r#"{"parameters":{"day":null}}"#] {
        let answer = world.post("/api/v2/pipelines/7/runs", wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn a_key_for_another_request_is_a_conflict() {
    let world = World::new();
    let refusal = fault(Code::FailedPrecondition, "KEY_REUSED", "the key was used");
    world.set(|behind| behind.failures.push_back(refusal));
    let asked = request("POST", "/api/v2/pipelines/7/runs").header("idempotency-key", "k");
    let answer = world.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.json()["type"], "/problems/key-reused");
}

#[tokio::test]
async fn a_run_shows_its_end_and_its_steps() {
    let world = World::new();
    let mut failed = run(3, RunState::Failed);
    failed.end_cause = EndCause::StepFailed.into();
    failed.ended_at_ms = 1_600_000_004_000;
    failed.steps = vec![RunStep {
        slug: "build".into(),
        id: "1".repeat(24),
        name: "build".into(),
        state: StepState::Failed.into(),
        tries: 2,
        exit_code: Some(0),
        started_at_ms: 1_600_000_003_000,
        message: "it broke".into(),
        ..Default::default()
    }];
    world.set(|behind| behind.runs = [(3, failed)].into());
    for path in ["3", "latest"] {
        let shown = world
            .get(&format!("/api/v2/pipelines/7/runs/{path}"))
            .await
            .json();
        assert_eq!(
            (&shown["state"], &shown["endCause"]),
            (&json!("failed"), &json!("stepFailed"))
        );
        assert_eq!(shown["endedAt"], "2020-09-13T12:26:44.000Z");
        assert_eq!(shown.get("startedAt"), None);
        let step = json!({
            "id": "build", "name": "build", "state": "failed", "tries": 2, "exitCode": 0,
            "startedAt": "2020-09-13T12:26:43.000Z", "message": "it broke",
        });
        assert_eq!(shown["steps"], json!([step]));
    }
    for (path, status) in [("0", 400), ("x", 400), ("-1", 400), ("99", 404)] {
        let answer = world.get(&format!("/api/v2/pipelines/7/runs/{path}")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
    let page = world.get("/api/v2/pipelines/7/runs").await.json();
    assert_eq!(
        (&page["runs"][0]["runCount"], &page["next"]),
        (&json!(3), &json!("more"))
    );
}

#[tokio::test]
async fn a_stop_is_accepted_for_one_run_or_all() {
    let world = World::new();
    let answer = world.post("/api/v2/pipelines/7/runs/3/stop", "").await;
    assert_eq!(
        (answer.status, answer.json()["runCount"].clone()),
        (StatusCode::ACCEPTED, json!(3))
    );
    let hard = r#"{"mode":"kill","reason":"too slow"}"#;
    world
        .post("/api/v2/pipelines/7/runs/latest/stop", hard)
        .await;
    let answer = world.post("/api/v2/pipelines/7/stop", hard).await;
    assert_eq!(answer.json()["runs"][0]["runCount"], 3);
    let stops = world.behind(|it| it.stops.clone());
    let shown: Vec<_> = stops.iter().map(|it| (it.run_count, it.mode())).collect();
    assert_eq!(
        shown,
        [
            (3, StopMode::Graceful),
            (3, StopMode::Kill),
            (0, StopMode::Kill)
        ]
    );
    assert_eq!(stops[1].reason, "too slow");
    let answer = world
        .post("/api/v2/pipelines/7/runs/3/stop", r#"{"mode":"softly"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let answer = world
        .post("/api/v2/pipelines/7/reset", r#"{"force":true}"#)
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn logs_are_read_page_by_page() {
    let world = World::new();
    let line = ActivityEntry {
        seq: 5,
        time_ms: 1_600_000_000_007,
        step_id: "build".into(),
        r#try: 1,
        stream: Stream::Stderr.into(),
        message: "a \"line\"".into(),
        truncated: false,
    };
    let entry = Entry {
        run_id: RUN.into(),
        attempt: 1,
        entry: Some(line),
        cursor: "1.5".into(),
        ..Entry::default()
    };
    world.set(|behind| {
        behind.activity = QueryActivityResponse {
            entries: vec![entry],
            next: "1.5".into(),
            complete: false,
        };
    });
    let page = world
        .get("/api/v2/pipelines/7/runs/3/logs?after=1.4&limit=10&step=build")
        .await;
    let expected = json!({
        "entries": [{
            "seq": 5, "time": "2020-09-13T12:26:40.007Z", "step": "build", "attempt": 1, "try": 1,
            "stream": "stderr", "message": "a \"line\"", "cursor": "1.5",
        }],
        "next": "1.5",
        "complete": false,
    });
    assert_eq!(page.json(), expected);
    let asked = world.behind(|it| it.asked[0].clone());
    assert_eq!((asked.run_id.as_str(), asked.after.as_str()), (RUN, "1.4"));
    assert_eq!((asked.limit, asked.step_id.as_str()), (10, "build"));
}

#[tokio::test]
async fn a_run_is_explained_with_what_the_scheduler_knows() {
    let world = World::new();
    world.set(|behind| {
        behind.runs = [(3, run(3, RunState::Queued))].into();
        behind.explains = ExplainResponse {
            queue_place: 2,
            slots: 4,
            busy: 4,
            executors: 1,
            ..Default::default()
        };
    });
    let told = world
        .get("/api/v2/pipelines/7/runs/latest/explain")
        .await
        .json();
    assert_eq!(told["state"], "queued");
    assert_eq!(
        told["sentences"][0]["text"],
        "The run is number 2 in the queue: all 4 slots are busy."
    );
    assert_eq!(told["sentences"][0]["facts"]["queuePlace"], 2);

    let mut stopped = run(3, RunState::Cancelled);
    stopped.end_cause = EndCause::Stopped.into();
    stopped.ended_by = Some(ada());
    world.set(|behind| behind.runs = [(3, stopped)].into());
    let told = world.get("/api/v2/pipelines/7/runs/3/explain").await.json();
    assert_eq!(told["sentences"][0]["text"], "The run was stopped by Ada.");
    assert_eq!(told["sentences"][0]["facts"]["endCause"], "stopped");
}

#[tokio::test]
async fn secrets_come_in_and_never_go_out() {
    let world = World::new();
    let answer = world
        .ask("PUT", "/api/v2/secrets/a", r#"{"value":"hunter2"}"#)
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::CREATED, json!({"name": "a", "created": true}))
    );
    let asked =
        request("PUT", "/api/v2/secrets/b").header("content-type", "text/plain; charset=utf-8");
    world.send(asked.body(Body::from("two\n")).unwrap()).await;
    assert_eq!(world.behind(|it| it.secrets["b"].clone()), b"two\n");
    let answer = world
        .ask("PUT", "/api/v2/secrets/a", r#"{"valve":"hunter2"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    let page = world.get("/api/v2/secrets?limit=1").await;
    assert!(!page.text.contains("hunter2"));
    assert_eq!(
        (&page.json()["secrets"][0]["name"], &page.json()["next"]),
        (&json!("a"), &json!("a"))
    );
    let page = world.get("/api/v2/secrets?limit=2&cursor=a").await.json();
    assert_eq!(
        (&page["secrets"][0]["name"], page.get("next")),
        (&json!("b"), None)
    );
    assert_eq!(
        world.ask("DELETE", "/api/v2/secrets/a", "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        world.ask("DELETE", "/api/v2/secrets/a", "").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn executors_are_listed_and_drained_by_administrators() {
    let world = World::new();
    let shown = world.get("/api/v2/executors").await.json();
    assert_eq!(
        (
            &shown["executors"][0]["name"],
            &shown["executors"][0]["slots"]
        ),
        (&json!("one"), &json!(4))
    );
    let answer = world.post("/api/v2/executors/one/drain", "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    world
        .post("/api/v2/executors/one/drain", r#"{"drain":false}"#)
        .await;
    let told: Vec<_> = world.behind(|it| it.drained.iter().map(|it| it.drain).collect());
    assert_eq!(told, [true, false]);
    let asked = axum::http::Request::post("/api/v2/executors/one/drain");
    let asked = asked
        .header("authorization", "Bearer user")
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.send(asked).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_documents_are_public() {
    let world = World::new();
    for path in ["/api/v2/openapi.json", "/api/v2/schemas/pipeline.json"] {
        let asked = axum::http::Request::get(path).body(Body::empty()).unwrap();
        let answer = world.send(asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.json().is_object());
    }
}
