//! What the registry has of others: tools, secrets, users, groups and tokens.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::owasp::Person;

pub(super) fn stories() -> Vec<Story> {
    shared![
        nobody_reaches_a_tool_of_another_account,
        nobody_reaches_people_and_tokens_of_another_account,
        nobody_reaches_groups_and_secrets_of_another_account,
    ]
}

type Attack<'a> = (Method, &'a str, Value);

/// Everything is as if it weren't there.
async fn assert_nothing(attacker: &Person<'_>, attacks: &[Attack<'_>]) {
    for (method, path, body) in attacks {
        let answer = attacker.ask(method.clone(), path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
}

/// No list tells of it.
async fn assert_unlisted(attacker: &Person<'_>, known: &[&str]) {
    for list in [
        "users",
        "groups",
        "secrets",
        "tools",
        "tokens",
        "audit/actions",
    ] {
        let listed = attacker.get(&format!("/api/v2/{list}?limit=1000")).await;
        assert_eq!(listed.status, 200, "{list}: {}", listed.text);
        for known in known {
            assert!(!listed.text.contains(known), "{list}: {}", listed.text);
        }
    }
}

async fn nobody_reaches_a_tool_of_another_account(world: &World) {
    let victim = Person::member(world, &["site_administrator"]).await;
    let attacker = Person::of_another_account(world).await;
    let tool = json!({"name": world.name("tool"), "toolIdentifier": "jenkins"});
    let tool = victim.post("/api/v2/tools", &tool).await.json;
    let id = tool["id"].as_str().unwrap();
    let change = json!({"name": "mine"});
    for name in [
        id,
        &tool["number"].to_string(),
        tool["name"].as_str().unwrap(),
    ] {
        let path = format!("/api/v2/tools/{name}");
        let attacks = [
            (Method::GET, path.as_str(), Value::Null),
            (Method::PUT, &path, tool.clone()),
            (Method::PATCH, &path, change.clone()),
            (Method::DELETE, &path, Value::Null),
        ];
        assert_nothing(&attacker, &attacks).await;
    }
    for (route, said) in [
        ("summary", json!({"toolId": id})),
        (
            "update",
            json!({"toolId": id, "tool": {"description": "mine"}}),
        ),
    ] {
        let answer = attacker
            .post(&format!("/api/v1/registry/{route}"), &said)
            .await;
        assert!([403, 404].contains(&answer.status), "{}", answer.text);
    }
    assert_unlisted(&attacker, &[id]).await;
    let unchanged = victim.get(&format!("/api/v2/tools/{id}")).await.json;
    assert_eq!(unchanged, tool);
}

async fn nobody_reaches_people_and_tokens_of_another_account(world: &World) {
    let victim = Person::member(world, &["site_administrator"]).await;
    let attacker = Person::of_another_account(world).await;
    let user = format!("/api/v2/users/{}", victim.id);
    let named = format!("/api/v2/users/{}", victim.email);
    let tokens = format!("{user}/tokens");
    let token = format!("/api/v2/tokens/{}", victim.token_id);
    let rotate = format!("{token}/rotate");
    let theirs = format!("/api/v2/tokens?user={}", victim.id);
    let attacks = [
        (Method::GET, user.as_str(), Value::Null),
        (Method::GET, &named, Value::Null),
        (Method::PATCH, &user, json!({"name": "mine"})),
        (Method::DELETE, &tokens, Value::Null),
        (Method::GET, &token, Value::Null),
        (Method::DELETE, &token, Value::Null),
        (Method::POST, &rotate, json!({})),
        (Method::GET, &theirs, Value::Null),
        (
            Method::POST,
            "/api/v2/tokens",
            json!({"name": "x", "user": victim.id}),
        ),
    ];
    assert_nothing(&attacker, &attacks).await;
    assert_unlisted(&attacker, &[&victim.id, &victim.email, &victim.token_id]).await;
    let alive = victim.get("/api/v2/users/me").await;
    assert_ne!(alive.json["name"], "mine", "{}", alive.text);
}

async fn nobody_reaches_groups_and_secrets_of_another_account(world: &World) {
    let victim = Person::member(world, &["site_administrator"]).await;
    let attacker = Person::of_another_account(world).await;
    let (name, secret) = (world.name("group"), world.name("secret"));
    let group = format!("/api/v2/groups/{name}");
    let members = json!({"members": [victim.email]});
    let made = victim.ask(Method::PUT, &group, &members).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = format!("/api/v2/secrets/{secret}");
    victim
        .ask(Method::PUT, &secret, &json!({"value": "x"}))
        .await;
    let member = format!("{group}/members/{}", victim.id);
    let attacks = [
        (Method::GET, group.as_str(), Value::Null),
        (Method::DELETE, &group, Value::Null),
        (Method::PUT, &member, Value::Null),
        (Method::DELETE, &member, Value::Null),
        (Method::DELETE, &secret, Value::Null),
    ];
    assert_nothing(&attacker, &attacks).await;
    assert_unlisted(&attacker, &[&name, &secret]).await;
    let kept = victim.get(&group).await;
    assert!(kept.text.contains(&victim.id), "{}", kept.text);
    let deleted = victim.ask(Method::DELETE, &secret, &Value::Null).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
}
