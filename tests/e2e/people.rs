//! Users and their tokens: who comes in, with what, and when no more.

use std::time::{Duration, Instant};

use harness::api::http;
use harness::eventually::{eventually, eventually_within};
use harness::{Answer, Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_user_with_a_token_runs_a_pipeline_and_appears_as_itself,
        a_revoked_token_is_refused_within_a_second,
        a_deactivated_user_is_refused_within_a_second,
        a_replaced_token_that_is_shown_again_takes_its_family_along,
        a_token_is_refused_when_it_has_expired_or_comes_from_elsewhere,
        a_read_only_token_reads_and_nothing_else,
        an_account_is_begun_and_sees_nothing_of_others,
        users_and_tokens_are_managed_from_the_command_line,
    ]
}

/// How soon every gateway knows of a change while the bus works.
const SOON: Duration = Duration::from_secs(1);

async fn ask(world: &World, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    let request = http().request(method, format!("{}{path}", world.url()));
    let request = request.bearer_auth(token).json(body);
    world.api().send(request).await
}

async fn status(world: &World, token: &str) -> u16 {
    ask(world, token, Method::GET, "/api/v2/users/me", &json!({}))
        .await
        .status
}

/// Makes a user of these roles, and answers its id and e-mail address.
async fn user(world: &World, roles: &[&str]) -> (String, String) {
    let name = world.name("user");
    let email = format!("{name}@Example.org");
    let body = json!({"name": name, "email": email, "roles": roles});
    let made = world.api().post("/api/v2/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    (made.json["id"].as_str().unwrap().to_owned(), email)
}

/// Makes a token as `body` says, and answers its id and its text.
async fn token(world: &World, body: &Value) -> (String, String) {
    let made = world.api().post("/api/v2/tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |name: &str| made.json[name].as_str().unwrap().to_owned();
    (text("id"), text("token"))
}

/// Waits until a token is refused, and asserts that it didn't take long since it was made so.
async fn refused_soon(world: &World, token: &str) {
    let since = Instant::now();
    eventually("the token is refused", async || {
        (status(world, token).await == 401).then_some(())
    })
    .await;
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
}

async fn a_user_with_a_token_runs_a_pipeline_and_appears_as_itself(world: &World) {
    let (id, email) = user(world, &["site_user"]).await;
    let (_, text) = token(world, &json!({"name": "ci", "user": email.to_lowercase()})).await;
    let name = world.name("hers");
    let definition = json!({"name": name, "steps": [{"id": "a", "run": "true"}]});
    let made = ask(world, &text, Method::POST, "/api/v2/pipelines", &definition).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let pipeline = made.json["id"].as_str().unwrap();
    let run = json!({"pipelineId": pipeline});
    let run = ask(world, &text, Method::POST, "/api/v1/pipeline/run", &run).await;
    assert_eq!(run.json["status"], "executed", "{}", run.text);
    world.api().ended(pipeline, 1).await;
    let summary = json!({"pipelineId": pipeline});
    let summary = ask(
        world,
        &text,
        Method::POST,
        "/api/v1/pipeline/summary",
        &summary,
    )
    .await;
    assert_eq!(summary.json["owner"], id, "{}", summary.text);
    let listed = ask(world, &text, Method::GET, "/api/v2/users", &json!({})).await;
    assert_eq!(listed.status, 403, "{}", listed.text);
    let used = eventually("the use is written", async || {
        let mine = ask(world, &text, Method::GET, "/api/v2/tokens", &json!({})).await;
        mine.json["tokens"][0]["lastUsedAt"]
            .as_str()
            .map(str::to_owned)
    });
    assert!(used.await.ends_with('Z'));
}

async fn a_revoked_token_is_refused_within_a_second(world: &World) {
    let (_, email) = user(world, &[]).await;
    let (id, text) = token(world, &json!({"name": "ci", "user": email})).await;
    assert_eq!(status(world, &text).await, 200);
    let path = format!("/api/v2/tokens/{id}");
    let revoked = ask(world, &text, Method::DELETE, &path, &json!({})).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text);
    refused_soon(world, &text).await;
    // The other face gives nothing away.
    let face = ask(
        world,
        &text,
        Method::GET,
        "/api/v1/pipeline/pipelines",
        &json!({}),
    )
    .await;
    assert_eq!(
        (face.status, &face.json["message"]),
        (403, &json!("Forbidden"))
    );
    let nobody = http().get(format!("{}/api/v1/pipeline/pipelines", world.url()));
    assert_eq!(world.api().send(nobody).await.status, 401);
}

async fn a_deactivated_user_is_refused_within_a_second(world: &World) {
    let (id, email) = user(world, &[]).await;
    let (_, one) = token(world, &json!({"name": "one", "user": email})).await;
    let (_, two) = token(world, &json!({"name": "two", "user": email})).await;
    for text in [&one, &two] {
        assert_eq!(status(world, text).await, 200);
    }
    let path = format!("/api/v2/users/{id}");
    let off = world.api().request(Method::PATCH, &path);
    let off = world.api().send(off.json(&json!({"active": false}))).await;
    assert_eq!(off.json["active"], false, "{}", off.text);
    refused_soon(world, &one).await;
    refused_soon(world, &two).await;
    let on = world.api().request(Method::PATCH, &path);
    world.api().send(on.json(&json!({"active": true}))).await;
    eventually_within(SOON * 3, "the token is good again", async || {
        (status(world, &one).await == 200).then_some(())
    })
    .await;
}

async fn a_replaced_token_that_is_shown_again_takes_its_family_along(world: &World) {
    let (_, email) = user(world, &[]).await;
    let (id, old) = token(world, &json!({"name": "ci", "user": email})).await;
    let path = format!("/api/v2/tokens/{id}/rotate");
    let rotated = ask(world, &old, Method::POST, &path, &json!({})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    let new = rotated.json["token"].as_str().unwrap().to_owned();
    assert_eq!(status(world, &new).await, 200);
    refused_soon(world, &old).await;
    refused_soon(world, &new).await;
    let ended = format!("/api/v2/tokens?ended=true&user={email}");
    let ended = world.api().get(&ended).await;
    let tokens = ended.json["tokens"].as_array().unwrap();
    assert!(
        tokens.len() == 2 && tokens.iter().all(|it| it["revokedAt"].is_string()),
        "{}",
        ended.text
    );
}

async fn a_token_is_refused_when_it_has_expired_or_comes_from_elsewhere(world: &World) {
    let (_, email) = user(world, &[]).await;
    let soon = jiff::Timestamp::now() + Duration::from_secs(2);
    let body = json!({"name": "short", "user": email, "expiration": soon.to_string()});
    let (_, short) = token(world, &body).await;
    assert_eq!(status(world, &short).await, 200);
    eventually("the token has expired", async || {
        (status(world, &short).await == 401).then_some(())
    })
    .await;
    assert!(jiff::Timestamp::now() >= soon);
    let body = json!({"name": "elsewhere", "user": email, "cidrs": ["192.0.2.0/24"]});
    let (_, elsewhere) = token(world, &body).await;
    let refused = ask(world, &elsewhere, Method::GET, "/api/v2/tokens", &json!({})).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(refused.text.contains("127.0.0.1"), "{}", refused.text);
    let body = json!({"name": "here", "user": email, "cidrs": ["127.0.0.0/8"]});
    let (_, here) = token(world, &body).await;
    assert_eq!(status(world, &here).await, 200);
}

async fn a_read_only_token_reads_and_nothing_else(world: &World) {
    let (_, email) = user(world, &["site_administrator"]).await;
    let body = json!({"name": "reads", "user": email, "scope": "api-readonly"});
    let (_, text) = token(world, &body).await;
    let listed = ask(world, &text, Method::GET, "/api/v2/users", &json!({})).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    let body = json!({"name": "stronger"});
    let made = ask(world, &text, Method::POST, "/api/v2/tokens", &body).await;
    assert_eq!(made.status, 403, "{}", made.text);
}

async fn an_account_is_begun_and_sees_nothing_of_others(world: &World) {
    let account = world.name("account");
    let email = format!("first@{account}.example");
    let body = json!({"name": "First", "email": email, "roles": ["site_administrator"],
        "account": account});
    let made = world.api().post("/api/v2/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let body = json!({"name": "first", "user": email, "account": account});
    let (_, text) = token(world, &body).await;
    let listed = ask(world, &text, Method::GET, "/api/v2/users", &json!({})).await;
    let users = listed.json["users"].as_array().unwrap();
    assert!(
        users.len() == 1 && users[0]["account"] == account,
        "{}",
        listed.text
    );
    let pipelines = ask(world, &text, Method::GET, "/api/v2/pipelines", &json!({})).await;
    assert_eq!(pipelines.json["pipelines"], json!([]), "{}", pipelines.text);
    let seen = world.api().get(&format!("/api/v2/users/{email}")).await;
    assert_eq!(seen.status, 404, "{}", seen.text);
    let elsewhere = json!({"name": "x", "email": "x@example.org", "account": "default"});
    let crossed = ask(world, &text, Method::POST, "/api/v2/users", &elsewhere).await;
    assert_eq!(crossed.status, 403, "{}", crossed.text);
}

async fn users_and_tokens_are_managed_from_the_command_line(world: &World) {
    let email = format!("{}@example.org", world.name("typed"));
    let group = world.name("typists");
    for (args, told) in [
        (&["user", "add", "Typed", "--email", &email][..], "made"),
        (&["user", "change", &email, "--role", "auditor"], "changed"),
        (&["user", "show", &email], "auditor"),
        (&["user", "list"], &email),
        (&["group", "set", &group, &email], "1 member"),
        (&["group", "show", &group], &email),
        (&["group", "remove", &group, &email], "removed"),
        (&["group", "list"], &group),
        (&["group", "delete", &group], "deleted"),
    ] {
        let said = world.penstock(args).await;
        assert_eq!(said.code, Some(0), "{args:?}: {said:?}");
        assert!(said.out.contains(told), "{args:?}: {said:?}");
    }
    let made = [
        "token",
        "create",
        "laptop",
        "--user",
        &email,
        "--expires",
        "1d",
    ];
    let made = world.penstock(&made).await;
    let text = made.out.trim_end();
    assert!(
        text.starts_with("pst_") && !text.contains(char::is_whitespace),
        "{made:?}"
    );
    assert!(
        made.err.contains("laptop") && !made.err.contains(text),
        "{made:?}"
    );
    let mine = |args: &[&str]| {
        let command = world.command(args).env("PENSTOCK_TOKEN", text);
        command.env("PENSTOCK_DATA_DIR", world.data_dir()).said()
    };
    let shown = mine(&["token", "list", "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let id = shown[0]["id"].as_str().unwrap();
    let rotated = mine(&["token", "rotate", id, "--overlap", "1h"]).await;
    assert!(rotated.out.starts_with("pst_"), "{rotated:?}");
    let listed = mine(&["token", "list"]).await;
    assert!(listed.out.contains("being replaced"), "{listed:?}");
    let revoked = mine(&["token", "revoke", "--all-of", "me"]).await;
    assert!(revoked.out.contains("2 tokens"), "{revoked:?}");
    let off = world.penstock(&["user", "deactivate", &email]).await;
    assert!(off.out.contains("deactivated"), "{off:?}");
    let nobody = world
        .penstock(&["user", "show", "nobody@example.org"])
        .await;
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("penstock user list"), "{nobody:?}");
}
