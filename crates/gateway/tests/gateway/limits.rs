//! What a token and an address may ask for.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use gateway::{Config, Rate, Rates};
use serde_json::json;

use crate::fakes::{World, request};

/// A budget for one list or two logs, and for two failures.
fn tight() -> Config {
    let rate = |burst| Rate {
        per_minute: 1,
        burst,
    };
    Config {
        limits: Rates {
            reading: rate(10),
            failures: rate(2),
            ..Rates::default()
        },
        ..Config::default()
    }
}

#[tokio::test]
async fn a_token_that_lists_too_much_is_told_when_to_come_back_and_can_still_stop() {
    let world = World::with(&tight());
    let answer = world.get("/api/v2/secrets").await;
    assert_eq!(answer.status, StatusCode::OK);
    let told = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];
    assert_eq!(told.map(|it| answer.header(it)), ["10", "0", "600"]);

    let answer = world.get("/api/v2/secrets").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["type"], "/problems/rate");
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((590..=600).contains(&wait), "{wait}");
    let logs = json!({"pipelineId": "5fd56d90979ee048ee660624"}).to_string();
    let answer = world.post("/api/v1/pipeline/logs", &logs).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["code"], "rate_limited");

    let answer = world.post("/api/v1/pipeline/stop", &logs).await;
    assert_ne!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn an_address_that_fails_too_often_is_refused_unasked_but_not_its_good_tokens() {
    let world = World::with(&tight());
    let from = |token: &str, address: [u8; 4]| {
        let asked = axum::http::Request::get("/api/v2/pipelines/7");
        let client = ConnectInfo(SocketAddr::from((address, 4711)));
        asked
            .header("authorization", format!("Bearer {token}"))
            .extension(client)
            .body(Body::empty())
            .unwrap()
    };
    let here = [10, 0, 0, 1];
    assert_ne!(
        world.send(from("admin", here)).await.status,
        StatusCode::UNAUTHORIZED
    );
    for _ in 0..3 {
        let answer = world.send(from("wrong", here)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let asked = world.fake.authentications.load(Ordering::SeqCst);
    let answer = world.send(from("wronger", here)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["type"], "/problems/failures");
    assert_eq!(world.fake.authentications.load(Ordering::SeqCst), asked);

    assert_ne!(
        world.send(from("admin", here)).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "it was good lately"
    );
    let elsewhere = world.send(from("wronger", [10, 0, 0, 2])).await;
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_limits_no_answer_speaks_of_them() {
    let none = Rate {
        per_minute: 0,
        burst: 0,
    };
    let world = World::with(&Config {
        limits: Rates {
            acting: none,
            reading: none,
            failures: none,
        },
        ..Config::default()
    });
    let answer = world
        .send(
            request("GET", "/api/v2/secrets")
                .body(Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("ratelimit-limit"), "");
}
