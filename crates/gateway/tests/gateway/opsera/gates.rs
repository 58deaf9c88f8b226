//! A run at a gate: paused, approved, denied.

use axum::http::StatusCode;
use contracts::message::{RunState, StepState};
use contracts::pipeline::{Gate, RunStep};
use serde_json::json;
use tonic::Code;

use super::body;
use crate::fakes::{PIPELINE, World, fault, run};

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
async fn a_start_may_say_what_its_gate_asks() {
    let world = World::new();
    let gate = "2".repeat(24);
    let more = format!(r#","stepId":"{gate}","message":"Ship it?""#);
    for sent in [body(""), body(&more)] {
        let answer = world.post("/api/v1/pipeline/run", &sent).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    world.set(|behind| {
        let asked = behind
            .starts
            .iter()
            .map(|it| (it.gate.as_str(), it.gate_message.as_str()));
        let expected = [("", ""), (gate.as_str(), "Ship it?")];
        assert_eq!(asked.collect::<Vec<_>>(), expected);
        assert_ne!(behind.starts[0].fingerprint, behind.starts[1].fingerprint);
    });
}
