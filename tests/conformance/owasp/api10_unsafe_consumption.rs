//! API10, unsafe consumption of APIs: what remote tools answer is bounded, and is data.

use std::time::{Duration, Instant};

use harness::api::step_of;
use harness::{Story, World, shared};
use serde_json::{Value, json};

use super::remote::Remote;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        an_answer_without_end_is_cut_and_the_log_says_so,
        a_tool_that_answers_without_end_is_cut_off,
        an_answer_that_never_comes_ends_with_its_step,
        a_step_that_waits_for_an_answer_is_stopped,
        redirects_do_not_go_in_circles,
        what_is_no_http_fails_the_step,
        what_a_tool_answers_is_never_more_than_data,
        bytes_of_an_answer_forge_no_lines,
    ]
}

/// How soon a bounded answer is through, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

async fn carried_out(world: &World, steps: &Value) -> (String, Value) {
    let api = world.api();
    let definition = json!({"name": world.name("remote"), "steps": steps});
    let id = api.define(&definition.to_string()).await;
    let run = api.through(&id).await;
    (id, run)
}

fn http(url: &str, timeout: &str) -> Value {
    json!({"id": "a", "timeout": timeout, "http": {"url": url}})
}

async fn tool(world: &World, remote: &Remote, start: &str, poll: Option<&str>) -> Value {
    let name = world.name("tool");
    let tool = json!({"name": name, "toolIdentifier": "generic-rest",
        "configuration": {"url": remote.url, "token": world.canary()}});
    let made = world.api().post("/api/v2/tools", &tool).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let mut operation = json!({"start": {"request": {"method": "GET", "path": start},
        "idempotent": true, "take": {"id": "$.id"}}});
    if let Some(path) = poll {
        operation["poll"] = json!({"request": {"path": path},
            "state": [{"at": "$.state", "map": {"done": "succeeded"}}]});
    }
    json!({"id": "a", "timeout": "5s", "tool": {"tool": name, "every": "100ms", "operation": operation}})
}

async fn an_answer_without_end_is_cut_and_the_log_says_so(world: &World) {
    let remote = Remote::start().await;
    for path in ["/endless", "/endless-lines"] {
        let begun = Instant::now();
        let url = format!("{}{path}", remote.url);
        let (id, run) = carried_out(world, &json!([http(&url, "2m")])).await;
        assert_eq!(run["state"], "succeeded", "{run:#}");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        let log = world.api().log(&id, 1).await;
        let bytes: usize = log.iter().map(|it| it["message"].to_string().len()).sum();
        assert!(bytes < 256 * 1024, "{bytes} bytes are logged");
        assert!(
            log.iter()
                .any(|it| it["message"].to_string().contains("logged up to here"))
        );
    }
}

async fn a_tool_that_answers_without_end_is_cut_off(world: &World) {
    let remote = Remote::start().await;
    for path in ["/endless", "/headers"] {
        let step = tool(world, &remote, path, None).await;
        let begun = Instant::now();
        let (_, run) = carried_out(world, &json!([step])).await;
        assert!(
            ["failed", "succeeded"].iter().any(|it| run["state"] == *it),
            "{run:#}"
        );
        assert!(begun.elapsed() < SOON, "{path}: {:?}", begun.elapsed());
        assert!(
            run.to_string().len() < 64 * 1024,
            "a run is no place for an answer"
        );
    }
}

async fn an_answer_that_never_comes_ends_with_its_step(world: &World) {
    let remote = Remote::start().await;
    for path in ["/never", "/drip"] {
        let url = format!("{}{path}", remote.url);
        let begun = Instant::now();
        let (_, run) = carried_out(world, &json!([http(&url, "2s")])).await;
        assert_eq!(step_of(&run, "a")["state"], "failed", "{run:#}");
        assert!(begun.elapsed() < SOON, "{path}: {:?}", begun.elapsed());
        let step = tool(world, &remote, path, None).await;
        let begun = Instant::now();
        let (_, run) = carried_out(world, &json!([step])).await;
        assert_eq!(run["state"], "failed", "{run:#}");
        assert!(begun.elapsed() < SOON, "{path}: {:?}", begun.elapsed());
    }
}

async fn a_step_that_waits_for_an_answer_is_stopped(world: &World) {
    let remote = Remote::start().await;
    let api = world.api();
    for path in ["/never", "/drip"] {
        let definition = json!({"name": world.name("remote"), "steps": [
            http(&format!("{}{path}", remote.url), "10m")]});
        let id = api.define(&definition.to_string()).await;
        let before = remote.asked();
        api.start(&id).await;
        harness::eventually("the request has come", async || {
            (remote.asked() > before).then_some(())
        })
        .await;
        api.stop(&id, 1, "cancel").await;
        let run = api.ended(&id, 1).await;
        assert_eq!(run["state"], "cancelled", "{run:#}");
    }
}

async fn redirects_do_not_go_in_circles(world: &World) {
    let remote = Remote::start().await;
    for path in ["/loop", "/chain"] {
        let before = remote.asked();
        let url = format!("{}{path}", remote.url);
        let (_, run) = carried_out(world, &json!([http(&url, "1m")])).await;
        assert_eq!(run["state"], "failed", "{run:#}");
        assert!(
            remote.asked() - before <= 12,
            "{path}: {} requests",
            remote.asked() - before
        );
        let before = remote.asked();
        let step = tool(world, &remote, path, None).await;
        carried_out(world, &json!([step])).await;
        assert!(
            remote.asked() - before <= 12,
            "{path}: {} requests",
            remote.asked() - before
        );
    }
}

async fn what_is_no_http_fails_the_step(world: &World) {
    let remote = Remote::start().await;
    for path in ["/garbage", "/headers"] {
        let url = format!("{}{path}", remote.url);
        let (_, run) = carried_out(world, &json!([http(&url, "20s")])).await;
        assert_eq!(run["state"], "failed", "{path}: {run:#}");
    }
    let saved = json!([{"id": "a", "timeout": "20s", "http": {
        "url": format!("{}/short", remote.url), "saveTo": "answer"}}]);
    let (_, run) = carried_out(world, &saved).await;
    assert_eq!(run["state"], "failed", "half an answer is none: {run:#}");
}

async fn what_a_tool_answers_is_never_more_than_data(world: &World) {
    let remote = Remote::start().await;
    for start in [
        "/half-json",
        "/deep-json",
        "/wrong-json",
        "/long-id",
        "/path-id",
        "/template-id",
    ] {
        let step = tool(world, &remote, start, Some("/jobs/{{ var.id }}")).await;
        let begun = Instant::now();
        let (id, run) = carried_out(world, &json!([step])).await;
        assert_eq!(run["state"], "failed", "{start}: {run:#}");
        assert!(begun.elapsed() < SOON, "{start}: {:?}", begun.elapsed());
        let log = world.api().log(&id, 1).await;
        let told = format!("{run} {}", json!(log));
        assert!(told.len() < 256 * 1024, "{start}: {} bytes", told.len());
        assert!(!told.contains(world.canary()), "{start}: {told}");
    }
}

async fn bytes_of_an_answer_forge_no_lines(world: &World) {
    let remote = Remote::start().await;
    let url = format!("{}/bytes", remote.url);
    let (id, run) = carried_out(world, &json!([http(&url, "20s")])).await;
    assert_eq!(
        run["state"], "succeeded",
        "a tool's answer warns nobody: {run:#}"
    );
    for entry in world.api().log(&id, 1).await {
        let message = entry["message"].as_str().unwrap();
        assert!(
            !message.contains('\n') && !message.contains('\0'),
            "{entry:#}"
        );
    }
}
