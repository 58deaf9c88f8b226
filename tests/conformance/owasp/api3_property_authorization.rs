//! API3, broken object property level authorization: properties that a client may not set, or see.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, one_step};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        an_update_of_a_tool_sets_nothing_that_only_the_server_says,
        a_tools_rules_are_changed_only_by_who_may,
        a_created_pipeline_is_its_makers_whatever_the_document_says,
        a_definition_has_no_place_for_owners_accounts_and_counts,
        a_user_gives_itself_nothing,
        a_token_is_made_for_nobody_else_and_with_nothing_more,
        a_guest_sees_no_scripts,
    ]
}

/// What an attacker says about everything.
fn protected(attacker: &Person<'_>) -> Value {
    json!({
        "_id": "5fd56d90979ee048ee660624", "id": "5fd56d90979ee048ee660624", "number": 1,
        "owner": attacker.id, "ownerName": "attacker", "owner_name": "attacker",
        "account": "another", "createdAt": "2001-01-01T00:00:00.000Z",
        "updatedAt": "2001-01-01T00:00:00.000Z", "__v": 77, "revision": 77, "version": 77,
        "access": "owner", "role_access_level": "owner", "run_count": 500, "runCount": 500,
    })
}

fn with(mut base: Value, more: &Value) -> Value {
    let base_fields = base.as_object_mut().unwrap();
    base_fields.extend(more.as_object().unwrap().clone());
    base
}

async fn an_update_of_a_tool_sets_nothing_that_only_the_server_says(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let attacker = Person::member(world, &["site_user"]).await;
    let tool = json!({"name": world.name("tool"), "toolIdentifier": "jenkins"});
    let before = owner.post("/api/v2/tools", &tool).await.json;
    let path = format!("/api/v2/tools/{}", before["id"].as_str().unwrap());
    let said = with(json!({"description": "changed"}), &protected(&attacker));
    let v1 = json!({"toolId": before["id"], "tool": said});
    let whole = with(
        json!({"name": tool["name"], "toolIdentifier": "jenkins"}),
        &said,
    );
    for (method, place, body) in [
        (Method::POST, "/api/v1/registry/update", &v1),
        (Method::PATCH, &path, &said),
        (Method::PUT, &path, &whole),
    ] {
        let answer = attacker.ask(method.clone(), place, body).await;
        assert!(
            answer.status == 200 || answer.status == 400,
            "{method} {place}: {}",
            answer.text
        );
        let after = owner.get(&path).await.json;
        for kept in ["id", "number", "account", "owner", "createdAt"] {
            assert_eq!(after[kept], before[kept], "{method} {place}: {kept}");
        }
        assert!(after["revision"].as_i64().unwrap() < 10, "{after:#}");
        assert_eq!(after["access"], "owner");
    }
    assert_eq!(owner.get(&path).await.json["description"], "changed");
    let identifier = json!({"toolId": before["id"], "tool": {"tool_identifier": "gitlab"}});
    let refused = owner.post("/api/v1/registry/update", &identifier).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

async fn a_tools_rules_are_changed_only_by_who_may(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let attacker = Person::member(world, &["site_user"]).await;
    let tool = json!({"name": world.name("tool"), "toolIdentifier": "jenkins",
        "roles": [{"role": "user", "user": attacker.email}]});
    let tool = owner.post("/api/v2/tools", &tool).await.json;
    let path = format!("/api/v2/tools/{}", tool["id"].as_str().unwrap());
    let rules = json!([{"role": "administrator", "user": attacker.email}]);
    let v1 = json!({"toolId": tool["id"], "tool": {"roles": rules}});
    for (method, place, body) in [
        (Method::POST, "/api/v1/registry/update", &v1),
        (Method::PATCH, &path, &json!({"roles": rules})),
        (Method::PATCH, &path, &json!({"roles": []})),
        (Method::PATCH, &path, &json!({"roles": null})),
        (
            Method::PUT,
            &path,
            &with(tool.clone(), &json!({"roles": rules})),
        ),
    ] {
        let answer = attacker.ask(method.clone(), place, body).await;
        assert_eq!(answer.status, 403, "{method} {place}: {}", answer.text);
    }
    assert_eq!(owner.get(&path).await.json, tool);
}

async fn a_created_pipeline_is_its_makers_whatever_the_document_says(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::member(world, &["site_user"]).await;
    let plan = json!([{"name": "Say it", "tool": {"tool_identifier": "command-line",
        "configuration": {"commands": "echo"}}}]);
    let document = json!({"name": world.name("made"), "workflow": {
        "plan": plan, "run_count": 500, "last_run": {"status": "success"}}});
    let said = with(document, &protected(&victim));
    let made = attacker.post("/api/v1/pipeline/create", &said).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let id = made.json["newPipelineId"].as_str().unwrap();
    assert_ne!(id, said["_id"]);
    let shown = attacker.get(&format!("/api/v2/pipelines/{id}")).await.json;
    assert_eq!(shown["owner"]["id"], attacker.id.as_str(), "{shown:#}");
    assert_eq!(
        (&shown["account"], &shown["runCount"]),
        (&json!("default"), &json!(0))
    );
    assert!(
        !shown["createdAt"].as_str().unwrap().starts_with("2001"),
        "{shown:#}"
    );
    assert!(shown["latestRun"].is_null(), "{shown:#}");
}

async fn a_definition_has_no_place_for_owners_accounts_and_counts(world: &World) {
    let attacker = Person::member(world, &["site_user"]).await;
    let definition = one_step(&world.name("strict"), "true");
    let id = attacker.defines(&definition).await;
    let path = format!("/api/v2/pipelines/{id}");
    let before = attacker.get(&path).await.json;
    for (name, value) in protected(&attacker).as_object().unwrap() {
        let said = with(definition.clone(), &json!({name: value}));
        for (method, place) in [
            (Method::PUT, path.as_str()),
            (Method::POST, "/api/v2/pipelines"),
        ] {
            let answer = attacker.ask(method, place, &said).await;
            assert_eq!(answer.status, 400, "{name}: {}", answer.text);
        }
    }
    assert_eq!(attacker.get(&path).await.json, before);
    let start = json!({"parameters": {}, "origin": "schedule", "attempt": 7, "priority": 9});
    let start = attacker.post(&format!("{path}/runs"), &start).await;
    assert_eq!(start.status, 400, "{}", start.text);
}

async fn a_user_gives_itself_nothing(world: &World) {
    let attacker = Person::member(world, &["site_user"]).await;
    let before = attacker.get("/api/v2/users/me").await.json;
    for (body, expected) in [
        (json!({"roles": ["site_administrator"]}), 403),
        (json!({"roles": []}), 403),
        (json!({"active": true}), 403),
        (json!({"email": "root@example.org"}), 403),
        (json!({"account": "another"}), 400),
        (json!({"id": "5fd56d90979ee048ee660624"}), 400),
        (json!({"kind": "service"}), 400),
        (json!({"installed": true}), 400),
        (json!({"groups": ["admins"]}), 400),
        (json!({"hasPassword": true}), 400),
        (json!({"name": "x", "roles": ["site_administrator"]}), 403),
    ] {
        for path in [
            "/api/v2/users/me".to_owned(),
            format!("/api/v2/users/{}", attacker.id),
        ] {
            let answer = attacker.ask(Method::PATCH, &path, &body).await;
            assert_eq!(answer.status, expected, "{body}: {}", answer.text);
        }
    }
    assert_eq!(attacker.get("/api/v2/users/me").await.json, before);
}

async fn a_token_is_made_for_nobody_else_and_with_nothing_more(world: &World) {
    let victim = Person::member(world, &["site_administrator"]).await;
    let attacker = Person::member(world, &["site_user"]).await;
    for body in [
        json!({"name": "x", "user": victim.id}),
        json!({"name": "x", "user": victim.email}),
        json!({"name": "x", "account": "another"}),
        json!({"name": "x", "scope": "root"}),
        json!({"name": "x", "scope": ""  , "roles": ["site_administrator"]}),
        json!({"name": "x", "installed": true}),
        json!({"name": "x", "id": victim.token_id}),
        json!({"name": "x", "familyId": victim.token_id}),
        json!({"name": "x", "token": "chosen by the attacker, 32 characters"}),
    ] {
        let answer = attacker.post("/api/v2/tokens", &body).await;
        assert!(
            (400..500).contains(&answer.status),
            "{body}: {}",
            answer.text
        );
    }
    let tokens = victim.get("/api/v2/tokens?ended=true").await;
    assert_eq!(
        tokens.json["tokens"].as_array().map(Vec::len),
        Some(1),
        "{}",
        tokens.text
    );
}

async fn a_guest_sees_no_scripts(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let guest = Person::member(world, &["site_user"]).await;
    let mut definition = one_step(&world.name("shown"), "echo of-the-owner-alone");
    definition["roles"] = json!([{"role": "guest", "user": guest.email}]);
    let id = owner.defines(&definition).await;
    let body = json!({"pipelineId": id});
    for answer in [
        guest.get(&format!("/api/v2/pipelines/{id}")).await,
        guest.get("/api/v2/pipelines?limit=1000").await,
        guest.post("/api/v1/pipeline/summary", &body).await,
    ] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(
            !answer.text.contains("of-the-owner-alone"),
            "{}",
            answer.text
        );
    }
}
