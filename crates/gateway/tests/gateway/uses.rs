//! Each request that shows a token is one use of it, which services are told of and the bus as well.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use contracts::id::is_object_id;
use contracts::message::{TokenUsed, Topic};
use gateway::Config;
use outbox::Bus;
use runtime::{Readiness, Tasks};
use serde_json::json;

use crate::fakes::{PIPELINE, World, request};

async fn world_on_a_bus() -> (tempfile::TempDir, Bus, World) {
    let (directory, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let config = outbox::bus::Config {
        url: format!("embedded:{}", directory.path().display()),
        ..Default::default()
    };
    let bus = Bus::open(&config, &Readiness::new(), &tasks).await.unwrap();
    let world = World::over(&Config::default(), Some(bus.clone()));
    (directory, bus, world)
}

fn run(token: &str) -> Request<Body> {
    let asked = Request::post("/api/v1/pipeline/run").header("user-agent", "curl/8");
    let asked = asked.header("authorization", format!("Bearer {token}"));
    let body = json!({"pipelineId": PIPELINE}).to_string();
    asked.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn a_use_is_told_to_the_service_and_to_the_bus_under_one_id() {
    let (_directory, bus, world) = world_on_a_bus().await;
    let mut news = bus.broadcast(&[Topic::Access]).await.unwrap();
    for token in ["admin", "admin", "wrong", "user"] {
        world.send(run(token)).await;
    }
    let mut told: Vec<TokenUsed> = Vec::new();
    while told.len() < 4 {
        told.push(news.next().await.unwrap().decode().unwrap());
    }
    let started: Vec<_> = world.behind(|behind| {
        let callers = behind.starts.iter().map(|it| it.caller.clone().unwrap());
        callers.map(|caller| caller.r#use.unwrap()).collect()
    });
    assert_eq!(started.len(), 3);
    for (told, used) in told
        .iter()
        .filter(|it| !it.token_id.is_empty())
        .zip(&started)
    {
        assert!(is_object_id(&used.id));
        assert_eq!(
            (&told.use_id, &told.scope, &told.target),
            (&used.id, &used.scope, &used.target)
        );
    }
    let ids: std::collections::HashSet<_> = told.iter().map(|it| &it.use_id).collect();
    assert_eq!(ids.len(), 4, "each request is a use of its own");
    let (first, refused) = (&told[0], &told[2]);
    assert_eq!(
        (first.scope.as_str(), first.target.as_str()),
        ("api", "POST /api/v1/pipeline/run")
    );
    assert_eq!(
        (first.user_agent.as_str(), first.http_status),
        ("curl/8", 200)
    );
    assert_eq!(
        (refused.outcome.as_str(), refused.http_status),
        ("403 TOKEN_REFUSED", 403)
    );
    assert!(refused.scope.is_empty() && refused.account.is_empty());
}

#[tokio::test]
async fn a_token_that_is_not_good_is_forbidden_on_the_customers_face() {
    let world = World::new();
    for (header, expected, message) in [
        ("Bearer wrong", StatusCode::FORBIDDEN, "Forbidden"),
        ("Bearer ", StatusCode::FORBIDDEN, "Forbidden"),
        (
            "Basic dTpw",
            StatusCode::UNAUTHORIZED,
            "no token was shown: send the header Authorization: Bearer <token>",
        ),
    ] {
        let asked = Request::post("/api/v1/pipeline/run").header("authorization", header);
        let answer = world.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, expected, "{header}");
        assert_eq!(answer.json()["message"], message);
        let challenged = answer.headers.contains_key("www-authenticate");
        assert_eq!(challenged, expected == StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn only_who_sees_everything_is_told_that_there_is_nothing() {
    let world = World::new();
    let nothing = json!({"pipelineId": "5f5e1000aaaaaaaaaa000001"}).to_string();
    for (token, expected) in [
        ("admin", StatusCode::NOT_FOUND),
        ("user", StatusCode::FORBIDDEN),
    ] {
        for route in ["run", "status", "reset", "stop", "summary", "logs"] {
            let asked = Request::post(format!("/api/v1/pipeline/{route}"));
            let asked = asked.header("authorization", format!("Bearer {token}"));
            let answer = world
                .send(asked.body(Body::from(nothing.clone())).unwrap())
                .await;
            assert_eq!(answer.status, expected, "{token}: {route}");
        }
    }
    let listed = request("GET", "/api/v1/pipeline/pipelines")
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.send(listed).await.status, StatusCode::OK);
}
