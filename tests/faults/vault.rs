//! A crash while secrets are sealed again under a new key.

use harness::api::assert_end;
use harness::eventually::LONG_PATIENCE;
use harness::world::CANARY_NAME;
use harness::{Settings, Shape, Story, World, eventually_within};
use reqwest::Method;
use serde_json::{Value, json};

/// Batches that were sealed again before the crash: one a table has few rows.
const BATCHES: [u32; 2] = [1, 2];

pub(crate) fn stories() -> Vec<Story> {
    let crash = |batches: u32| {
        let name = format!("every_secret_opens_after_a_crash_when_{batches}_were_sealed_again");
        let story = Story::own(&name, move |shape| Box::pin(a_crash(shape, batches)));
        // Elsewhere whoever gave the key changes it.
        story.only(&[Shape::Embedded])
    };
    BATCHES.into_iter().map(crash).collect()
}

async fn a_crash(shape: Shape, batches: u32) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let length = world.canary().len();
    let steps = format!(
        "- id: look\n  secrets: {{CANARY: {CANARY_NAME}}}\n  \
         run: test \"$(printf %s \"$CANARY\" | wc -c)\" -eq {length}"
    );
    let pipeline = api.define_steps("looks", &steps).await;
    let tool = json!({"name": "ci", "toolIdentifier": "jenkins",
        "configuration": {"jenkinsUrl": "https://ci.example", "password": "s3cret"}});
    let made = api.post("/api/v2/tools", &tool).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let before = api.get("/api/v2/vault").await.json;

    let server = world.server("registry");
    server.kill();
    let point = format!("secrets.sealed:{batches}");
    server.set("PENSTOCK_FAULT_POINT", Some(&point));
    world.start_only(server);
    let crash = async {
        assert!(!server.ended().await.success(), "{}", server.said());
        server.set("PENSTOCK_FAULT_POINT", None);
        world.start_again(server).await;
    };
    tokio::join!(rotate(&world), crash);
    let vault = sealed(&world).await;
    assert_ne!(vault["keyId"], before["keyId"], "{vault:#}");
    let run = world.api().through(&pipeline).await;
    assert_end(&run, "succeeded", "completed");
    world.finish().await;
}

/// Asks for a new key until that is answered.
async fn rotate(world: &World) {
    eventually_within(LONG_PATIENCE, "a new key seals", async || {
        let api = world.api();
        let request = api.request(Method::POST, "/api/v2/vault/rotate-key");
        let answer = api.try_send(request).await?;
        (answer.status == 202).then_some(())
    })
    .await;
}

/// Waits until one key has sealed everything.
async fn sealed(world: &World) -> Value {
    eventually_within(LONG_PATIENCE, "one key has sealed everything", async || {
        let api = world.api();
        let answer = api
            .try_send(api.request(Method::GET, "/api/v2/vault"))
            .await?;
        let vault = answer.json;
        let is_one = vault["left"] == 0 && vault["earlierKeyIds"] == json!([]);
        is_one.then_some(vault)
    })
    .await
}
