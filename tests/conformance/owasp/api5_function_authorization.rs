//! API5, broken function level authorization: what administrators do, asked by everyone else.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, anonymous, assert_discreet};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        no_function_of_administrators_is_a_users,
        a_scope_opens_nothing_beyond_it,
        a_path_written_otherwise_leads_nowhere,
        a_header_changes_neither_method_nor_path,
        nobody_is_made_more_than_its_maker,
    ]
}

/// What only some may do to the site: method, path, body.
fn functions(world: &World) -> Vec<(Method, String, Value)> {
    let user = json!({"name": "x", "email": "x@example.org", "roles": ["site_administrator"]});
    let secret = format!("/api/v2/secrets/{}", world.name("planted"));
    let group = format!("/api/v2/groups/{}", world.name("planted"));
    let each = [
        (Method::GET, "/api/v2/users", Value::Null),
        (Method::POST, "/api/v2/users", user),
        (Method::GET, "/api/v2/groups", Value::Null),
        (Method::PUT, &group, json!({"members": []})),
        (Method::DELETE, &group, Value::Null),
        (Method::PUT, &secret, json!({"value": "x"})),
        (Method::DELETE, &secret, Value::Null),
        (Method::GET, "/api/v2/vault", Value::Null),
        (Method::POST, "/api/v2/vault/rotate-key", json!({})),
        (Method::POST, "/api/v2/executors/some/drain", json!({})),
        (Method::GET, "/api/v2/audit/actions", Value::Null),
        (Method::GET, "/api/v2/audit/tokens", Value::Null),
        (Method::GET, "/api/v2/audit/export", Value::Null),
        (Method::GET, "/api/v2/audit/keys", Value::Null),
        (Method::GET, "/api/v1/logs/user/actions", Value::Null),
        (Method::GET, "/api/v1/logs/user/tokens", Value::Null),
        (Method::GET, "/api/v1/pipeline/pipelines", Value::Null),
        (Method::GET, "/api/v1/registry/tools", Value::Null),
    ];
    let said = |(method, path, body): (Method, &str, Value)| (method, path.to_owned(), body);
    each.map(said).to_vec()
}

async fn no_function_of_administrators_is_a_users(world: &World) {
    for roles in [&["site_user"][..], &[]] {
        let attacker = Person::member(world, roles).await;
        for (method, path, body) in functions(world) {
            let answer = attacker.ask(method.clone(), &path, &body).await;
            assert_eq!(
                answer.status, 403,
                "{roles:?} {method} {path}: {}",
                answer.text
            );
            assert_discreet(&path, &answer);
        }
    }
    for roles in [&["auditor"][..], &["site_power_user"]] {
        let attacker = Person::member(world, roles).await;
        let changes = functions(world)
            .into_iter()
            .filter(|it| it.0 != Method::GET);
        for (method, path, body) in changes {
            let answer = attacker.ask(method.clone(), &path, &body).await;
            assert_eq!(
                answer.status, 403,
                "{roles:?} {method} {path}: {}",
                answer.text
            );
        }
    }
}

async fn a_scope_opens_nothing_beyond_it(world: &World) {
    let id = world
        .api()
        .define_steps("scoped", "- {id: a, run: 'true'}")
        .await;
    for scope in [
        "api-readonly",
        "pipeline-readonly",
        "registry-readonly",
        "tasks",
        "tasks-readonly",
        "security-logs",
    ] {
        let roles = ["site_administrator"];
        let attacker = Person::of(world, &roles, "default", scope).await;
        for (method, path, body) in functions(world)
            .into_iter()
            .filter(|it| it.0 != Method::GET)
        {
            let answer = attacker.ask(method.clone(), &path, &body).await;
            assert_eq!(
                answer.status, 403,
                "{scope} {method} {path}: {}",
                answer.text
            );
        }
        let token = json!({"name": "more", "scope": "api"});
        assert_eq!(
            attacker.post("/api/v2/tokens", &token).await.status,
            403,
            "{scope}"
        );
        let run = attacker
            .post("/api/v1/pipeline/run", &json!({"pipelineId": id}))
            .await;
        assert_eq!(run.status, 403, "{scope}: {}", run.text);
        let path = format!("/api/v2/pipelines/{id}");
        let deleted = attacker.ask(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(deleted.status, 403, "{scope}: {}", deleted.text);
    }
    assert_eq!(
        world
            .api()
            .get(&format!("/api/v2/pipelines/{id}"))
            .await
            .json["runCount"],
        0
    );
}

async fn a_path_written_otherwise_leads_nowhere(world: &World) {
    let attacker = Person::member(world, &["site_user"]).await;
    for path in [
        "/api/v2//users",
        "//api/v2/users",
        "/api/v2/./users",
        "/api/v2/pipelines/../users",
        "/api/v2/pipelines/..%2fusers",
        "/api/v2/pipelines/%2e%2e/users",
        "/api/v2/%75sers",
        "/API/V2/users",
        "/api/v2/Users",
        "/api/v2/users;x=1",
        "/api/v2/users%00",
        "/api/v2/users%20",
        "/api/v2/users.json",
        "/api/v2/users/",
        "/api/v2/users//",
        "/api/v1/../v2/users",
    ] {
        let answer = attacker.get(path).await;
        assert!(
            [400, 403, 404].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
        let url = format!("{path}?x");
        let nobody = anonymous(world, Method::GET, &url, &[]).await;
        assert!(
            [400, 401, 404].contains(&nobody.status),
            "{path}: {}",
            nobody.text
        );
    }
}

async fn a_header_changes_neither_method_nor_path(world: &World) {
    let attacker = Person::of(world, &["site_administrator"], "default", "api-readonly").await;
    let id = world
        .api()
        .define_steps("kept", "- {id: a, run: 'true'}")
        .await;
    let path = format!("/api/v2/pipelines/{id}");
    let token = format!("Bearer {}", attacker.token);
    for (name, value) in [
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/api/v2/audit/export"),
        ("x-rewrite-url", "/api/v2/audit/export"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "elsewhere.example"),
        ("forwarded", "for=127.0.0.1;host=elsewhere.example"),
    ] {
        let headers = [("authorization", token.as_str()), (name, value)];
        let answer = anonymous(world, Method::GET, &path, &headers).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert_eq!(answer.json["id"], id.as_str(), "{name}: {}", answer.text);
        assert!(
            !answer.text.contains("elsewhere.example"),
            "{name}: {}",
            answer.text
        );
        let posted = anonymous(world, Method::POST, &path, &headers).await;
        assert_eq!(posted.status, 405, "{name}: {}", posted.text);
    }
    assert_eq!(
        world.api().get(&path).await.status,
        200,
        "it is still there"
    );
}

async fn nobody_is_made_more_than_its_maker(world: &World) {
    let account = world.name("account");
    let attacker = Person::of(world, &["site_administrator"], &account, "api").await;
    let top = json!(["opsera_administrator"]);
    let email = format!("{}@example.org", world.name("top"));
    let made = json!({"name": "x", "email": email, "roles": top});
    assert_eq!(attacker.post("/api/v2/users", &made).await.status, 403);
    let own = attacker
        .ask(Method::PATCH, "/api/v2/users/me", &json!({"roles": top}))
        .await;
    assert_eq!(own.status, 403, "{}", own.text);
    let unknown = json!({"name": "x", "email": email, "roles": ["root"]});
    assert_eq!(attacker.post("/api/v2/users", &unknown).await.status, 400);
    let elsewhere = json!({"name": "x", "email": email, "account": "default"});
    assert_eq!(attacker.post("/api/v2/users", &elsewhere).await.status, 403);
}
