//! Who did what is on record, and a change to a record shows.

use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        what_users_do_is_recorded_once_with_the_use_that_did_it,
        a_request_for_the_log_is_in_the_log_later,
        the_record_chains_verify_and_a_change_shows,
    ]
}

/// Actions on a pipeline, the oldest first, once there are so many.
async fn actions(world: &World, pipeline: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v2/audit/actions?target={pipeline}");
    eventually("the actions are recorded", async || {
        let mut page = world.api().get(&path).await.json;
        let mut actions: Vec<Value> = serde_json::from_value(page["actions"].take()).ok()?;
        actions.reverse();
        (actions.len() >= count).then_some(actions)
    })
    .await
}

async fn what_users_do_is_recorded_once_with_the_use_that_did_it(world: &World) {
    let api = world.api();
    let pipeline = api
        .define_steps("audited", "- {id: one, run: 'echo one'}")
        .await;
    api.through(&pipeline).await;
    let body = json!({"pipelineId": pipeline});
    assert_eq!(api.post("/api/v1/pipeline/reset", &body).await.status, 200);
    let actions = actions(world, &pipeline, 3).await;
    let verbs: Vec<&str> = actions
        .iter()
        .filter_map(|it| it["action"].as_str())
        .collect();
    assert_eq!(verbs, ["create", "run", "reset"], "{actions:#?}");
    for action in &actions {
        assert_eq!(action["type"], "pipeline", "{action:#}");
        assert_eq!(action["user"]["name"], "admin", "{action:#}");
        let id = action["use"].as_str().unwrap();
        let used = eventually("the use is recorded", async || {
            let page = world
                .api()
                .get("/api/v2/audit/tokens?limit=1000")
                .await
                .json;
            let uses = page["uses"].as_array()?;
            let found: Vec<&Value> = uses.iter().filter(|it| it["id"] == id).collect();
            assert!(found.len() < 2, "{found:#?}");
            found.first().map(|it| (*it).clone())
        })
        .await;
        assert_eq!(used["ip"], "127.0.0.1", "{used:#}");
        assert_eq!(used["scope"], "api", "{used:#}");
    }
    let listed = api
        .get("/api/v1/logs/user/actions?type=pipeline")
        .await
        .json;
    let data = listed["data"].as_array().unwrap();
    assert_eq!(listed["count"], data.len());
    let of_ours = data.iter().filter(|it| it["target_id"] == *pipeline);
    assert_eq!(of_ours.count(), 3, "{listed:#}");
}

async fn a_request_for_the_log_is_in_the_log_later(world: &World) {
    let listed = eventually("the log has a request for it", async || {
        let answer = world.api().get("/api/v1/logs/user/tokens?scope=api").await;
        let is_here = answer.text.contains(r#""target":"/v1/logs/user/tokens""#);
        (answer.status == 200 && is_here).then_some(answer)
    })
    .await;
    assert!(listed.text.starts_with(r#"{"count":"#), "{}", listed.text);
    let times: Vec<&str> = listed.json["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["createdAt"].as_str())
        .collect();
    assert!(
        times.is_sorted_by(|one, other| one >= other),
        "newest first: {times:?}"
    );
    assert!(
        times.iter().all(|it| it.len() == 24 && it.ends_with('Z')),
        "{times:?}"
    );
}

async fn the_record_chains_verify_and_a_change_shows(world: &World) {
    let pipeline = world
        .api()
        .define_steps("chained", "- {id: one, run: 'true'}")
        .await;
    let recorded = actions(world, &pipeline, 1).await;
    let id = recorded[0]["id"].as_str().unwrap();
    let verified = world.penstock(&["audit", "verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(
        verified.out.contains("actions are whole from the first on"),
        "{verified:?}"
    );
    let export = world.penstock(&["audit", "export"]).await;
    assert_eq!(export.code, Some(0), "{}", export.err);
    let file = world.data_dir().join("records.jsonl");
    let file = file.to_str().unwrap();
    std::fs::write(file, &export.out).unwrap();
    let offline = world
        .penstock(&["audit", "verify", file, "--server", "127.0.0.1:1"])
        .await;
    assert_eq!(offline.code, Some(0), "{offline:?}");
    let changed = export
        .out
        .replace("\"action\":\"create\"", "\"action\":\"delete\"");
    std::fs::write(file, &changed).unwrap();
    let broken = world.penstock(&["audit", "verify", file]).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert!(broken.out.starts_with("broken at line"), "{broken:?}");
    let cut: String = export
        .out
        .lines()
        .take(3)
        .map(|it| format!("{it}\n"))
        .collect();
    std::fs::write(file, cut).unwrap();
    let broken = world.penstock(&["audit", "verify", file]).await;
    assert!(
        broken.code == Some(1) && broken.out.contains("cut off"),
        "{broken:?}"
    );
    // Only the one record is changed.
    let one = export.out.lines().map(|line| {
        let line = if line.contains(id) {
            line.replace("\"create\"", "\"update\"")
        } else {
            line.to_owned()
        };
        line + "\n"
    });
    std::fs::write(file, one.collect::<String>()).unwrap();
    let broken = world
        .penstock(&["audit", "verify", file, "-o", "json"])
        .await;
    let told: Value = serde_json::from_str(&broken.out).unwrap();
    assert_eq!(
        (broken.code, &told["records"][0]),
        (Some(1), &json!(id)),
        "{told:#}"
    );
}
