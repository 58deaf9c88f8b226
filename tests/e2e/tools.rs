//! Tools: how they are changed, and where their secrets are not.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use harness::{Answer, Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_tool_that_is_read_changed_and_sent_back_keeps_what_only_the_server_says,
        a_tool_is_added_updated_and_deleted_on_the_command_line,
        the_secret_of_a_tool_is_found_nowhere,
    ]
}

async fn jenkins(world: &World, secret: &str) -> Value {
    let tool = json!({
        "name": world.name("ci"), "toolIdentifier": "jenkins", "description": "before",
        "configuration": {"jenkinsUrl": "https://ci.example", "password": secret},
    });
    let made = world.api().post("/api/v2/tools", &tool).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json
}

async fn a_tool_that_is_read_changed_and_sent_back_keeps_what_only_the_server_says(world: &World) {
    let made = jenkins(world, "s3cret").await;
    let id = made["id"].as_str().unwrap();
    let api = world.api();
    let asked = json!({"toolId": id});
    let mut tool = api.post("/api/v1/registry/summary", &asked).await.json;
    tool["description"] = json!("changed by a script");
    let said = json!({"toolId": id, "tool": tool});
    let answer = api.post("/api/v1/registry/update", &said).await.json;
    assert_eq!((&answer["_id"], &answer["__v"]), (&json!(id), &json!(0)));
    assert_eq!(answer["description"], "changed by a script");
    let key = format!("{id}-jenkins-configuration.password");
    let reference = json!({"name": "Vault Secured Key", "vaultKey": key});
    assert_eq!(answer["configuration"]["password"], reference);
    let shown = api.get(&format!("/api/v2/tools/{id}")).await.json;
    assert_eq!(shown["revision"], 2, "{shown:#}");
    assert_eq!(
        (&shown["createdAt"], &shown["owner"]),
        (&made["createdAt"], &made["owner"])
    );
    let list = api.get("/api/v1/registry/tools").await;
    let listed = list
        .json
        .as_array()
        .unwrap()
        .iter()
        .any(|it| it["_id"] == id);
    assert!(listed, "{}", list.text);
}

async fn a_tool_is_added_updated_and_deleted_on_the_command_line(world: &World) {
    let name = world.name("cli");
    let file = world.dir().join(format!("{name}.yaml"));
    let text = format!("name: {name}\ntoolIdentifier: github\nconfiguration: {{token: t-0}}\n");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let added = world.penstock(&["tool", "add", "-f", file]).await;
    assert!(
        added.out.contains(&format!("tool {name} added")),
        "{added:?}"
    );
    std::fs::write(file, "description: for releases\n").unwrap();
    let updated = world.penstock(&["tool", "update", &name, "-f", file]).await;
    assert_eq!(updated.code, Some(0), "{updated:?}");
    let shown = world.penstock(&["tool", "show", &name]).await;
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["description"], "for releases");
    assert_eq!(shown["configuration"]["token"]["name"], "Vault Secured Key");
    let listed = world.penstock(&["tool", "list"]).await;
    assert!(listed.out.contains(&name), "{listed:?}");
    let steps = format!("- {{id: one, tool: {{tool: {name}, operation: any}}}}");
    let user = world.api().define_steps("uses", &steps).await;
    let uses = world.penstock(&["tool", "uses", &name, "-o", "json"]).await;
    let uses: Value = serde_json::from_str(&uses.out).unwrap();
    assert_eq!(uses[0]["id"], user, "{uses:#}");
    let given = world
        .penstock(&["tool", "transfer", &name, "nobody@example.org"])
        .await;
    assert_eq!(given.code, Some(1), "{given:?}");
    let deleted = world.penstock(&["tool", "delete", &name]).await;
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    let gone = world.penstock(&["tool", "show", &name]).await;
    assert_eq!(gone.code, Some(1), "{gone:?}");
}

async fn the_secret_of_a_tool_is_found_nowhere(world: &World) {
    let secret = format!("tool/{}+\"canary\"?", world.name("secret"));
    let made = jenkins(world, &secret).await;
    let id = made["id"].as_str().unwrap();
    let api = world.api();
    let said = json!({"toolId": id, "tool": {"accounts": [{"apiToken": secret}], "name": "",
        "more": {"clientSecret": secret}}});
    let refused = api.post("/api/v1/registry/update", &said).await;
    assert_eq!(refused.status, 400);
    let mut said = said;
    said["tool"]["name"] = json!("renamed");
    let updated = api.post("/api/v1/registry/update", &said).await;
    assert_eq!(updated.status, 200, "{}", updated.text);
    let answers = [
        made.to_string(),
        refused.text,
        updated.text,
        api.post("/api/v1/registry/summary", &json!({"toolId": id}))
            .await
            .text,
        api.get("/api/v1/registry/tools").await.text,
        api.get("/api/v2/tools?limit=1000").await.text,
        api.get(&format!("/api/v2/tools/{id}")).await.text,
        api.get("/api/v2/secrets?limit=1000").await.text,
    ];
    for form in forms(&secret) {
        assert!(answers.iter().all(|text| !text.contains(&form)), "{form}");
        let found = found_below(world.dir(), form.as_bytes());
        assert_eq!(found, None, "{form}");
    }
    // This one is looked for in every database and topic when the world ends.
    let canary = json!({"configuration": {"password": world.canary()}});
    let request = api.request(Method::PATCH, &format!("/api/v2/tools/{id}"));
    let patched = api.send(request.json(&canary)).await;
    assert_eq!(patched.status, 200, "{}", patched.text);
    assert!(!patched.text.contains(world.canary()));
    let gone: Answer = api
        .send(api.request(Method::DELETE, &format!("/api/v2/tools/{id}")))
        .await;
    assert_eq!(gone.status, 204);
}

fn forms(value: &str) -> [String; 5] {
    let json = serde_json::to_string(value).unwrap();
    let url: String = value.bytes().map(|it| format!("%{it:02X}")).collect();
    [
        value.to_owned(),
        json.trim_matches('"').to_owned(),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        url,
    ]
}

/// The first file below a folder that holds these bytes: databases, the bus, logs.
fn found_below(folder: &Path, needle: &[u8]) -> Option<String> {
    for entry in std::fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let found = if path.is_dir() {
            found_below(&path, needle)
        } else {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let holds = bytes.windows(needle.len()).any(|it| it == needle);
            holds.then(|| path.display().to_string())
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
