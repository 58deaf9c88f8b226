//! What is refused, and in which words.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::body;
use crate::fakes::{PIPELINE, World, request};

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
