//! GitLab: a pipeline of jobs, each with a trace that grows.

use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::json;

use super::{
    Asked, CANARY, Reply, Server, Tool, log, only_step, position, said, status, text, world,
};
use crate::trials_of;

const PROJECT: &str = "/api/v4/projects/group%2Fweb";
const STEP: &str = "  - {id: ship, tool: {tool: lab, every: 100ms, with: {project: group/web, ref: v1, variables: {A: 1}}}}";

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        gitlab_runs_a_pipeline_and_its_jobs_traces_are_read,
        gitlab_is_told_to_cancel_a_pipeline,
        gitlab_refuses_a_token_that_is_not_right,
    ]
}

#[derive(Default)]
struct Gitlab {
    never_ends: bool,
    polls: usize,
    is_cancelled: bool,
}

impl Gitlab {
    fn status(&self) -> &'static str {
        match self.polls {
            _ if self.is_cancelled => "canceled",
            0..2 => "created",
            2..5 => "running",
            _ if self.never_ends => "running",
            _ => "failed",
        }
    }
}

impl Tool for Gitlab {
    fn admits(&self, asked: &Asked) -> bool {
        asked.header("private-token") == CANARY
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let path = asked.path.replace(PROJECT, "");
        match path.as_str() {
            "POST /pipeline" => {
                let expected = json!({"ref": "v1", "variables": [{"key": "A", "value": "1"}]});
                assert_eq!(asked.json(), expected);
                said(
                    201,
                    json!({"id": 5, "web_url": "https://lab/p/5", "status": "created"}),
                )
            }
            "GET /pipelines/5" => {
                self.polls += 1;
                said(200, json!({"id": 5, "status": self.status()}))
            }
            "GET /pipelines/5/jobs" => {
                let second = if self.polls < 5 { "running" } else { "failed" };
                said(
                    200,
                    json!([
                        {"id": 1, "name": "build", "status": "success", "started_at": "2026-01-01T00:00:00Z"},
                        {"id": 2, "name": "test", "status": second, "started_at": "2026-01-01T00:00:00Z"},
                        {"id": 3, "name": "deploy", "status": "created", "started_at": null},
                    ]),
                )
            }
            "GET /jobs/1/trace" => text(format!("building with {CANARY}\nbuilt\n")),
            "GET /jobs/2/trace" if self.polls < 5 => text("testing\nhalf a li"),
            "GET /jobs/2/trace" => text("testing\nhalf a line\nfailed"),
            "POST /pipelines/5/cancel" => {
                self.is_cancelled = true;
                said(200, json!({"id": 5, "status": "canceled"}))
            }
            _ => status(404),
        }
    }
}

async fn gitlab_runs_a_pipeline_and_its_jobs_traces_are_read() {
    let server = Server::of(Gitlab::default()).await;
    let world = world("GITLAB", json!({"url": server.url()}), STEP).await;
    let step = only_step(&world).await;
    assert_eq!(
        (step.outcome(), step.message.as_str()),
        (Outcome::Failed, "gitlab says failed")
    );
    assert_eq!(step.outputs["url"], "https://lab/p/5");
    let lines = log(&world).await;
    let order = [
        "log of build",
        "building with ***",
        "built",
        "log of test",
        "testing",
        "half a line",
        "failed",
    ];
    let mut from = 0;
    for part in order {
        from += position(&lines[from..], part);
    }
    assert_eq!(
        lines.iter().filter(|line| *line == "testing").count(),
        1,
        "{lines:#?}"
    );
    assert_eq!(server.count("/jobs/3/"), 0);
    // What has ended is read once.
    assert_eq!(server.count("/jobs/1/trace"), 1);
}

async fn gitlab_is_told_to_cancel_a_pipeline() {
    let server = Server::of(Gitlab {
        never_ends: true,
        ..Gitlab::default()
    })
    .await;
    let world = world("gitlab", json!({"url": server.url()}), STEP).await;
    world.assign(1).await;
    server.until("/trace").await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Cancelled);
    assert!(server.tool().is_cancelled);
}

async fn gitlab_refuses_a_token_that_is_not_right() {
    let server = Server::of(Gitlab::default()).await;
    let world = world("gitlab", json!({"url": server.url(), "token": "old"}), STEP).await;
    let step = only_step(&world).await;
    assert_eq!(step.message, "gitlab: start was answered with 401");
}
