//! What schedules start, and will start next.

use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

use super::{FIRST, read, schedule};
use crate::uv::Uv;

pub(super) fn stories() -> Vec<Story> {
    shared![
        what_runs_once_is_disabled_when_it_has_run,
        what_is_started_next_is_told_in_its_order,
    ]
}

async fn what_runs_once_is_disabled_when_it_has_run(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline_of("once", "- {id: a, run: 'true'}").await;
    let first = "2014-08-08T15:15:15.555+0000";
    let body = json!({
        "scheduleType": "PERIODICALLY", "enabled": true, "justOnce": true,
        "firstExecution": first, "userExternalId": "admin",
    });
    let (_, id) = schedule(uv, pipeline, &body).await;
    let shown = eventually("a schedule has run once", async || {
        let shown = read(uv, pipeline, id).await;
        shown["lastExecution"].is_string().then_some(shown)
    })
    .await;
    assert_eq!(
        (
            &shown["enabled"],
            &shown["nextExecution"],
            &shown["firstExecution"]
        ),
        (&json!(false), &Value::Null, &json!(first)),
        "{shown}"
    );
    let path = format!("/pipelines/{pipeline}/executions");
    let execution = eventually("its execution is there", async || {
        uv.get(&path).await.json.get(0).cloned()
    })
    .await;
    assert_eq!(
        (&execution["schedule"], &execution["userExternalId"]),
        (&json!(id), &json!("admin")),
        "{execution}"
    );
    // By its priority and not by its turn: behind what people start.
    assert!(
        execution["orderNumber"].as_i64().unwrap() > 1_000_000,
        "{execution}"
    );
    uv.ended(pipeline, execution["id"].as_i64().unwrap()).await;
}

async fn what_is_started_next_is_told_in_its_order(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("next").await;
    let (one, two) = (uv.pipeline("p1").await, uv.pipeline("p2").await);
    let name = async |id: i64| {
        let answer = uv.get(&format!("/pipelines/{id}")).await;
        answer.json["name"].as_str().unwrap().to_owned()
    };
    let (first, second) = (name(one).await, name(two).await);
    let at = |first: &str, enabled: bool| {
        json!({
            "scheduleType": "PERIODICALLY", "enabled": enabled, "firstExecution": first,
            "period": 1, "periodUnit": "YEAR",
        })
    };
    // A follower is told even where it is disabled.
    let (_, follower) = schedule(uv, pipeline, &json!({"afterPipelines": [one, two]})).await;
    let (_, later) = schedule(uv, pipeline, &at(FIRST, true)).await;
    let (_, sooner) = schedule(uv, pipeline, &at("2099-01-01T00:00:00.000+0000", true)).await;
    let (_, off) = schedule(uv, pipeline, &at(FIRST, false)).await;
    schedule(
        uv,
        pipeline,
        &json!({"scheduleType": "AFTER_PIPELINE", "enabled": true}),
    )
    .await;
    let timed = |start: &str, id: i64| {
        format!("{{\"start\":\"{start}\",\"schedule\":{id},\"afterPipelines\":null}}")
    };
    let followed = format!(
        "{{\"start\":null,\"schedule\":{follower},\"afterPipelines\":{{\"{one}\":\"{first}\",\
         \"{two}\":\"{second}\"}}}}"
    );
    let sooner = timed("2099-01-01T00:00:00.000+0000", sooner);
    let all = format!("[{sooner},{},{followed}]", timed(FIRST, later));
    for (which, expected) in [
        ("~all".to_owned(), all.clone()),
        ("%7Eall".to_owned(), all.clone()),
        ("%7eall".to_owned(), all),
        (follower.to_string(), format!("[{followed}]")),
        (later.to_string(), format!("[{}]", timed(FIRST, later))),
        (off.to_string(), "[]".to_owned()),
    ] {
        for end in ["", "/"] {
            let path = format!("/pipelines/{pipeline}/schedules/{which}/scheduledexecutions{end}");
            let answer = uv.get(&path).await;
            assert_eq!(
                (answer.status, answer.text),
                (200, expected.clone()),
                "{path}"
            );
            assert_eq!(answer.kind, "application/json");
        }
    }
}
