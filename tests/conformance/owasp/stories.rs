//! The OWASP API Security Top 10 (2023), each item as attacks on a running Penstock over HTTP.
//!
//! A file an item; a sentence says what an attacker does not get. What an attack aims at is made by
//! somebody else in the same world, and is looked at afterwards: a refusal counts only if nothing has
//! changed.

mod api10_unsafe_consumption;
mod api1_object_authorization;
mod api2_authentication;
mod api3_property_authorization;
mod api4_resource_consumption;
mod api5_function_authorization;
mod api6_business_flows;
mod api7_ssrf;
mod api8_misconfiguration;
mod api9_inventory;
mod remote;

use harness::api::http;
use harness::{Answer, Story, World};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    let parts = [
        api1_object_authorization::stories(),
        api2_authentication::stories(),
        api3_property_authorization::stories(),
        api4_resource_consumption::stories(),
        api5_function_authorization::stories(),
        api6_business_flows::stories(),
        api7_ssrf::stories(),
        api8_misconfiguration::stories(),
        api9_inventory::stories(),
        api10_unsafe_consumption::stories(),
    ];
    parts.concat()
}

/// Somebody with a token of theirs.
struct Person<'w> {
    world: &'w World,
    id: String,
    email: String,
    token_id: String,
    token: String,
}

impl<'w> Person<'w> {
    /// A user of the administrator's account with these site roles, and a token for everything.
    async fn member(world: &'w World, roles: &[&str]) -> Self {
        Self::of(world, roles, "default", "api").await
    }

    /// The same in another account, which begins with it.
    async fn of_another_account(world: &'w World) -> Self {
        let account = world.name("account");
        Self::of(world, &["site_administrator"], &account, "api").await
    }

    /// A user and its token of a scope.
    async fn of(world: &'w World, roles: &[&str], account: &str, scope: &str) -> Self {
        let name = world.name("attacker");
        let email = format!("{name}@example.org");
        let user = json!({"name": name, "email": email, "roles": roles, "account": account});
        let user = world.api().post("/api/v2/users", &user).await;
        assert_eq!(user.status, 201, "{}", user.text);
        let token = json!({"name": "t", "user": email, "account": account, "scope": scope});
        let token = world.api().post("/api/v2/tokens", &token).await;
        assert_eq!(token.status, 201, "{}", token.text);
        let text = |it: &Answer, name: &str| it.json[name].as_str().unwrap().to_owned();
        Self {
            world,
            id: text(&user, "id"),
            email,
            token_id: text(&token, "id"),
            token: text(&token, "token"),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = http().request(method, format!("{}{path}", self.world.url()));
        let request = request.bearer_auth(&self.token);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        self.world.api().send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, body).await
    }

    /// Makes a pipeline and answers its id.
    async fn defines(&self, definition: &Value) -> String {
        let made = self.post("/api/v2/pipelines", definition).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json["id"].as_str().unwrap().to_owned()
    }
}

/// A definition of one step.
fn one_step(name: &str, run: &str) -> Value {
    json!({"name": name, "steps": [{"id": "a", "run": run}]})
}

/// Asks without a token, with these headers.
async fn anonymous(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http().request(method, format!("{}{path}", world.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.api().send(request).await
}

/// Words that come from the inside of a program and that no answer may hold.
const INSIDE: [&str; 14] = [
    "panicked",
    "RUST_BACKTRACE",
    "src/",
    ".rs:",
    "sqlx",
    "sea_orm",
    "SELECT ",
    "INSERT ",
    "SQLITE",
    "postgres",
    "grpc-status",
    "tonic",
    "/tmp/",
    "stack backtrace",
];

/// Fails if an answer tells of the inside.
fn assert_discreet(asked: &str, answer: &Answer) {
    let told = INSIDE.iter().find(|word| answer.text.contains(**word));
    assert_eq!(told, None, "{asked}: {}", answer.text);
    assert!(
        answer.status < 500,
        "{asked}: {} {}",
        answer.status,
        answer.text
    );
}
