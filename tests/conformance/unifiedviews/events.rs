//! What is told of executions that wait for others, and which follow.

use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

use crate::uv::Uv;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        an_execution_says_that_it_waits_for_a_conflict_and_goes_on,
        any_predecessor_that_a_schedule_started_starts_its_followers,
    ]
}

const WAITING: &str = "Pipeline is waiting as there are conflicts pipeline running";

fn said(events: &Value) -> Vec<&str> {
    let events = events.as_array().unwrap();
    events
        .iter()
        .map(|it| it["shortMessage"].as_str().unwrap())
        .collect()
}

async fn an_execution_says_that_it_waits_for_a_conflict_and_goes_on(world: &World) {
    let uv = Uv::of(world);
    let gate = world.gate();
    let steps = format!("- {{id: a, run: '{}'}}", gate.pass());
    let first = uv.pipeline_of("first", &steps).await;
    let definition = json!({
        "name": world.name("second"), "concurrency": 0, "conflicts": [first.to_string()],
        "steps": [{"id": "a", "run": "true"}],
    });
    let second = world.api().define(&definition.to_string()).await;
    let second = world
        .api()
        .get(&format!("/api/v2/pipelines/{second}"))
        .await;
    let second = second.json["number"].as_i64().unwrap();
    let blocking = uv.execution(first, &json!({})).await;
    world
        .api()
        .step_is(&first.to_string(), 1, "a", "running")
        .await;
    let waiting = uv.execution(second, &json!({})).await;
    let path = format!("/pipelines/{second}/executions/{waiting}/events");
    let told = eventually("it says that it waits", async || {
        let events = uv.get(&path).await.json;
        (!said(&events).is_empty()).then_some(events)
    })
    .await;
    assert_eq!(said(&told), [WAITING]);
    assert_eq!(told[0]["type"], "PIPELINE_INFO");
    assert_eq!(
        (&told[0]["fullMessage"], &told[0]["dpuInstance"]),
        (&json!(""), &Value::Null)
    );
    gate.open();
    uv.ended(second, waiting).await;
    let events = uv.events(second, waiting).await;
    let starting = format!("Starting execution: {waiting}");
    assert_eq!(
        said(&events)[..3],
        [WAITING, &starting, "Pipeline continue"]
    );
    assert_eq!(events[0], told[0], "what was told stays");
    // Who didn't wait says nothing of it.
    let alone = uv.execution(second, &json!({})).await;
    uv.ended(second, alone).await;
    for (pipeline, execution) in [(second, alone), (first, blocking)] {
        let events = uv.events(pipeline, execution).await;
        let words = ["waiting", "continue"];
        let has_waited = |it: &&str| words.iter().any(|word| it.contains(word));
        assert!(!said(&events).iter().any(has_waited), "{events:#}");
    }
}

async fn any_predecessor_that_a_schedule_started_starts_its_followers(world: &World) {
    let uv = Uv::of(world);
    let steps = "- {id: a, run: 'true'}";
    let one = uv.pipeline_of("predecessor", steps).await;
    let other = uv.pipeline_of("other-predecessor", steps).await;
    let follower = uv.pipeline_of("follower", steps).await;
    let body = json!({"enabled": true, "afterPipelines": [other, one]});
    let path = format!("/pipelines/{follower}/schedules");
    let schedule = uv.post(&path, &body).await.json;
    // What people start sets nothing off.
    for pipeline in [one, other] {
        let silent = uv.execution(pipeline, &json!({})).await;
        uv.ended(pipeline, silent).await;
    }
    let body = json!({
        "enabled": true, "justOnce": true, "firstExecution": "2014-08-08T15:15:15.555Z",
    });
    uv.post(&format!("/pipelines/{one}/schedules"), &body).await;
    let path = format!("/pipelines/{follower}/executions");
    let followed = eventually("the follower ran", async || {
        let all = uv.get(&path).await.json;
        let ended = all.get(0).is_some_and(|it| !it["end"].is_null());
        ended.then_some(all)
    })
    .await;
    let followed = followed.as_array().unwrap();
    assert_eq!(followed.len(), 1, "{followed:#?}");
    assert_eq!(followed[0]["schedule"], schedule["id"]);
}
