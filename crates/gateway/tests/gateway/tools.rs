//! Tools, on both faces.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tonic::Code;

use crate::fakes::tools::{TOOL, tool};
use crate::fakes::{World, fault};

fn world() -> World {
    let world = World::new();
    world.set(|behind| {
        behind.tool = tool(&json!({
            "name": "CI", "tool_identifier": "jenkins", "active": true,
            "roles": [{"role": "user", "site_role": "Auditors"}],
            "configuration": {"password": {"name": "Vault Secured Key", "vaultKey": "k"}},
            "myOwn": 1,
        }));
    });
    world
}

async fn as_user(world: &World, path: &str, body: &str) -> StatusCode {
    let request = Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .uri(path)
        .header("authorization", "Bearer user")
        .body(Body::from(body.to_owned()))
        .unwrap();
    world.send(request).await.status
}

#[tokio::test]
async fn a_tool_is_shown_as_the_contract_has_it() {
    let world = world();
    for body in [
        json!({"toolId": TOOL}).to_string(),
        format!("toolId={}", TOOL.to_uppercase()),
    ] {
        let answer = world.post("/api/v1/registry/summary", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert!(answer.text.starts_with(r#"{"_id":"#));
        let told = answer.json();
        let expected = json!({
            "_id": TOOL, "name": "CI", "tool_identifier": "jenkins", "active": true,
            "description": "", "tool_type_identifier": "", "status": "", "myOwn": 1,
            "roles": [{"role": "user", "site_role": "Auditors"}],
            "configuration": {"password": {"name": "Vault Secured Key", "vaultKey": "k"}},
            "accounts": [], "jobs": [], "actions": [], "projects": [], "repositories": [],
            "applications": [], "compliance": [], "licensing": [], "location": [],
            "contacts": [], "organization": [], "external_reference": [], "tags": [],
            "classification": "", "costCenter": "", "vault": "",
            "account": "org", "owner": "5e1cbf251c26d68f7ce6361e", "owner_name": "Ada",
            "role_access_level": "manager", "__v": 0,
            "createdAt": "2020-09-13T12:26:40.000Z", "updatedAt": "2020-09-13T12:26:41.000Z",
        });
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn an_update_passes_on_what_is_said_of_the_tool() {
    let world = world();
    let body = json!({"toolId": TOOL, "tool": {"description": "d", "_id": "x"}, "more": 1});
    let answer = world
        .post("/api/v1/registry/update/", &body.to_string())
        .await;
    assert_eq!(
        (answer.status, &answer.json()["_id"]),
        (StatusCode::OK, &json!(TOOL))
    );
    let asked = world.behind(|it| it.tool_changes[0].clone());
    let changes: Value = serde_json::from_str(&asked.changes_json).unwrap();
    assert_eq!((changes, asked.replace), (body["tool"].clone(), false));
    assert_eq!(asked.caller.unwrap().account, "org");
    for wrong in [
        json!({}),
        json!({"toolId": "5"}),
        json!({"toolId": TOOL}),
        json!({"toolId": TOOL, "tool": []}),
        json!({"toolId": TOOL, "tool": "x"}),
    ] {
        let answer = world
            .post("/api/v1/registry/update", &wrong.to_string())
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let refusal = fault(Code::InvalidArgument, "FIELD", "name: is blank");
    world.set(|behind| behind.failures.push_back(refusal));
    let answer = world
        .post("/api/v1/registry/update", &body.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["message"], "name: is blank");
}

#[tokio::test]
async fn a_tool_that_is_not_there_is_forbidden_to_those_from_whom_some_are_hidden() {
    let world = world();
    let body = json!({"toolId": "5fd56d90979ee048ee660624", "tool": {}}).to_string();
    for route in ["summary", "update"] {
        let path = format!("/api/v1/registry/{route}");
        assert_eq!(as_user(&world, &path, &body).await, StatusCode::FORBIDDEN);
        assert_eq!(world.post(&path, &body).await.status, StatusCode::NOT_FOUND);
    }
    let denied = fault(Code::PermissionDenied, "DENIED", "to edit this tool …");
    world.set(|behind| behind.failures.push_back(denied));
    let body = json!({"toolId": TOOL, "tool": {}}).to_string();
    let answer = world.post("/api/v1/registry/update", &body).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json()["message"], "Forbidden");
}

#[tokio::test]
async fn the_list_of_tools_is_a_bare_array_for_power_users() {
    let world = world();
    let answer = world.get("/api/v1/registry/tools").await;
    let tools = answer.json();
    assert_eq!(tools.as_array().unwrap().len(), 4, "over two pages");
    assert_eq!(tools[3]["_id"], TOOL);
    assert_eq!(
        as_user(&world, "/api/v1/registry/tools", "").await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(as_user(&world, "/api/v2/tools", "").await, StatusCode::OK);
}

#[tokio::test]
async fn our_own_face_says_it_in_its_own_words() {
    let world = world();
    let path = format!("/api/v2/tools/{TOOL}");
    let shown = world.get(&path).await.json();
    assert_eq!((&shown["id"], &shown["number"]), (&json!(TOOL), &json!(3)));
    assert_eq!(
        shown["roles"],
        json!([{"role": "user", "siteRole": "Auditors"}])
    );
    assert_eq!(
        (&shown["access"], &shown["extra"]),
        (&json!("manager"), &json!({"myOwn": 1}))
    );
    let page = world.get("/api/v2/tools?limit=4").await.json();
    assert_eq!(
        (page["tools"].as_array().unwrap().len(), &page["next"]),
        (4, &Value::Null)
    );

    let yaml = "name: CI\ntoolIdentifier: jenkins\nconfiguration: {url: u, port: 8080}\n";
    let made = world.post("/api/v2/tools", yaml).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.header("location"), path);
    assert_eq!(
        made.json()["configuration"],
        json!({"url": "u", "port": 8080})
    );

    for (method, replaces) in [("PATCH", false), ("PUT", true)] {
        let body = r#"{"costCenter":"x","id":"ignored","description":null}"#;
        assert_eq!(world.ask(method, &path, body).await.status, StatusCode::OK);
        let asked = world.behind(|it| it.tool_changes.last().cloned().unwrap());
        assert_eq!(
            asked.changes_json,
            r#"{"costCenter":"x","description":null}"#
        );
        assert_eq!(asked.replace, replaces);
    }
    for wrong in ["[]", "{", "", "unknown: 1", "tool_identifier: x"] {
        let answer = world.ask("PATCH", &path, wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(
        world.ask("DELETE", &path, "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        world.get("/api/v2/tools/x").await.status,
        StatusCode::NOT_FOUND
    );
}
