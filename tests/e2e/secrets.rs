//! Secrets reach the step that names them and nothing else.

use harness::api::{assert_end, step_of};
use harness::world::CANARY_NAME;
use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::json;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_secret_is_masked_in_every_form,
        a_secret_is_masked_across_writes,
        a_step_that_names_no_secret_has_none,
        a_missing_secret_is_said_by_name,
        secrets_are_set_listed_and_deleted_without_their_values,
    ]
}

async fn a_secret_is_masked_in_every_form(world: &World) {
    let api = world.api();
    let steps = format!(
        "- id: tell\n  secrets: {{CANARY: {CANARY_NAME}}}\n  run: |\n    \
         test -n \"$CANARY\" && echo here\n    echo \"$CANARY\"\n    echo \"before $CANARY after\" >&2\n    \
         printf %s \"$CANARY\" | base64 -w0; echo\n    \
         printf %s \"$CANARY\" | base64 -w0 | tr '+/' '-_' | tr -d =; echo\n    \
         printf %s \"$CANARY\" | od -An -v -tx1 | tr -d '\\n' | tr ' ' '%' | tr a-f A-F; echo\n    \
         printf '%s' \"$CANARY\" | sed 's/\"/\\\\\"/g'; echo\n    \
         echo \"key=$CANARY\" > /dev/null\n    exit 3"
    );
    let pipeline = api.define_steps("masked", &steps).await;
    let run = api.through(&pipeline).await;
    assert_eq!(step_of(&run, "tell")["exitCode"], 3, "{run:#}");
    let output = api.output(&pipeline, 1).await;
    let has = |text: &str| output.iter().any(|line| line == text);
    assert!(
        has("here") && has("before *** after") && has("***"),
        "{output:?}"
    );
    assert!(
        !output.iter().any(|line| line.contains(world.canary())),
        "{output:?}"
    );
}

async fn a_secret_is_masked_across_writes(world: &World) {
    let api = world.api();
    let steps = format!(
        "- id: slowly\n  secrets: {{CANARY: {CANARY_NAME}}}\n  run: |\n    \
         half=$(printf %s \"$CANARY\" | cut -c1-8)\n    printf %s \"$half\"; sleep 0.3\n    \
         printf '%s\\n' \"${{CANARY#\"$half\"}}\""
    );
    let pipeline = api.define_steps("slowly", &steps).await;
    assert_end(&api.through(&pipeline).await, "succeeded", "completed");
    let output = api.output(&pipeline, 1).await.join("\n");
    assert!(!output.contains(world.canary()), "{output}");
}

async fn a_step_that_names_no_secret_has_none(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps(
            "without",
            "- {id: look, run: 'env | grep -ci canary; true'}",
        )
        .await;
    api.through(&pipeline).await;
    assert_eq!(api.output(&pipeline, 1).await, ["0"]);
}

async fn a_missing_secret_is_said_by_name(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps(
            "missing",
            "- {id: want, secrets: {KEY: no-such-secret}, run: echo never}",
        )
        .await;
    let run = api.through(&pipeline).await;
    assert_eq!(run["state"], "failed", "{run:#}");
    assert!(
        step_of(&run, "want")["message"]
            .to_string()
            .contains("no-such-secret"),
        "{run:#}"
    );
}

async fn secrets_are_set_listed_and_deleted_without_their_values(world: &World) {
    let api = world.api();
    let name = world.name("secret");
    let path = format!("/api/v2/secrets/{name}");
    assert_eq!(api.put(&path, &json!({"value": "one"})).await.status, 201);
    let again = api.put(&path, &json!({"value": "two"})).await;
    assert!(
        again.status == 200 || again.status == 204,
        "{} {}",
        again.status,
        again.text
    );
    let list = api.get("/api/v2/secrets?limit=1000").await;
    assert!(
        list.text.contains(&name) && !list.text.contains("\"two\""),
        "{}",
        list.text
    );
    assert_eq!(
        api.send(api.request(Method::DELETE, &path)).await.status,
        204
    );
    assert_eq!(
        api.send(api.request(Method::DELETE, &path)).await.status,
        404
    );
}
