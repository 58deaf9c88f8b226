//! Airflow: a DAG run with an id of ours, behind a sign-in (3) or a password (2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{
    Asked, CANARY, Reply, Server, Tool, log, only_step, position, said, status, text, world,
};
use crate::trials_of;

const STEP: &str =
    "  - {id: load, tool: {tool: flow, every: 100ms, with: {dag: nightly, conf: {day: 3}}}}";

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        airflow_3_is_signed_in_to_and_its_tasks_logs_are_read,
        airflow_2_takes_a_password,
        airflow_is_told_that_a_run_has_failed,
    ]
}

struct Airflow {
    version: u8,
    never_ends: bool,
    sign_ins: usize,
    polls: usize,
    id: String,
    is_failed: bool,
}

impl Airflow {
    fn new(version: u8) -> Self {
        Self {
            version,
            never_ends: false,
            sign_ins: 0,
            polls: 0,
            id: String::new(),
            is_failed: false,
        }
    }

    fn triggered(&mut self, body: &Value) -> Reply {
        assert_eq!(body["conf"], json!({"day": 3}));
        assert_eq!(
            body.get("logical_date"),
            (self.version == 3).then_some(&Value::Null)
        );
        self.id = body["dag_run_id"].as_str().unwrap().into();
        said(200, json!({"dag_run_id": self.id, "state": "queued"}))
    }

    fn state(&self) -> &'static str {
        match self.polls {
            _ if self.is_failed => "failed",
            0..2 => "queued",
            _ if self.never_ends => "running",
            2..4 => "running",
            _ => "success",
        }
    }
}

impl Tool for Airflow {
    fn admits(&self, asked: &Asked) -> bool {
        let expected = match self.version {
            2 => format!("Basic {}", STANDARD.encode(format!("ann:{CANARY}"))),
            // The first token has expired by the second poll.
            _ if self.polls >= 2 => "Bearer jwt-2".to_owned(),
            _ => format!("Bearer jwt-{}", self.sign_ins),
        };
        asked.path == "POST /auth/token" || asked.header("authorization") == expected
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let api = format!("/api/v{}/dags/nightly/dagRuns", self.version - 1);
        let mut path = asked.path.replace(&api, "");
        if !self.id.is_empty() {
            path = path.replace(&self.id, "ID");
        }
        match path.as_str() {
            "POST /auth/token" => {
                assert_eq!(asked.json(), json!({"username": "ann", "password": CANARY}));
                self.sign_ins += 1;
                said(
                    201,
                    json!({"access_token": format!("jwt-{}", self.sign_ins)}),
                )
            }
            "POST " => self.triggered(&asked.json()),
            "GET /ID" => {
                self.polls += 1;
                said(200, json!({"state": self.state()}))
            }
            "GET /ID/taskInstances" => said(
                200,
                json!({"task_instances": [
                    {"task_id": "extract", "map_index": -1, "try_number": 1, "state": "success"},
                    {"task_id": "load", "map_index": -1, "try_number": 0, "state": null},
                ]}),
            ),
            "GET /ID/taskInstances/extract/logs/1" if self.version == 3 => {
                assert_eq!(asked.header("accept"), "application/x-ndjson");
                text("{\"timestamp\":null,\"event\":\"::group::x\"}\n{\"event\":\"rows: 12\"}\n")
            }
            "GET /ID/taskInstances/extract/logs/1" => text("rows: 12\n"),
            "PATCH /ID" => {
                assert_eq!(asked.json(), json!({"state": "failed"}));
                self.is_failed = true;
                said(200, json!({"state": "failed"}))
            }
            _ => status(404),
        }
    }
}

fn configuration(server: &Server<Airflow>) -> Value {
    json!({"url": server.url(), "username": "ann", "password": CANARY})
}

async fn airflow_3_is_signed_in_to_and_its_tasks_logs_are_read() {
    let server = Server::of(Airflow::new(3)).await;
    let world = world("airflow", configuration(&server), STEP).await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Succeeded, "{}", step.message);
    assert_eq!(step.outputs["runId"], server.tool().id);
    assert_eq!(server.tool().sign_ins, 2);
    let lines = log(&world).await;
    assert!(position(&lines, "log of extract") < position(&lines, "rows: 12"));
    assert!(lines.iter().all(|line| !line.contains("jwt-")), "{lines:?}");
}

async fn airflow_2_takes_a_password() {
    let server = Server::of(Airflow::new(2)).await;
    let world = world("airflow-2", configuration(&server), STEP).await;
    assert_eq!(only_step(&world).await.outcome(), Outcome::Succeeded);
    position(&log(&world).await, "rows: 12");
}

async fn airflow_is_told_that_a_run_has_failed() {
    let server = Server::of(Airflow {
        never_ends: true,
        ..Airflow::new(3)
    })
    .await;
    let world = world("airflow", configuration(&server), STEP).await;
    world.assign(1).await;
    server.until("taskInstances").await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    assert_eq!(world.script().steps()[0].outcome(), Outcome::Cancelled);
    assert!(server.tool().is_failed);
}
