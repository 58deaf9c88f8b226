//! A client of the face that signs in as the master account, unless said otherwise.

use harness::{Answer, World, eventually};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// The master account's name and password.
pub(crate) const MASTER: (&str, &str) = ("master", "commander");

/// The face of a world.
#[derive(Clone, Copy)]
pub(crate) struct Uv<'a> {
    pub(crate) world: &'a World,
}

impl<'a> Uv<'a> {
    pub(crate) fn of(world: &'a World) -> Self {
        Self { world }
    }

    /// A request without any credentials.
    pub(crate) fn bare(self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/master/api/1{path}", self.world.url());
        harness::api::http().request(method, url)
    }

    pub(crate) fn request(self, method: Method, path: &str) -> RequestBuilder {
        self.request_by(MASTER, method, path)
    }

    pub(crate) fn request_by(
        self,
        (login, password): (&str, &str),
        method: Method,
        path: &str,
    ) -> RequestBuilder {
        self.bare(method, path).basic_auth(login, Some(password))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        self.world.api().send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Makes a pipeline without steps and answers its id.
    pub(crate) async fn pipeline(&self, stem: &str) -> i64 {
        let name = self.world.name(stem);
        let made = self.post("/pipelines", &json!({"name": name})).await;
        assert_eq!(made.status, 200, "{}", made.text);
        made.json["id"].as_i64().unwrap()
    }

    /// Makes a pipeline with these steps and answers its id.
    pub(crate) async fn pipeline_of(&self, stem: &str, steps: &str) -> i64 {
        let id = self.world.api().define_steps(stem, steps).await;
        let path = format!("/api/v2/pipelines/{id}");
        let pipeline = self.world.api().get(&path).await;
        pipeline.json["number"].as_i64().unwrap()
    }

    /// Starts an execution and answers its id.
    pub(crate) async fn execution(&self, pipeline: i64, body: &Value) -> i64 {
        let path = format!("/pipelines/{pipeline}/executions");
        let started = self.post(&path, body).await;
        assert_eq!(started.status, 200, "{}", started.text);
        started.json["id"].as_i64().unwrap()
    }

    /// An execution once it has ended.
    pub(crate) async fn ended(&self, pipeline: i64, execution: i64) -> Value {
        let path = format!("/pipelines/{pipeline}/executions/{execution}");
        eventually("an execution has ended", async || {
            let answer = self.get(&path).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            (!answer.json["end"].is_null()).then_some(answer.json)
        })
        .await
    }

    /// The events of an execution once its end is among them.
    pub(crate) async fn events(&self, pipeline: i64, execution: i64) -> Value {
        let path = format!("/pipelines/{pipeline}/executions/{execution}/events");
        let end = format!("Execution: {execution} finished");
        eventually("the events of an execution are there", async || {
            let answer = self.get(&path).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let has_end = |it: &Value| it["shortMessage"] == end.as_str();
            let events = answer.json.as_array().unwrap();
            events.iter().any(has_end).then_some(answer.json)
        })
        .await
    }

    /// A user with a password of its own, who signs in by the name that is answered.
    pub(crate) async fn user(&self, stem: &str, roles: &[&str]) -> String {
        let name = self.world.name(stem);
        let user = json!({
            "name": name, "kind": "service", "roles": roles, "password": PASSWORD,
        });
        let made = self.world.api().post("/api/v2/users", &user).await;
        assert_eq!(made.status, 201, "{}", made.text);
        name
    }
}

/// The password of users that a test makes.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// The names of an object's fields, in the order in which they are written.
pub(crate) fn fields(text: &str) -> Vec<String> {
    let object = text.trim_start_matches('[');
    let mut fields = Vec::new();
    let (mut depth, mut in_text, mut escaped, mut start) = (0, false, false, 0);
    for (at, it) in object.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' if in_text => {
                in_text = false;
                if depth == 1 && object[at + 1..].starts_with(':') {
                    fields.push(object[start..at].to_owned());
                }
            }
            '"' => (in_text, start) = (true, at + 1),
            '{' if !in_text => depth += 1,
            '}' if !in_text && depth == 1 => return fields,
            '}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    fields
}
