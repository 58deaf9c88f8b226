//! Steps that work with outside tools: registered once, their secrets known to nobody but them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::api::{assert_end, states, step_of};
use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_run_works_with_tools_and_a_stop_reaches_them,
        a_tool_that_is_not_there_fails_the_step_that_names_it,
    ]
}

/// Jobs under `/jobs`, which are done at the second look, and builds as Jenkins has them, which go on
/// until they are stopped. Both tell in what they answer who asked.
#[derive(Default)]
struct Tools {
    lines: Vec<String>,
    /// Whose name and password came with each request.
    senders: Vec<String>,
    is_stopped: bool,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Tools>>);

impl Server {
    fn tools(&self) -> std::sync::MutexGuard<'_, Tools> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, part: &str) -> usize {
        let tools = self.tools();
        tools.lines.iter().filter(|it| it.contains(part)).count()
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = self.clone();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap| async move {
            let proof = headers.get("authorization").and_then(|it| it.to_str().ok());
            let proof = proof.and_then(|it| STANDARD.decode(it.strip_prefix("Basic ")?).ok());
            let sender = String::from_utf8(proof.unwrap_or_default()).unwrap_or_default();
            let line = format!("{method} {uri}");
            {
                let mut tools = server.tools();
                tools.lines.push(line);
                tools.senders.push(sender.clone());
            }
            let known = format!("{method} {}", uri.path());
            server.answer(&known, &sender)
        };
        let router = Router::new().fallback(answer);
        let served = async move { axum::serve(listener, router).await };
        #[allow(clippy::disallowed_methods, reason = "ends with the suite")]
        tokio::spawn(served);
        format!("http://{address}")
    }

    fn answer(&self, known: &str, sender: &str) -> axum::response::Response {
        let json = |value: Value| axum::Json(value).into_response();
        match known {
            "POST /jobs" => json(json!({"id": 5})),
            "GET /jobs/5" if self.count("GET /jobs/5") < 2 => json(json!({"state": "busy"})),
            "GET /jobs/5" => json(json!({"state": "done", "told": format!("by {sender}")})),
            "POST /job/web/build" => {
                (StatusCode::CREATED, [("location", "/queue/item/9/")]).into_response()
            }
            "GET /queue/item/9/api/json" => json(json!({"executable": {"number": 3}})),
            "GET /job/web/3/api/json" if self.tools().is_stopped => {
                json(json!({"building": false, "result": "ABORTED"}))
            }
            "GET /job/web/3/api/json" => json(json!({"building": true, "result": null})),
            "GET /job/web/3/logText/progressiveText" => {
                let text = format!("building for {sender}\n");
                ([("x-text-size", text.len().to_string())], text).into_response()
            }
            "POST /job/web/3/stop" => {
                self.tools().is_stopped = true;
                StatusCode::OK.into_response()
            }
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

async fn register(world: &World, kind: &str, url: &str) -> String {
    let name = world.name(kind);
    let tool = json!({"name": name, "toolIdentifier": kind,
        "configuration": {"url": url, "username": "ann", "password": world.canary()}});
    let answer = world.api().post("/api/v2/tools", &tool).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert!(!answer.text.contains(world.canary()));
    name
}

async fn a_run_works_with_tools_and_a_stop_reaches_them(world: &World) {
    let api = world.api();
    let server = Server::default();
    let url = server.start().await;
    let rest = register(world, "generic-rest", &url).await;
    let jenkins = register(world, "jenkins", &url).await;
    let steps = format!(
        r#"
- id: job
  tool:
    tool: {rest}
    every: 100ms
    operation:
      start: {{request: {{method: POST, path: /jobs}}, take: {{id: $.id}}}}
      poll:
        request: {{path: "/jobs/{{{{ var.id }}}}"}}
        take: {{told: {{json: $.told, optional: true}}}}
        state: [{{at: $.state, map: {{busy: running, done: succeeded}}}}]
      outputs: {{told: "{{{{ var.told? }}}}"}}
- {{id: show, run: 'echo "$TOLD"', env: {{TOLD: "${{{{ steps.job.outputs.told }}}}"}}}}
- {{id: build, tool: {{tool: {jenkins}, every: 100ms, with: {{job: web}}}}}}
- {{id: after, run: echo never}}
"#
    );
    let pipeline = api.define_steps("tools", &steps).await;
    let run_count = api.start(&pipeline).await;
    eventually("the build's log is read", async || {
        (server.count("progressiveText") > 0).then_some(())
    })
    .await;
    api.stop(&pipeline, run_count, "cancel").await;
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(
        states(&run),
        ["succeeded", "succeeded", "cancelled", "skipped"]
    );
    assert_eq!(server.count("POST /job/web/3/stop"), 1);
    assert_eq!(server.count("POST /job/web/build"), 1);
    let expected = format!("ann:{}", world.canary());
    let senders = server.tools().senders.clone();
    assert!(senders.iter().all(|it| *it == expected), "{senders:?}");
    let output = api.output(&pipeline, run_count).await;
    assert!(
        output.iter().any(|line| line == "building for ann:***"),
        "{output:?}"
    );
    assert!(output.iter().any(|line| line == "by ann:***"), "{output:?}");
}

async fn a_tool_that_is_not_there_fails_the_step_that_names_it(world: &World) {
    let api = world.api();
    let steps = "- {id: a, tool: {tool: nobody-knows-it}}";
    let pipeline = api.define_steps("no-tool", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    let message = step_of(&run, "a")["message"].as_str().unwrap_or_default();
    assert!(message.contains("there is no tool"), "{message}");
}
