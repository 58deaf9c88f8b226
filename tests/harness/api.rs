//! What a user's script does over HTTP.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::eventually::{LONG_PATIENCE, PATIENCE, eventually, eventually_within};
use crate::world::{TOKEN, World};

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(40);

/// A client of a world, with the administrator's token unless said otherwise.
#[derive(Debug, Clone)]
pub struct Api<'a> {
    world: &'a World,
    url: String,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub text: String,
    /// The body, if it is JSON; null otherwise.
    pub json: Value,
    /// The content type.
    pub kind: String,
}

/// The client that all share.
pub fn http() -> &'static Client {
    static HTTP: OnceLock<Client> = OnceLock::new();
    HTTP.get_or_init(|| {
        let client = runtime::tls::client()
            .connect_timeout(Duration::from_secs(5))
            .no_proxy();
        client.build().expect("a client can be made")
    })
}

impl<'a> Api<'a> {
    pub(crate) fn new(world: &'a World, url: String) -> Self {
        Self { world, url }
    }

    /// The status of an address, or nothing if nobody answers.
    pub(crate) async fn ask_at(&self, url: &str) -> Option<u16> {
        let answer = http().get(url).timeout(LIMIT).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.url);
        http()
            .request(method, url)
            .bearer_auth(TOKEN)
            .timeout(LIMIT)
    }

    /// Sends a request; nothing if there was no whole answer.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        self.whole(request.send().await.ok()?).await
    }

    /// Sends a request that has to be answered.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await;
        let answer = answer.unwrap_or_else(|error| panic!("the server doesn't answer: {error:?}"));
        let whole = self.whole(answer).await;
        whole.expect("the server answers wholly")
    }

    /// Reads an answer to its end, and looks whether a secret is in it.
    async fn whole(&self, answer: Response) -> Option<Answer> {
        let headers = format!("{:?}", answer.headers());
        let path = answer.url().path().to_owned();
        let answer = whole(answer).await?;
        let watch = self.world.watch();
        watch.look(|| format!("the answer of {path}"), answer.text.as_bytes());
        watch.look(
            || format!("the headers of the answer of {path}"),
            headers.as_bytes(),
        );
        Some(answer)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Sends JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// Makes a pipeline from YAML and answers its id.
    pub async fn define(&self, yaml: &str) -> String {
        let request = self.request(Method::POST, "/api/v2/pipelines");
        let request = request
            .header("content-type", "application/yaml")
            .body(yaml.to_owned());
        let answer = self.send(request).await;
        assert_eq!(answer.status, 201, "{}\n{yaml}", answer.text);
        answer.json["id"].as_str().expect("an id").to_owned()
    }

    /// Makes a pipeline of this name with these steps (YAML, from column 0) and answers its id.
    pub async fn define_steps(&self, stem: &str, steps: &str) -> String {
        let name = self.world.name(stem);
        let steps: String = steps
            .trim_matches('\n')
            .lines()
            .map(|it| format!("  {it}\n"))
            .collect();
        self.define(&format!("name: {name}\nconcurrency: 0\nsteps:\n{steps}"))
            .await
    }

    /// Starts a run and answers its count.
    pub async fn start(&self, pipeline: &str) -> i64 {
        self.start_with(pipeline, &json!({})).await
    }

    /// Starts a run with parameters and answers its count.
    pub async fn start_with(&self, pipeline: &str, parameters: &Value) -> i64 {
        let path = format!("/api/v2/pipelines/{pipeline}/runs");
        let answer = self.post(&path, &json!({"parameters": parameters})).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        self.accepted(&answer)
    }

    /// Notes for the checker that a run was accepted, and answers its count.
    pub fn accepted(&self, answer: &Answer) -> i64 {
        let run = &answer.json;
        let text = |name: &str| run[name].as_str().unwrap_or_default().to_owned();
        let run_count = run["runCount"].as_i64().expect("a run has a count");
        self.world
            .note_accepted(&text("id"), &text("pipelineId"), run_count);
        run_count
    }

    /// Starts a run however often it takes, under one key.
    pub async fn start_stubbornly(&self, pipeline: &str, key: &str) -> i64 {
        let path = format!("/api/v2/pipelines/{pipeline}/runs");
        let answer = eventually_within(LONG_PATIENCE, "a run is accepted", async || {
            let api = self.world.api();
            let request = api
                .request(Method::POST, &path)
                .header("idempotency-key", key);
            let answer = api.try_send(request.json(&json!({}))).await?;
            assert!(
                answer.status == 202 || answer.status >= 500,
                "{}",
                answer.text
            );
            (answer.status == 202).then_some(answer)
        });
        self.accepted(&answer.await)
    }

    /// A run as it is now.
    pub async fn run(&self, pipeline: &str, run_count: i64) -> Value {
        let answer = self
            .get(&format!("/api/v2/pipelines/{pipeline}/runs/{run_count}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json
    }

    /// A run once it is as `is` says.
    pub async fn run_when(
        &self,
        pipeline: &str,
        run_count: i64,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Value {
        self.run_within(PATIENCE, pipeline, run_count, (what, is))
            .await
    }

    /// The same with another patience, and with a server that may not answer meanwhile.
    pub async fn run_within(
        &self,
        patience: Duration,
        pipeline: &str,
        run_count: i64,
        (what, is): (&str, impl Fn(&Value) -> bool),
    ) -> Value {
        let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}");
        let what = format!("run {run_count} of {pipeline} {what}");
        eventually_within(patience, &what, async || {
            let api = self.world.api();
            let answer = api.try_send(api.request(Method::GET, &path)).await?;
            (answer.status == 200 && is(&answer.json)).then_some(answer.json)
        })
        .await
    }

    /// A run once it has ended.
    pub async fn ended(&self, pipeline: &str, run_count: i64) -> Value {
        self.run_when(pipeline, run_count, "has ended", is_ended)
            .await
    }

    /// A run once it has ended, while things are broken.
    pub async fn ended_at_last(&self, pipeline: &str, run_count: i64) -> Value {
        self.run_within(LONG_PATIENCE, pipeline, run_count, ("has ended", is_ended))
            .await
    }

    /// Starts a run and waits for its end.
    pub async fn through(&self, pipeline: &str) -> Value {
        let run_count = self.start(pipeline).await;
        self.ended(pipeline, run_count).await
    }

    /// Waits until a step of a run is in a state.
    pub async fn step_is(&self, pipeline: &str, run_count: i64, step: &str, state: &str) -> Value {
        let what = format!("has its step {step} {state}");
        self.run_when(pipeline, run_count, &what, |run| {
            step_of(run, step)["state"] == state
        })
        .await
    }

    /// Stops a run.
    pub async fn stop(&self, pipeline: &str, run_count: i64, mode: &str) -> Answer {
        let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/stop");
        self.post(&path, &json!({"mode": mode, "reason": "a test"}))
            .await
    }

    /// The whole log of a run, once it is complete: read then, lines of all sources are in order.
    pub async fn log(&self, pipeline: &str, run_count: i64) -> Vec<Value> {
        self.log_so_far(pipeline, run_count).await;
        self.log_so_far(pipeline, run_count).await
    }

    /// A log from its beginning to its end, page by page as it comes.
    async fn log_so_far(&self, pipeline: &str, run_count: i64) -> Vec<Value> {
        let (mut entries, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/api/v2/pipelines/{pipeline}/runs/{run_count}/logs?limit=1000&after={after}"
            );
            let page = eventually("the next page of a log", async || {
                let api = self.world.api();
                let answer = api.try_send(api.request(Method::GET, &path)).await?;
                let page = answer.json;
                let has_more = page["entries"].as_array().is_some_and(|it| !it.is_empty());
                (answer.status == 200 && (has_more || page["complete"] == true)).then_some(page)
            });
            let page = page.await;
            page["next"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut after);
            entries.extend(page["entries"].as_array().cloned().unwrap_or_default());
            if page["complete"] == true {
                return entries;
            }
        }
    }

    /// What the steps of a run wrote, line by line.
    pub async fn output(&self, pipeline: &str, run_count: i64) -> Vec<String> {
        let log = self.log(pipeline, run_count).await;
        let is_output = |it: &&Value| it["stream"] == "stdout" || it["stream"] == "stderr";
        let text = |it: &Value| it["message"].as_str().unwrap_or_default().to_owned();
        log.iter().filter(is_output).map(text).collect()
    }
}

async fn whole(answer: Response) -> Option<Answer> {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type");
    let kind = kind
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let text = answer.text().await.ok()?;
    let json = serde_json::from_str(&text).unwrap_or_default();
    Some(Answer {
        status,
        text,
        json,
        kind,
    })
}

/// Whether a run has ended.
pub fn is_ended(run: &Value) -> bool {
    ["succeeded", "warned", "failed", "cancelled"]
        .iter()
        .any(|it| run["state"] == *it)
}

/// A step of a run.
pub fn step_of<'r>(run: &'r Value, id: &str) -> &'r Value {
    let steps = run["steps"].as_array().expect("a run has steps");
    let found = steps.iter().find(|step| step["id"] == id);
    found.unwrap_or_else(|| panic!("there is no step {id} in {run}"))
}

/// The states of a run's steps, in order.
pub fn states(run: &Value) -> Vec<&str> {
    let steps = run["steps"].as_array().expect("a run has steps");
    steps
        .iter()
        .map(|step| step["state"].as_str().unwrap_or_default())
        .collect()
}

/// Checks how a run ended.
pub fn assert_end(run: &Value, state: &str, cause: &str) {
    assert_eq!(
        (run["state"].as_str(), run["endCause"].as_str()),
        (Some(state), Some(cause)),
        "{run:#}"
    );
}
