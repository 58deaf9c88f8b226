//! Steps that are operations of outside tools, against small servers that behave as those tools'
//! documented interfaces do.

mod airflow;
mod argo;
mod github;
mod gitlab;
mod jenkins;
mod rest;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use contracts::pipeline::{Grant, StepReport};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::world::{World, eventually};

/// Every tool's secret: it must be found nowhere.
pub(crate) const CANARY: &str = "canary-5tr0ng-t0ken";

pub(crate) fn trials() -> Vec<Trial> {
    let parts = [
        jenkins::trials(),
        gitlab::trials(),
        github::trials(),
        argo::trials(),
        airflow::trials(),
        rest::trials(),
    ];
    parts.into_iter().flatten().collect()
}

/// What a server was asked.
#[derive(Debug, Clone)]
struct Asked {
    /// Method, path and query.
    line: String,
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What a server answers.
#[derive(Debug, Default)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn status(status: u16) -> Reply {
    Reply {
        status,
        ..Reply::default()
    }
}

fn text(body: impl Into<String>) -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type", "text/plain".into())],
        body: body.into(),
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it reads better at its callers"
)]
fn said(code: u16, body: Value) -> Reply {
    Reply {
        status: code,
        headers: vec![("content-type", "application/json".into())],
        body: body.to_string(),
    }
}

/// A tool, as far as it is needed.
trait Tool: Send + 'static {
    /// Answers a request whose sender was let in.
    fn answer(&mut self, asked: &Asked) -> Reply;
    /// Whether the sender is let in.
    fn admits(&self, asked: &Asked) -> bool {
        asked.header("authorization") == format!("Bearer {CANARY}")
    }
}

/// A server for a tool.
struct Server<T> {
    tool: Arc<Mutex<T>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    address: SocketAddr,
}

impl<T: Tool> Server<T> {
    async fn of(tool: T) -> Self {
        let (tool, asked) = (Arc::new(Mutex::new(tool)), Arc::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self {
            tool,
            asked,
            address,
        };
        let (tool, log) = (server.tool.clone(), server.asked.clone());
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: String| async move {
            let asked = Asked {
                line: format!("{method} {uri}"),
                path: format!("{method} {}", uri.path()),
                headers,
                body,
            };
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(asked.clone());
            let mut tool = tool.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = if tool.admits(&asked) {
                tool.answer(&asked)
            } else {
                status(401)
            };
            let mut headers = HeaderMap::new();
            for (name, value) in reply.headers {
                headers.append(HeaderName::from_static(name), value.parse().unwrap());
            }
            (
                StatusCode::from_u16(reply.status).unwrap(),
                headers,
                reply.body,
            )
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    fn tool(&self) -> std::sync::MutexGuard<'_, T> {
        self.tool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, by method, path and query.
    fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().map(|asked| asked.line.clone()).collect()
    }

    fn count(&self, part: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(part))
            .count()
    }

    async fn until(&self, part: &str) {
        eventually(&format!("{part} is asked"), || self.count(part) > 0).await;
    }
}

/// The tool that a step is granted.
fn tool(kind: &str, mut configuration: Value) -> Vec<u8> {
    if configuration["token"].is_null() && configuration["password"].is_null() {
        configuration["token"] = json!(CANARY);
    }
    let tool = json!({"id": "0123456789abcdef01234599", "name": "the tool", "kind": kind,
        "configuration": configuration, "secrets": [CANARY]});
    tool.to_string().into_bytes()
}

/// Grants every step of the plan this tool.
fn grant_tool(world: &World, granted: &[u8]) {
    let mut script = world.script();
    let give = |grant: &mut Grant| grant.tool_json = granted.to_vec();
    script.first.iter_mut().for_each(give);
    script.after.values_mut().flatten().for_each(give);
}

/// A world that carries out steps of a tool.
async fn world(kind: &str, configuration: Value, steps: &str) -> World {
    let mut world = World::new().await;
    world.plan(steps);
    grant_tool(&world, &tool(kind, configuration));
    world.start(world.config()).await;
    world
}

/// What was reported of the one step.
async fn only_step(world: &World) -> StepReport {
    let steps = world.carried_out().await;
    assert_eq!(steps.len(), 1, "{steps:?}");
    let step = steps.into_iter().next().unwrap();
    assert!(!format!("{step:?}").contains(CANARY));
    step
}

/// The lines of the log, as many as were numbered; none holds a secret.
async fn log(world: &World) -> Vec<String> {
    let last = world.script().reports.iter().map(|it| it.last_seq).max();
    let entries = world.log(usize::try_from(last.unwrap_or(0)).unwrap()).await;
    let lines: Vec<_> = entries.into_iter().map(|entry| entry.message).collect();
    assert!(lines.iter().all(|line| !line.contains(CANARY)), "{lines:?}");
    lines
}

fn position(lines: &[String], part: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part} in {lines:#?}"))
}
