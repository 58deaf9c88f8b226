//! Steps whose workspace is saved in a bucket that doesn't take it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use executor::{Config, S3, Sharing};
use libtest_mimic::Trial;
use runtime::config::Secret;

use crate::trials_of;
use crate::world::{World, eventually};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        a_step_fails_whose_workspace_is_refused_and_says_what_to_change,
        a_stop_does_not_wait_for_a_store_that_is_away,
    ]
}

/// A world whose bucket answers everything with this status, and how often it did.
async fn world(steps: &str, status: StatusCode) -> (World, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let router = Router::new().fallback(move || async move {
        count.fetch_add(1, Ordering::Relaxed);
        (status, "<Error><Code>AccessDenied</Code></Error>")
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut world = World::new().await;
    world.plan(steps);
    let config = Config {
        workspace: Sharing::Snapshot,
        snapshot_store: "s3://files".into(),
        s3: S3 {
            endpoint: format!("http://{address}"),
            access_key_id: "penstock".into(),
            secret_access_key: Secret::new("hunter2"),
            ..S3::default()
        },
        ..world.config()
    };
    world.start(config).await;
    (world, asked)
}

async fn a_step_fails_whose_workspace_is_refused_and_says_what_to_change() {
    let steps = "  - {id: a, run: 'echo 1 > made'}";
    let (world, _) = world(steps, StatusCode::FORBIDDEN).await;
    let [step] = &world.carried_out().await[..] else {
        panic!("one step")
    };
    assert_eq!(step.outcome(), Outcome::Failed);
    assert_eq!(step.exit_code, Some(0));
    for word in ["s3://files", "AccessDenied", "executor.s3.access_key_id"] {
        assert!(step.message.contains(word), "{}", step.message);
    }
}

async fn a_stop_does_not_wait_for_a_store_that_is_away() {
    let steps = "  - {id: a, run: 'echo 1 > made'}\n  - {id: b, run: 'true'}";
    let (world, asked) = world(steps, StatusCode::SERVICE_UNAVAILABLE).await;
    // The sweep asks as well, so what counts is what comes after the step.
    world.assign(1).await;
    world.made("made").await;
    let before = asked.load(Ordering::Relaxed);
    eventually("it is asked again", || {
        asked.load(Ordering::Relaxed) > before + 1
    })
    .await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    let steps = world.script().steps();
    assert_eq!(steps[0].outcome(), Outcome::Cancelled, "{steps:?}");
}
