//! GitHub: a dispatch that is found again, and logs that another origin serves.

use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{Asked, Reply, Server, Tool, log, only_step, position, said, status, text, world};
use crate::trials_of;

const REPOSITORY: &str = "/repos/acme/web";

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        github_finds_the_run_of_a_dispatch_and_its_logs_elsewhere,
        github_that_names_the_run_is_not_searched,
        github_is_told_to_cancel_or_to_end_at_once,
    ]
}

#[derive(Default)]
struct Github {
    blobs: String,
    never_ends: bool,
    key: String,
    lists: usize,
    polls: usize,
    is_cancelled: bool,
}

impl Tool for Github {
    fn answer(&mut self, asked: &Asked) -> Reply {
        assert_eq!(asked.header("accept"), "application/vnd.github+json");
        let path = asked.path.replace(REPOSITORY, "");
        match path.as_str() {
            "POST /actions/workflows/build.yml/dispatches" => self.dispatched(&asked.json()),
            "GET /actions/runs" => {
                self.lists += 1;
                let mut runs = vec![json!({"id": 1, "display_title": "someone else's"})];
                if self.lists > 2 {
                    runs.push(json!({"id": 9, "display_title": format!("build {}", self.key)}));
                }
                said(200, json!({"workflow_runs": runs}))
            }
            "GET /actions/runs/9" => {
                self.polls += 1;
                let (state, conclusion) = match self.polls {
                    _ if self.is_cancelled => ("completed", json!("cancelled")),
                    0..2 => ("queued", Value::Null),
                    2..4 => ("in_progress", Value::Null),
                    _ if self.never_ends => ("in_progress", Value::Null),
                    _ => ("completed", json!("success")),
                };
                said(
                    200,
                    json!({"id": 9, "status": state, "conclusion": conclusion, "html_url": "https://hub/9"}),
                )
            }
            "GET /actions/runs/9/jobs" => said(
                200,
                json!({"jobs": [
                    {"id": 90, "name": "build", "status": "completed"},
                    {"id": 91, "name": "gone", "status": "completed"},
                ]}),
            ),
            "GET /actions/jobs/90/logs" => {
                let mut reply = status(302);
                reply
                    .headers
                    .push(("location", format!("{}/blob", self.blobs)));
                reply
            }
            "GET /actions/jobs/91/logs" => status(410),
            "POST /actions/runs/9/cancel" | "POST /actions/runs/9/force-cancel" => {
                self.is_cancelled = true;
                said(202, json!({}))
            }
            _ => status(404),
        }
    }
}

impl Github {
    fn dispatched(&mut self, body: &Value) -> Reply {
        assert_eq!(body["ref"], "main");
        assert_eq!(body["inputs"]["level"], "2");
        if body["return_run_details"] == true {
            return said(200, json!({"workflow_run_id": 9}));
        }
        self.key = body["inputs"]["trace"].as_str().unwrap().into();
        assert!(
            self.key
                .starts_with("penstock-0123456789abcdef01234567-ship-")
        );
        status(204)
    }
}

/// What keeps the logs: it must not be told the token.
struct Blobs;

impl Tool for Blobs {
    fn admits(&self, asked: &Asked) -> bool {
        !asked.headers.contains_key("authorization")
            && !asked.headers.contains_key("x-github-api-version")
    }

    fn answer(&mut self, _: &Asked) -> Reply {
        text("2026-01-01T00:00:00Z step one\n2026-01-01T00:00:01Z step two")
    }
}

fn step(more: &str) -> String {
    format!(
        "  - {{id: ship, tool: {{tool: hub, every: 100ms, with: {{repository: acme/web, workflow: build.yml, inputs: {{level: '2'}}{more}}}}}}}"
    )
}

async fn github_finds_the_run_of_a_dispatch_and_its_logs_elsewhere() {
    let blobs = Server::of(Blobs).await;
    let server = Server::of(Github {
        blobs: blobs.url(),
        ..Github::default()
    })
    .await;
    let world = world(
        "github-actions",
        json!({"apiUrl": server.url()}),
        &step(", correlation: trace"),
    )
    .await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Succeeded, "{}", step.message);
    assert_eq!(step.outputs["url"], "https://hub/9");
    let lines = log(&world).await;
    assert!(position(&lines, "log of build") < position(&lines, "step two"));
    assert_eq!(blobs.lines(), ["GET /blob"]);
    assert_eq!(server.count("/dispatches"), 1);
}

async fn github_that_names_the_run_is_not_searched() {
    let blobs = Server::of(Blobs).await;
    let server = Server::of(Github {
        blobs: blobs.url(),
        ..Github::default()
    })
    .await;
    let world = world("github", json!({"apiUrl": server.url()}), &step("")).await;
    assert_eq!(only_step(&world).await.outcome(), Outcome::Succeeded);
    assert_eq!(server.tool().lists, 0);
}

async fn github_is_told_to_cancel_or_to_end_at_once() {
    for (mode, path) in [
        (StopMode::Cancel, "/9/cancel"),
        (StopMode::Kill, "/9/force-cancel"),
    ] {
        let server = Server::of(Github {
            never_ends: true,
            ..Github::default()
        })
        .await;
        let world = world("github", json!({"apiUrl": server.url()}), &step("")).await;
        world.assign(1).await;
        server.until("GET /repos/acme/web/actions/runs/9").await;
        world.stop(mode).await;
        world.ended().await;
        assert_eq!(server.count(path), 1, "{:?}", server.lines());
    }
}
