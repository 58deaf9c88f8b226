//! Jenkins: a queue's item becomes a build, whose log is read by offsets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::message::StopMode;
use contracts::pipeline::Outcome;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::{Asked, CANARY, Reply, Server, Tool, log, only_step, position, said, status, world};
use crate::trials_of;

const JOB: &str = "/job/team/job/web";
const STEP: &str = "  - {id: build, tool: {tool: ci, every: 100ms, with: {job: team/web, parameters: {REF: main}}}}";

pub(super) fn trials() -> Vec<Trial> {
    trials_of![
        jenkins_builds_a_job_and_its_log_is_read_as_it_grows,
        jenkins_is_told_to_stop_a_build,
        jenkins_is_told_to_drop_a_build_that_is_still_queued,
        jenkins_without_crumbs_and_a_job_that_is_not_there,
    ]
}

#[derive(Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a way to behave of its own"
)]
struct Jenkins {
    without_crumbs: bool,
    stays_queued: bool,
    never_ends: bool,
    /// What the build's polls have been so far.
    looks: usize,
    polls: usize,
    is_stopped: bool,
    trouble: usize,
}

impl Jenkins {
    const LOG: [&'static str; 3] = ["Started by Penstock\n", "compiling", " all of it\ndone\n"];

    fn log(&self, asked: &Asked) -> Reply {
        let start: usize = asked.line.split("start=").nth(1).unwrap().parse().unwrap();
        let has_ended = self.has_ended();
        let written = if has_ended { 3 } else { self.polls.min(2) };
        let token = STANDARD.encode(format!("ann:{CANARY}"));
        let text = format!("{}{token}\n", Self::LOG[..written].concat());
        let text = if has_ended {
            text
        } else {
            Self::LOG[..written].concat()
        };
        let mut headers = vec![("x-text-size", text.len().to_string())];
        if !has_ended {
            headers.push(("x-more-data", "true".into()));
        }
        Reply {
            status: 200,
            headers,
            body: text[start..].to_owned(),
        }
    }

    fn queued(&mut self) -> Reply {
        self.looks += 1;
        if self.stays_queued || self.looks < 3 {
            said(
                200,
                json!({"cancelled": self.is_stopped, "why": "Waiting for next available executor"}),
            )
        } else {
            said(
                200,
                json!({"executable": {"number": 7, "url": "http://ci/job/web/7/"}}),
            )
        }
    }

    fn has_ended(&self) -> bool {
        self.is_stopped || !self.never_ends && self.polls > 2
    }

    fn build(&mut self) -> Value {
        self.polls += 1;
        let result = match (self.is_stopped, self.has_ended()) {
            (true, _) => json!("ABORTED"),
            (false, true) => json!("UNSTABLE"),
            (false, false) => Value::Null,
        };
        json!({"building": result.is_null(), "result": result, "url": "http://ci/job/web/7/"})
    }
}

impl Tool for Jenkins {
    fn admits(&self, asked: &Asked) -> bool {
        asked.header("authorization")
            == format!("Basic {}", STANDARD.encode(format!("ann:{CANARY}")))
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let is_post = asked.path.starts_with("POST");
        let has_crumb = asked.header("jenkins-crumb") == "c4umb"
            && asked.header("cookie") == "JSESSIONID.1=node0";
        if is_post && !self.without_crumbs && !has_crumb {
            return status(403);
        }
        match asked.path.as_str() {
            "GET /crumbIssuer/api/json" if self.without_crumbs => status(404),
            "GET /crumbIssuer/api/json" => {
                let crumb = json!({"crumbRequestField": "Jenkins-Crumb", "crumb": "c4umb"});
                let mut reply = said(200, crumb);
                let cookie = "JSESSIONID.1=node0; Path=/; HttpOnly".into();
                reply.headers.push(("set-cookie", cookie));
                reply
            }
            path if path == format!("POST {JOB}/buildWithParameters") => {
                assert_eq!(asked.body, "REF=main");
                let mut reply = status(201);
                let location = "http://ci.example/queue/item/41/".into();
                reply.headers.push(("location", location));
                reply
            }
            "GET /queue/item/41/api/json" => self.queued(),
            path if path == format!("GET {JOB}/7/api/json") => {
                self.trouble += 1;
                match self.trouble {
                    2 => {
                        let mut reply = status(429);
                        reply.headers.push(("retry-after", "0".into()));
                        reply
                    }
                    3 => status(503),
                    _ => said(200, self.build()),
                }
            }
            path if path == format!("GET {JOB}/7/logText/progressiveText") => self.log(asked),
            path if path == format!("POST {JOB}/7/stop") => {
                self.is_stopped = true;
                status(302)
            }
            "POST /queue/cancelItem" => {
                assert!(asked.line.ends_with("?id=41"), "{}", asked.line);
                self.is_stopped = true;
                status(204)
            }
            _ => Reply {
                status: 404,
                body: "no such job".into(),
                ..Reply::default()
            },
        }
    }
}

fn configuration(server: &Server<Jenkins>) -> Value {
    json!({"jenkinsUrl": format!("{}/", server.url()), "jUserId": "ann", "jAuthToken": CANARY, "token": CANARY})
}

async fn jenkins_builds_a_job_and_its_log_is_read_as_it_grows() {
    let server = Server::of(Jenkins::default()).await;
    let world = world("Jenkins", configuration(&server), STEP).await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Warned, "{}", step.message);
    assert_eq!(step.message, "jenkins says UNSTABLE");
    assert_eq!(step.outputs["number"], "7");
    let lines = log(&world).await;
    let order = [
        "Waiting for next available executor",
        "http://ci/job/web/7/",
        "Started by Penstock",
        "compiling all of it",
        "done",
    ];
    let order = order.map(|part| position(&lines, part));
    assert!(order.is_sorted(), "{lines:#?}");
    assert!(
        lines
            .iter()
            .any(|line| line.contains("poll failed and is tried again"))
    );
    assert_eq!(server.count("buildWithParameters"), 1);
}

async fn jenkins_is_told_to_stop_a_build() {
    let server = Server::of(Jenkins {
        never_ends: true,
        ..Jenkins::default()
    })
    .await;
    let world = world("jenkins", configuration(&server), STEP).await;
    world.assign(1).await;
    server.until("progressiveText").await;
    world.stop(StopMode::Cancel).await;
    world.ended().await;
    let step = &world.script().steps()[0];
    assert_eq!(
        (step.outcome(), step.message.as_str()),
        (Outcome::Cancelled, "stopped")
    );
    assert_eq!(server.count("/7/stop"), 1);
}

async fn jenkins_is_told_to_drop_a_build_that_is_still_queued() {
    let server = Server::of(Jenkins {
        stays_queued: true,
        ..Jenkins::default()
    })
    .await;
    let world = world("jenkins", configuration(&server), STEP).await;
    world.assign(1).await;
    server.until("/queue/item/41").await;
    world.stop(StopMode::Kill).await;
    world.ended().await;
    assert_eq!(server.count("cancelItem"), 1);
}

async fn jenkins_without_crumbs_and_a_job_that_is_not_there() {
    let server = Server::of(Jenkins {
        without_crumbs: true,
        ..Jenkins::default()
    })
    .await;
    let step = "  - {id: build, tool: {tool: ci, with: {job: gone}}}";
    let world = world("jenkins", configuration(&server), step).await;
    let step = only_step(&world).await;
    assert_eq!(step.outcome(), Outcome::Failed);
    assert_eq!(
        step.message,
        "jenkins: start was answered with 404: no such job"
    );
}
