//! Steps that are HTTP requests, against a server of the tests' own.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{get, put};
use contracts::message::StopMode;
use contracts::pipeline::{Outcome, StepReport};
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::{World, eventually, grant};

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        a_request_is_judged_by_its_status_and_its_answer_is_logged,
        files_of_the_workspace_are_sent_and_saved,
        no_file_outside_of_the_workspace_is_sent_or_written,
        secrets_go_into_headers_and_to_no_other_host,
        a_request_can_be_stopped_and_times_out,
        a_server_that_is_not_there_fails_the_step,
    ]
}

async fn server() -> SocketAddr {
    let router = Router::new()
        .route("/hello", get(|| async { "hello\nworld\n" }))
        .route(
            "/missing",
            get(|| async { (StatusCode::NOT_FOUND, "nothing here") }),
        )
        .route("/echo", put(|body: String| async move { body }))
        .route(
            "/whoami",
            get(|headers: HeaderMap| async move {
                headers
                    .get("x-key")
                    .map(|it| it.to_str().unwrap().to_owned())
                    .unwrap_or_default()
            }),
        )
        .route(
            "/slow",
            get(|| async { std::future::pending::<String>().await }),
        )
        .route(
            "/away",
            get(|headers: HeaderMap| async move {
                let host = headers["host"]
                    .to_str()
                    .unwrap()
                    .replace("127.0.0.1", "localhost");
                Redirect::temporary(&format!("http://{host}/whoami"))
            }),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn world(steps: &str) -> World {
    let mut world = World::new().await;
    let address = server().await;
    world.plan(&steps.replace("SERVER", &format!("http://{address}")));
    world.start(world.config()).await;
    world
}

fn outcomes(steps: &[StepReport]) -> Vec<Outcome> {
    steps.iter().map(StepReport::outcome).collect()
}

async fn a_request_is_judged_by_its_status_and_its_answer_is_logged() {
    let world = world(concat!(
        "  - {id: a, http: {url: 'SERVER/hello'}}\n",
        "  - {id: b, http: {url: 'SERVER/missing'}}\n",
        "  - {id: c, http: {url: 'SERVER/missing', expect: [404]}}",
    ))
    .await;
    let steps = world.carried_out().await;
    assert_eq!(
        outcomes(&steps),
        [Outcome::Succeeded, Outcome::Failed, Outcome::Succeeded]
    );
    assert!(
        steps[1].message.contains("404 Not Found"),
        "{}",
        steps[1].message
    );
    let log: Vec<_> = world
        .log(5)
        .await
        .into_iter()
        .map(|entry| entry.message)
        .collect();
    assert!(log[0].starts_with("GET http://127.0.0.1") && log[0].ends_with("/hello: 200 OK"));
    assert_eq!(log[1..3], ["hello", "world"]);
}

async fn files_of_the_workspace_are_sent_and_saved() {
    let world = world(concat!(
        "  - {id: a, run: 'echo content > file'}\n",
        "  - {id: b, http: {method: PUT, url: 'SERVER/echo', bodyFile: file, saveTo: deep/copy}}\n",
        "  - {id: c, run: 'cmp file deep/copy'}",
    ))
    .await;
    let steps = world.carried_out().await;
    assert_eq!(outcomes(&steps), [Outcome::Succeeded; 3], "{steps:?}");
}

async fn no_file_outside_of_the_workspace_is_sent_or_written() {
    let world = world(concat!(
        "  - {id: a, run: 'ln -s /etc out; ln -s /tmp/penstock-no-such-file file'}\n",
        "  - {id: b, http: {method: PUT, url: 'SERVER/echo', bodyFile: out/hostname}}\n",
        "  - {id: c, http: {url: 'SERVER/hello', saveTo: out/penstock}}\n",
        "  - {id: d, http: {url: 'SERVER/hello', saveTo: file}}",
    ))
    .await;
    let steps = world.carried_out().await;
    let failed = Outcome::Failed;
    assert_eq!(
        outcomes(&steps),
        [Outcome::Succeeded, failed, failed, failed]
    );
    assert!(
        steps[1].message.contains("out of the workspace"),
        "{}",
        steps[1].message
    );
    assert!(!std::path::Path::new("/tmp/penstock-no-such-file").exists());
}

async fn secrets_go_into_headers_and_to_no_other_host() {
    let world = world(concat!(
        "  - {id: a, secrets: {K: k}, http: {url: 'SERVER/whoami', headers: {x-key: '${{ secrets.K }}'}}}\n",
        "  - {id: b, secrets: {K: k}, http: {url: 'SERVER/away', headers: {x-key: '${{ secrets.K }}'}}}\n",
        "  - {id: c, http: {url: 'SERVER/away'}}",
    ))
    .await;
    let secret = |step: &str| {
        let mut granted = grant(step, 1);
        granted.secrets.insert("K".into(), b"open-sesame".to_vec());
        granted
    };
    world.script().first = vec![secret("a")];
    world.script().after.insert("a".into(), vec![secret("b")]);
    let steps = world.carried_out().await;
    assert_eq!(
        outcomes(&steps),
        [Outcome::Succeeded, Outcome::Failed, Outcome::Succeeded]
    );
    assert!(
        steps[1].message.contains("another host"),
        "{}",
        steps[1].message
    );
    let log = world.log(4).await;
    assert_eq!(log[1].message, "***");
}

async fn a_request_can_be_stopped_and_times_out() {
    let world = world("  - {id: a, timeout: 100ms, http: {url: 'SERVER/slow'}}\n  - {id: b, http: {url: 'SERVER/slow'}}").await;
    world.assign(1).await;
    eventually("a is reported", || !world.script().reports.is_empty()).await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    assert_eq!(
        outcomes(&world.script().steps()),
        [Outcome::TimedOut, Outcome::Cancelled]
    );
}

async fn a_server_that_is_not_there_fails_the_step() {
    let world = World::with("  - {id: a, http: {url: 'http://127.0.0.1:1/'}}").await;
    let steps = world.carried_out().await;
    assert_eq!(outcomes(&steps), [Outcome::Failed]);
    assert!(steps[0].message.contains("refused"), "{}", steps[0].message);
}
