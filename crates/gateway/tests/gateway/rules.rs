//! What holds for every request: tokens, limits, ids, headers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use contracts::message::TokenChanged;
use gateway::Config;
use outbox::{Bus, Post};
use runtime::{Readiness, Tasks};
use serde_json::json;

use crate::fakes::{World, request};

async fn as_whom(world: &World, token: &str) -> StatusCode {
    let asked = axum::http::Request::get("/api/v2/secrets");
    let asked = asked.header("authorization", format!("Bearer {token}"));
    world.send(asked.body(Body::empty()).unwrap()).await.status
}

#[tokio::test]
async fn the_registry_is_asked_once_about_a_token_good_or_wrong() {
    let world = World::new();
    let asked = || world.fake.authentications.load(Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(as_whom(&world, "admin").await, StatusCode::OK);
        assert_eq!(as_whom(&world, "wrong").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_token_that_changed_is_asked_for_again_at_once() {
    let (directory, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let config = outbox::bus::Config {
        url: format!("embedded:{}", directory.path().display()),
        ..Default::default()
    };
    let bus = Bus::open(&config, &Readiness::new(), &tasks).await.unwrap();
    let world = World::over(&Config::default(), Some(bus.clone()));
    as_whom(&world, "admin").await;
    let change = TokenChanged {
        token_id: "61043b2bbcb6d95b55adc5fd".into(),
        actor: None,
    };
    // Broadcasts are heard from the moment of listening on, so the change is told until it is heard.
    let heard = async {
        while world.fake.authentications.load(Ordering::SeqCst) < 2 {
            let post = Post::of(&change, "1", 1).unwrap();
            bus.publish(vec![post]).await.unwrap();
            as_whom(&world, "admin").await;
        }
    };
    let limit = Duration::from_secs(4);
    assert!(tokio::time::timeout(limit, heard).await.is_ok());
}

#[tokio::test]
async fn a_registry_that_is_away_refuses_nobody() {
    let world = World::new();
    let asked = axum::http::Request::get("/api/v2/secrets").header("authorization", "Bearer away");
    let answer = world.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!answer.text.contains("10.0.0.7"), "{}", answer.text);
    assert_eq!(
        as_whom(&world, "away").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(world.fake.authentications.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_wrong_token_is_told_without_repeating_it() {
    let world = World::new();
    let asked =
        axum::http::Request::get("/api/v2/secrets").header("authorization", "Bearer hunter2");
    let answer = world.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert!(!answer.text.contains("hunter2"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_and_says_the_limit() {
    let world = World::new();
    let long = " ".repeat(1024 * 1024 + 1);
    for (path, field) in [
        ("/api/v2/pipelines", "detail"),
        ("/api/v1/pipeline/run", "message"),
    ] {
        let answer = world.post(path, &long).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        let told = answer.json()[field].as_str().unwrap().to_owned();
        assert_eq!(
            told,
            "the body is longer than 1048576 bytes, the most that is read"
        );
    }
    // Without a length the limit is found while reading.
    let pieces =
        futures::stream::iter((0..3).map(|_| Ok::<_, std::io::Error>(" ".repeat(500_000))));
    let asked = request("POST", "/api/v2/pipelines")
        .body(Body::from_stream(pieces))
        .unwrap();
    assert_eq!(
        world.send(asked).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn every_answer_has_an_id_and_the_security_headers() {
    let world = World::new();
    for path in ["/api/v2/executors", "/api/v2/nothing", "/elsewhere"] {
        let asked = request("GET", path).header("x-request-id", "mine-7");
        let answer = world.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-request-id"), "mine-7");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        let asked = request("GET", path).header("x-request-id", "not an id");
        let answer = world.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-request-id").len(), 32);
    }
}

#[tokio::test]
async fn what_is_nowhere_or_not_meant_is_told_as_a_problem() {
    let world = World::new();
    let answer = world.get("/api/v2/nothing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.json()["type"], "/problems/no-route");
    let answer = world.ask("PATCH", "/api/v2/pipelines/7", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
    assert_eq!(answer.json()["type"], "/problems/method-not-allowed");
    let answer = world.get("/api/v2/pipelines/%ff").await;
    assert_eq!(
        (answer.status, answer.json()["status"].clone()),
        (StatusCode::BAD_REQUEST, json!(400))
    );
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let world = World::new();
    let answer = world.ask("HEAD", "/api/v2/executors", "").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    let answer = world.ask("HEAD", "/api/v2/pipelines/none", "").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::NOT_FOUND, "")
    );
}

#[tokio::test]
async fn too_many_requests_at_a_time_are_shed() {
    let world = World::with(&Config {
        max_requests: 0,
        ..Config::default()
    });
    let answer = world.get("/api/v2/executors").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.json()["type"], "/problems/overloaded");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let world = World::with(&Config {
        request_timeout_ms: 50,
        ..Config::default()
    });
    let never = futures::stream::pending::<Result<String, std::io::Error>>();
    let asked = request("POST", "/api/v2/pipelines")
        .body(Body::from_stream(never))
        .unwrap();
    let answer = world.send(asked).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_panic_fails_the_request_and_nothing_else() {
    let world = World::new();
    let panics = futures::stream::poll_fn(
        |_| -> std::task::Poll<Option<Result<String, std::io::Error>>> { panic!("on purpose") },
    );
    let asked = request("POST", "/api/v2/pipelines")
        .body(Body::from_stream(panics))
        .unwrap();
    let answer = world.send(asked).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["type"], "/problems/internal");
    assert!(!answer.text.contains("purpose"));
    assert_eq!(world.get("/api/v2/executors").await.status, StatusCode::OK);
}
