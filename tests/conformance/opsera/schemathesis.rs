//! `schemathesis` reads the served `OpenAPI` document and tries what it says and what it doesn't: no
//! answer is an error of ours, and none is other than the document says.

use std::process::Stdio;

use harness::{Settings, Shape, Story, World, own};
use serde_json::json;

/// A Python, beside which the program is.
const PYTHON: &str = "TEST_PYTHON";
/// What it looks at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      unsupported_method,ignored_auth";
/// Requests for each operation, usually and when all is asked for.
const EXAMPLES: [&str; 2] = ["20", "200"];

pub(crate) fn stories() -> Vec<Story> {
    let stories = own![schemathesis_finds_no_error_and_no_break_of_the_document];
    let only = |it: Story| it.only(&[Shape::Embedded]).told(&[PYTHON]);
    stories.into_iter().map(only).collect()
}

/// What may end the token that is used for all: tried by itself, and last.
const ENDING: [&str; 4] = [
    "revokeToken",
    "rotateToken",
    "revokeTokensOfUser",
    "changeUser",
];

async fn schemathesis_finds_no_error_and_no_break_of_the_document(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    fill(&world).await;
    let token = token(&world, "first").await;
    let all_but = ENDING.map(|it| ["--exclude-operation-id", it]);
    let all_but = all_but.as_flattened();
    let known = [all_but, &["--exclude-method", "DELETE"]].concat();
    attack(&world, &token, &known, Some(KNOWN)).await;
    attack(&world, &token, all_but, None).await;
    let request = harness::api::http().get(format!("{}/api/v2/users/me", world.url()));
    let still = world.api().send(request.bearer_auth(&token)).await;
    assert_eq!(still.status, 200, "all of it was tried with a good token");
    let token = self::token(&world, "second").await;
    let these = ENDING.map(|it| ["--include-operation-id", it]);
    attack(&world, &token, these.as_flattened(), None).await;
    world.end().await;
}

/// What [`fill`] has made, for paths.
const KNOWN: &str = r#"
[parameters]
"path.p" = "name:0"
"path.runCount" = "1"
"path.step" = "go"
"path.t" = "name:0"
"path.group" = "0"
"path.name" = "0"
"path.user" = "me"
"#;

/// Something of everything.
async fn fill(world: &World) {
    let api = world.api();
    let pipeline = json!({"name": "0", "steps": [
        {"id": "0", "run": "echo said"}, {"id": "go", "approval": {"message": "Go?"}}]});
    let id = api.define(&pipeline.to_string()).await;
    api.start(&id).await;
    let tool = json!({"name": "0", "toolIdentifier": "jenkins"});
    assert_eq!(api.post("/api/v2/tools", &tool).await.status, 201);
    let group = api.put("/api/v2/groups/0", &json!({"members": []})).await;
    assert_eq!(group.status, 201, "{}", group.text);
    let secret = api.put("/api/v2/secrets/0", &json!({"value": "x"})).await;
    assert_eq!(secret.status, 201, "{}", secret.text);
}

/// Lets it loose on operations, with names that are known or made up.
async fn attack(world: &World, token: &str, which: &[&str], names: Option<&str>) {
    let config = world.dir().join("schemathesis.toml");
    std::fs::write(&config, names.unwrap_or_default()).expect("a file can be written");
    let python = harness::variable(PYTHON).expect("the story is listed with it alone");
    let program = std::path::Path::new(&python).with_file_name("schemathesis");
    let document = format!("{}/api/v2/openapi.json", world.url());
    let token = format!("Authorization: Bearer {token}");
    let examples = EXAMPLES[usize::from(harness::variable("TEST_ALL").is_some())];
    let mut command = tokio::process::Command::new(program);
    command
        .arg("--config-file")
        .arg(config)
        .args(["run", &document, "--header", &token, "--checks", CHECKS])
        .args(["--max-examples", examples, "--workers", "1", "--seed", "1"])
        .args([
            "--phases",
            "examples,coverage,fuzzing,stateful",
            "--no-color",
        ])
        .args(["--request-timeout", "20", "--suppress-health-check", "all"])
        .args(["--generation-database", "none", "--warnings", "off"])
        .args(which)
        .current_dir(world.dir())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await;
    let output = output.expect("schemathesis can be started");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A token of an administrator's who isn't the one that the world looks with.
async fn token(world: &World, name: &str) -> String {
    let email = format!("{name}@example.org");
    let user = json!({"name": name, "email": email, "roles": ["site_administrator"]});
    let api = world.api();
    let made = api.post("/api/v2/users", &user).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = json!({"name": name, "user": email});
    let made = api.post("/api/v2/tokens", &token).await;
    made.json["token"].as_str().expect("a token").to_owned()
}
