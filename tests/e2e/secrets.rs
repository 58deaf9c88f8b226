//! Secrets reach the step that names them and nothing else.

use harness::api::{assert_end, step_of};
use harness::world::CANARY_NAME;
use harness::{Settings, Shape, Story, World, invariants, own, shared};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use reqwest::Method;
use serde_json::json;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        a_secret_is_masked_in_every_form,
        a_secret_is_masked_across_writes,
        a_step_that_names_no_secret_has_none,
        a_missing_secret_is_said_by_name,
        secrets_are_set_listed_and_deleted_without_their_values,
    ];
    stories.extend(own![a_secret_that_is_planted_is_found_wherever_it_is]);
    stories
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

/// The checker that looks for the secret everywhere is worth something only if it finds it.
async fn a_secret_that_is_planted_is_found_wherever_it_is(shape: Shape) {
    let world = World::start(Settings::of(shape).traced()).await;
    assert_eq!(invariants::leaks(&world).await, Vec::<String>::new());
    let (api, canary) = (world.api(), world.canary());
    // A script's own text is no secret to the product.
    let steps = [
        json!({"id": "say", "run": format!("echo 'it is {canary}'")}),
        json!({"id": "encode", "run": format!("printf 'ann:%s' '{canary}' | base64 -w0")}),
    ];
    let definition = json!({"name": "planted", "description": canary, "steps": steps});
    let pipeline = api.define(&definition.to_string()).await;
    api.through(&pipeline).await;
    api.log(&pipeline, 1).await;
    std::fs::write(world.dir().join("planted.log"), canary).unwrap();
    tell_a_trace(&world).await;
    let leaks = invariants::leaks(&world).await;
    for place in [
        "of pipeline",
        "of audit-log",
        "on penstock.events",
        "entry 1 of",
        "(base64)",
        "the answer of /api/v2/pipelines",
        "planted.log",
        "a trace",
    ] {
        let is_found = leaks.iter().any(|it| it.contains(place));
        assert!(is_found, "{place}: {leaks:#?}");
    }
    world.end().await;
}

async fn tell_a_trace(world: &World) {
    let span = Span {
        name: world.canary().to_owned(),
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    };
    let url = world.collector_url().unwrap().to_owned();
    let mut collector = TraceServiceClient::connect(url).await.unwrap();
    collector.export(request).await.unwrap();
}
