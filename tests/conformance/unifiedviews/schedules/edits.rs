//! Schedules that are changed and deleted.

use harness::{Answer, Story, World, eventually, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{FIRST, read, schedule};
use crate::uv::Uv;

pub(super) fn stories() -> Vec<Story> {
    shared![
        what_was_read_can_be_put_back,
        a_change_keeps_what_it_does_not_say,
        what_can_not_be_changed_is_passed_over,
        a_deleted_schedule_is_gone_and_its_executions_stay,
    ]
}

async fn put(uv: Uv<'_>, (pipeline, id): (i64, i64), body: &Value) -> Answer {
    let path = format!("/pipelines/{pipeline}/schedules/{id}");
    uv.send(uv.request(Method::PUT, &path).json(body)).await
}

async fn what_was_read_can_be_put_back(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("put-back").await;
    let other = uv.pipeline("put-back-after").await;
    for body in [
        json!({"enabled": true, "firstExecution": FIRST, "period": 2, "periodUnit": "HOUR"}),
        json!({"enabled": true, "afterPipelines": [other]}),
    ] {
        let (_, id) = schedule(uv, pipeline, &body).await;
        let list = uv.get(&format!("/pipelines/{pipeline}/schedules")).await;
        let found = list
            .json
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["id"] == id);
        let mut whole = found.unwrap().clone();
        for enabled in [false, true] {
            whole["enabled"] = json!(enabled);
            let changed = put(uv, (pipeline, id), &whole).await;
            assert_eq!(changed.status, 200, "{}", changed.text);
            let next = if enabled {
                whole["firstExecution"].clone()
            } else {
                Value::Null
            };
            let mut expected = whole.clone();
            expected["nextExecution"] = next;
            assert_eq!(changed.json, expected);
            assert_eq!(read(uv, pipeline, id).await, expected);
        }
    }
}

async fn a_change_keeps_what_it_does_not_say(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("kept").await;
    let other = uv.pipeline("kept-after").await;
    let body = json!({
        "description": "before", "enabled": true, "justOnce": true, "firstExecution": FIRST,
        "lastExecution": "2014-08-08T15:15:15.555Z", "period": 1, "periodUnit": "WEEK",
        "scheduleType": "PERIODICALLY", "afterPipelines": [other],
    });
    let (_, id) = schedule(uv, pipeline, &body).await;
    // What is a truth or a list is as if it had been said.
    let changed = put(
        uv,
        (pipeline, id),
        &json!({"firstExecution": " ", "period": 5}),
    )
    .await;
    let shown = &changed.json;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(shown["description"], "before");
    assert_eq!(shown["firstExecution"], FIRST);
    assert_eq!(shown["lastExecution"], "2014-08-08T15:15:15.555+0000");
    assert_eq!(
        (&shown["period"], &shown["periodUnit"]),
        (&json!(1), &json!("WEEK"))
    );
    assert_eq!(
        (&shown["enabled"], &shown["justOnce"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(shown["afterPipelines"], Value::Null);
    let body = json!({
        "description": "", "period": "3", "periodUnit": "MONTH", "enabled": "true",
        "lastExecution": "2014-09-08T15:15:15.555Z", "afterPipelines": [other],
    });
    let shown = put(uv, (pipeline, id), &body).await.json;
    assert_eq!(shown["description"], "");
    assert_eq!(
        (&shown["period"], &shown["periodUnit"]),
        (&json!(3), &json!("MONTH"))
    );
    assert_eq!(shown["lastExecution"], "2014-09-08T15:15:15.555+0000");
    assert_eq!(
        (&shown["enabled"], &shown["afterPipelines"]),
        (&json!(true), &json!([other]))
    );
}

async fn what_can_not_be_changed_is_passed_over(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("unchanged").await;
    let (_, id) = schedule(uv, pipeline, &json!({"firstExecution": FIRST})).await;
    let before = read(uv, pipeline, id).await;
    let body = json!({
        "id": 1, "scheduleType": "AFTER_PIPELINE", "scheduledJobsPriority": 0,
        "nextExecution": FIRST, "userExternalId": "nobody-at-all", "userActorExternalId": "x",
        "more": [],
    });
    let changed = put(uv, (pipeline, id), &body).await;
    assert_eq!(
        (changed.status, &changed.json),
        (200, &before),
        "{}",
        changed.text
    );
}

async fn a_deleted_schedule_is_gone_and_its_executions_stay(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline_of("deleted", "- {id: a, run: 'true'}").await;
    let body = json!({
        "enabled": true, "justOnce": true, "firstExecution": "2014-08-08T15:15:15.555Z",
    });
    let (_, id) = schedule(uv, pipeline, &body).await;
    let path = format!("/pipelines/{pipeline}/executions");
    let execution = eventually("its execution is there", async || {
        uv.get(&path).await.json.get(0).cloned()
    })
    .await;
    assert_eq!(execution["schedule"], id);
    let execution = execution["id"].as_i64().unwrap();
    uv.ended(pipeline, execution).await;
    let one = format!("/pipelines/{pipeline}/schedules/{id}");
    let deleted = uv
        .send(uv.request(Method::DELETE, &format!("{one}/delete")))
        .await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(uv.get(&one).await.status, 404);
    let again = uv
        .send(uv.request(Method::DELETE, &format!("{one}/delete/")))
        .await;
    assert_eq!(again.status, 404, "{}", again.text);
    let list = uv.get(&format!("/pipelines/{pipeline}/schedules")).await;
    assert_eq!(list.text, "[]");
    for path in [format!("{path}/{execution}"), format!("{path}/last")] {
        let stays = uv.get(&path).await;
        assert_eq!(
            (stays.status, &stays.json["schedule"]),
            (200, &Value::Null),
            "{}",
            stays.text
        );
    }
}
