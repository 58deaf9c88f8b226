//! Argo Workflows: a workflow with a name of ours, and a log of JSON lines.

use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::json;

use super::{Asked, Reply, Server, Tool, log, only_step, position, said, status, text, world};
use crate::trials_of;

const STEP: &str = "  - {id: flow, tool: {tool: argo, every: 100ms, with: {template: nightly, parameters: {day: today}}}}";

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        argo_submits_a_template_under_a_name_of_its_own,
        argo_that_has_the_workflow_already_is_followed,
        argo_stops_or_terminates,
    ]
}

#[derive(Default)]
struct Argo {
    has_it: bool,
    never_ends: bool,
    name: String,
    polls: usize,
    ended_by: Option<&'static str>,
}

impl Tool for Argo {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let path = asked.path.replace("/api/v1/workflows/data", "");
        if path == "POST /submit" {
            return self.submitted(asked);
        }
        let path = path.replace(&self.name, "NAME");
        match path.as_str() {
            "GET /NAME" => {
                self.polls += 1;
                let phase = match self.polls {
                    _ if self.ended_by.is_some() => "Failed",
                    0..2 => return said(200, json!({"metadata": {"name": self.name}})),
                    2..4 => "Running",
                    _ if self.never_ends => "Running",
                    _ => "Succeeded",
                };
                let progress = format!("{}/3", self.polls.min(3));
                said(
                    200,
                    json!({"status": {"phase": phase, "progress": progress, "message": "as it is"}}),
                )
            }
            "GET /NAME/log" => text(concat!(
                "{\"result\":{\"content\":\"hello\",\"podName\":\"pod-1\"}}\n",
                "{\"result\":{\"content\":\"world\",\"podName\":\"pod-2\"}}\n",
            )),
            "PUT /NAME/stop" => self.ended("stop"),
            "PUT /NAME/terminate" => self.ended("terminate"),
            _ => status(404),
        }
    }
}

impl Argo {
    fn submitted(&mut self, asked: &Asked) -> Reply {
        let body = asked.json();
        assert_eq!(body["resourceKind"], "WorkflowTemplate");
        assert_eq!(body["resourceName"], "nightly");
        assert_eq!(body["submitOptions"]["parameters"], json!(["day=today"]));
        self.name = body["submitOptions"]["name"].as_str().unwrap().into();
        if self.has_it {
            return said(
                409,
                json!({"code": 6, "message": "workflows.argoproj.io already exists"}),
            );
        }
        said(200, json!({"metadata": {"name": self.name}}))
    }

    fn ended(&mut self, by: &'static str) -> Reply {
        self.ended_by = Some(by);
        said(200, json!({}))
    }
}

async fn argo_submits_a_template_under_a_name_of_its_own() {
    let server = Server::of(Argo::default()).await;
    let world = world(
        "argo",
        json!({"url": server.url(), "namespace": "data"}),
        STEP,
    )
    .await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Succeeded, "{}", step.message);
    assert_eq!(step.outputs["name"], server.tool().name);
    let lines = log(&world).await;
    assert!(position(&lines, "argo-workflows: 2/3") < position(&lines, "pod-1: hello"));
    position(&lines, "pod-2: world");
}

async fn argo_that_has_the_workflow_already_is_followed() {
    let server = Server::of(Argo {
        has_it: true,
        ..Argo::default()
    })
    .await;
    let world = world(
        "argo_workflows",
        json!({"url": server.url(), "namespace": "data"}),
        STEP,
    )
    .await;
    assert_eq!(only_step(&world).await.outcome(), Outcome::Succeeded);
}

async fn argo_stops_or_terminates() {
    for (mode, how) in [(StopMode::Cancel, "stop"), (StopMode::Kill, "terminate")] {
        let server = Server::of(Argo {
            never_ends: true,
            ..Argo::default()
        })
        .await;
        let world = world(
            "argo",
            json!({"url": server.url(), "namespace": "data"}),
            STEP,
        )
        .await;
        world.assign(1).await;
        server.until("GET /api/v1/workflows/data/penstock-").await;
        world.stop(mode).await;
        world.ended().await;
        assert_eq!(server.tool().ended_by, Some(how));
    }
}
