//! Logs that are followed as server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use contracts::audit::{Entry, QueryActivityResponse};
use contracts::message::{ActivityEntry, EndCause, RunState};
use futures::StreamExt as _;
use gateway::Config;
use tonic::{Code, Status};

use crate::fakes::{Tail, World, fault, request, run};

const PATH: &str = "/api/v2/pipelines/7/runs/3/logs";

#[allow(clippy::unnecessary_wraps, reason = "a stream's items are results")]
fn said(seqs: &[u64], complete: bool) -> Result<QueryActivityResponse, Status> {
    let entries: Vec<_> = seqs
        .iter()
        .map(|seq| Entry {
            attempt: 1,
            entry: Some(ActivityEntry {
                seq: *seq,
                message: format!("line {seq}"),
                ..Default::default()
            }),
            cursor: format!("1.{seq}"),
            ..Default::default()
        })
        .collect();
    let next = entries
        .last()
        .map(|entry| entry.cursor.clone())
        .unwrap_or_default();
    Ok(QueryActivityResponse {
        entries,
        next,
        complete,
    })
}

fn world(tails: impl IntoIterator<Item = Tail>) -> World {
    let world = World::new();
    let mut ended = run(3, RunState::Failed);
    ended.end_cause = EndCause::StepFailed.into();
    world.set(|behind| {
        behind.runs = [(3, ended)].into();
        behind.tails = tails.into_iter().collect();
    });
    world
}

fn following(last_event: Option<&str>) -> axum::http::Request<Body> {
    let mut asked = request("GET", PATH).header("accept", "text/event-stream");
    if let Some(id) = last_event {
        asked = asked.header("last-event-id", id);
    }
    asked.body(Body::empty()).unwrap()
}

/// Name or id of each event.
fn events(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("id: ").or(line.strip_prefix("event: ")))
        .collect()
}

#[tokio::test]
async fn a_log_is_followed_until_its_run_ends() {
    let world = world([vec![
        said(&[1, 2], false),
        said(&[], false),
        said(&[3], true),
    ]]);
    let answer = world.send(following(None)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(events(&answer.text), ["1.1", "1.2", "1.3", "end"]);
    assert!(answer.text.contains("data: {\"seq\":1,"), "{}", answer.text);
    let end =
        "event: end\ndata: {\"runCount\":3,\"state\":\"failed\",\"endCause\":\"stepFailed\"}\n\n";
    assert!(answer.text.ends_with(end), "{}", answer.text);
}

#[tokio::test]
async fn a_follower_goes_on_after_its_last_event() {
    let world = world([vec![said(&[6], true)]]);
    let answer = world.send(following(Some("1.5"))).await;
    assert_eq!(events(&answer.text), ["1.6", "end"]);
    assert_eq!(world.behind(|it| it.asked[0].after.clone()), "1.5");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_taken_up_again_where_it_was() {
    let world = world([
        vec![
            said(&[1, 2], false),
            Err(Status::unavailable("the log restarts")),
        ],
        vec![said(&[3], false)],
        vec![Err(Status::resource_exhausted("too slow"))],
        vec![said(&[4], true)],
    ]);
    let answer = world.send(following(None)).await;
    assert_eq!(events(&answer.text), ["1.1", "1.2", "1.3", "1.4", "end"]);
    let asked = world.behind(|it| {
        it.asked
            .iter()
            .map(|it| it.after.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(asked, ["", "1.2", "1.3", "1.3"]);
}

#[tokio::test]
async fn a_log_that_can_not_be_followed_is_refused_at_once_or_broken_off() {
    let world = world([vec![
        said(&[1], false),
        Err(fault(Code::InvalidArgument, "CURSOR", "no cursor")),
    ]]);
    let answer = world.send(following(None)).await;
    assert_eq!(events(&answer.text), ["1.1"]);
    let asked =
        request("GET", "/api/v2/pipelines/7/runs/99/logs").header("accept", "text/event-stream");
    let answer = world.send(asked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_silent_log_has_a_heartbeat() {
    let world = World::with(&Config {
        heartbeat_ms: 10,
        ..Config::default()
    });
    let answer = world.stream(following(None)).await;
    let mut body = answer.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.starts_with(b": following"));
    for _ in 0..2 {
        assert_eq!(&body.next().await.unwrap().unwrap()[..], b":\n\n");
    }
}

#[tokio::test]
async fn a_follower_ends_with_its_client_and_with_the_process() {
    let world = world([]);
    drop(world.stream(following(None)).await);
    let mut body = world
        .stream(following(None))
        .await
        .into_body()
        .into_data_stream();
    body.next().await.unwrap().unwrap();
    world.tasks.drain();
    assert!(body.next().await.is_none());
    let ended = tokio::time::timeout(Duration::from_secs(10), world.tasks.ended()).await;
    assert!(ended.is_ok());
}

#[tokio::test]
async fn too_many_followers_are_refused() {
    let world = World::with(&Config {
        max_followers: 1,
        ..Config::default()
    });
    let first = world.stream(following(None)).await;
    assert_eq!(first.status(), StatusCode::OK);
    let answer = world.send(following(None)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
}
