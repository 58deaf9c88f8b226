//! Steps that work with outside tools: registered once, their secrets known to nobody but them.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::api::{assert_end, http, states, step_of};
use harness::{Answer, Story, World, eventually, shared};
use reqwest::Method as Verb;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_run_works_with_tools_and_a_stop_reaches_them,
        a_tool_that_is_not_there_fails_the_step_that_names_it,
        it_is_told_where_a_tool_is_used_and_what_became_of_it,
        a_tool_and_a_pipeline_are_given_to_another_owner,
        a_locked_pipeline_is_run_by_nobody,
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

/// Makes a user of these roles, and answers its e-mail address and a token of its own.
async fn somebody(world: &World, roles: &[&str]) -> (String, String) {
    let name = world.name("user");
    let email = format!("{name}@example.org");
    let user = json!({"name": name, "email": email, "roles": roles});
    let made = world.api().post("/api/v2/users", &user).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = json!({"name": "its", "user": email});
    let token = world.api().post("/api/v2/tokens", &token).await;
    assert_eq!(token.status, 201, "{}", token.text);
    (email, token.json["token"].as_str().unwrap().to_owned())
}

async fn asked(world: &World, token: &str, method: Verb, path: &str) -> Answer {
    let request = http().request(method, format!("{}{path}", world.url()));
    world.api().send(request.bearer_auth(token)).await
}

async fn it_is_told_where_a_tool_is_used_and_what_became_of_it(world: &World) {
    let api = world.api();
    let server = Server::default();
    let url = server.start().await;
    let tool = register(world, "generic-rest", &url).await;
    let operation =
        |path: &str| format!("operation: {{start: {{request: {{method: POST, path: {path}}}}}}}");
    let steps = format!(
        "- {{id: job, tool: {{tool: {tool}, {}}}}}\n- {{id: lost, tool: {{tool: {tool}, {}}}}}",
        operation("/jobs"),
        operation("/nowhere")
    );
    let name = world.name("user-of-tools");
    let private = format!("name: {name}\nvisibility: private\nsteps:\n{steps}");
    let pipeline = api.define(&private).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepFailed");
    let users = api.get(&format!("/api/v2/tools/{tool}/pipelines")).await;
    let users = &users.json["pipelines"];
    assert_eq!(users[0]["id"], pipeline, "{users:#}");
    assert_eq!(users[0]["steps"], json!(["job", "lost"]));
    let log = api.get(&format!("/api/v2/tools/{tool}/logs")).await;
    let entries = log.json["entries"].as_array().into_iter().flatten();
    let seen = entries.map(|it| (&it["step"], &it["status"], &it["runCount"]));
    let seen: Vec<_> = seen.collect();
    let expected = [("lost", "failed"), ("job", "succeeded")];
    let expected = expected.map(|(step, status)| (json!(step), json!(status), json!(1)));
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a, b, c)).collect();
    assert_eq!(seen, expected, "{}", log.text);
    // Who doesn't see the pipeline sees nothing of it here.
    let (_, token) = somebody(world, &["site_user"]).await;
    for part in ["pipelines", "logs"] {
        let path = format!("/api/v2/tools/{tool}/{part}");
        let answer = asked(world, &token, Verb::GET, &path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains(&pipeline), "{}", answer.text);
    }
}

async fn a_tool_and_a_pipeline_are_given_to_another_owner(world: &World) {
    let api = world.api();
    let tool = register(world, "jenkins", "http://127.0.0.1:1").await;
    let pipeline = api.define_steps("given", "- {id: a, run: 'true'}").await;
    let (email, token) = somebody(world, &["site_user"]).await;
    let things = [
        format!("/api/v2/tools/{tool}"),
        format!("/api/v2/pipelines/{pipeline}"),
    ];
    for path in things {
        let gone = asked(world, &token, Verb::DELETE, &path).await;
        assert!([403, 404].contains(&gone.status), "{}", gone.text);
        let give = format!("{path}/transfer");
        let nobody = api
            .post(&give, &json!({"owner": "nobody@example.org"}))
            .await;
        assert!([400, 404].contains(&nobody.status), "{}", nobody.text);
        let given = api.post(&give, &json!({"owner": email})).await;
        assert_eq!(given.status, 200, "{}", given.text);
        let own = asked(world, &token, Verb::GET, &path).await;
        assert_eq!(own.json["owner"], given.json["owner"], "{}", own.text);
        let gone = asked(world, &token, Verb::DELETE, &path).await;
        assert_eq!(gone.status, 204, "{}", gone.text);
    }
}

async fn a_locked_pipeline_is_run_by_nobody(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("locked", "- {id: a, run: 'true'}").await;
    let path = format!("/api/v2/pipelines/{pipeline}");
    let lock = json!({"reason": "freeze"});
    let locked = api.post(&format!("{path}/lock"), &lock).await;
    assert_eq!(locked.status, 200, "{}", locked.text);
    assert_eq!(locked.json["lock"]["reason"], "freeze");
    let v1 = json!({"pipelineId": pipeline});
    let refused = api.post("/api/v1/pipeline/run", &v1).await;
    let message = format!("Pipeline {pipeline} is locked. Unlock it before running it.");
    assert_eq!(
        refused.json,
        json!({"status": "failed", "message": message})
    );
    let summary = api.post("/api/v1/pipeline/summary", &v1).await;
    assert_eq!(summary.json["locked"], true, "{}", summary.text);
    let refused = api.post(&format!("{path}/runs"), &json!({})).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    let copy = json!({"name": world.name("copy")});
    let copy = api.post(&format!("{path}/duplicate"), &copy).await;
    assert_eq!(copy.status, 201, "{}", copy.text);
    let of_copy = api.through(copy.json["id"].as_str().unwrap()).await;
    assert_end(&of_copy, "succeeded", "completed");
    let unlocked = api.post(&format!("{path}/unlock"), &json!({})).await;
    assert!(unlocked.json["lock"].is_null(), "{}", unlocked.text);
    let run = api.through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["runCount"], 1);
}
