//! The catalogue of messages, as far as it is about schedules.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{FIRST, schedule};
use crate::catalogue::{error, told};
use crate::uv::{PASSWORD, Uv};

const MISSING: &str = "987654321";

pub(super) fn stories() -> Vec<Story> {
    shared![
        an_id_of_a_schedule_that_is_no_number_is_refused,
        a_schedule_that_is_not_there_is_named,
        a_schedule_of_another_pipeline_is_refused,
        a_pipeline_that_is_not_there_has_no_schedules,
        who_is_unknown_schedules_nothing,
        what_follows_nothing_is_refused,
        what_is_no_date_is_refused,
        what_is_no_schedule_is_refused,
        who_may_not_schedule_is_told_so,
    ]
}

/// Every route below one schedule, with a body that it takes.
fn routes(pipeline: impl std::fmt::Display, id: &str) -> [(&'static str, String, Value); 4] {
    let path = format!("/pipelines/{pipeline}/schedules/{id}");
    [
        ("GET", path.clone(), Value::Null),
        ("PUT", path.clone(), json!({})),
        ("GET", format!("{path}/scheduledexecutions"), Value::Null),
        ("DELETE", format!("{path}/delete"), Value::Null),
    ]
}

async fn an_id_of_a_schedule_that_is_no_number_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("schedule-ids").await;
    for id in ["abc", "-1", "+1", "1.0"] {
        for (method, path, body) in routes(pipeline, id) {
            let (kind, technical) = match method {
                "DELETE" => ("Schedule", "schedule"),
                _ => ("Pipeline schedule", "pipeline schedule"),
            };
            let expected = error(
                &format!("{kind} ID='{id}' is not valid!"),
                &format!("ID={id} is not valid {technical} ID"),
            );
            told(uv, (method, &path, body), (400, expected)).await;
        }
        let expected = error(
            &format!("Pipeline ID='{id}' is not valid!"),
            &format!("ID={id} is not valid pipeline ID"),
        );
        let list = format!("/pipelines/{id}/schedules");
        for (method, path, body) in routes(id, "1").into_iter().chain([
            ("GET", list.clone(), Value::Null),
            ("POST", list.clone(), json!({})),
            (
                "GET",
                format!("{list}/~all/scheduledexecutions"),
                Value::Null,
            ),
        ]) {
            told(uv, (method, &path, body), (400, expected.clone())).await;
        }
    }
}

async fn a_schedule_that_is_not_there_is_named(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-such-schedule").await;
    for id in [MISSING, "0", "99999999999999999999999"] {
        let expected = error(
            &format!("Pipeline schedule with ID='{id}' not found!"),
            &format!("Pipeline schedule with id={id} doesn't exist!"),
        );
        for (method, path, body) in routes(pipeline, id) {
            told(uv, (method, &path, body), (404, expected.clone())).await;
        }
    }
}

async fn a_schedule_of_another_pipeline_is_refused(world: &World) {
    let uv = Uv::of(world);
    let (own, other) = (uv.pipeline("its-own").await, uv.pipeline("another").await);
    let (_, id) = schedule(uv, own, &json!({})).await;
    let expected = error(
        &format!("Pipeline schedule with ID='{id}' is not schedule of pipeline with ID='{other}'"),
        &format!("Schedule with id={id} is not schedule of pipeline with id={other}!"),
    );
    for (method, path, body) in routes(other, &id.to_string()) {
        told(uv, (method, &path, body), (400, expected.clone())).await;
    }
    let stays = uv.get(&format!("/pipelines/{own}/schedules/{id}")).await;
    assert_eq!(stays.status, 200);
}

async fn a_pipeline_that_is_not_there_has_no_schedules(world: &World) {
    let uv = Uv::of(world);
    let expected = error(
        &format!("Pipeline with ID='{MISSING}' not found!"),
        &format!("Pipeline with id={MISSING} doesn't exist!"),
    );
    let list = format!("/pipelines/{MISSING}/schedules");
    for (method, path, body) in routes(MISSING, "1").into_iter().chain([
        ("GET", list.clone(), Value::Null),
        (
            "POST",
            list.clone(),
            json!({"userExternalId": "nobody-at-all"}),
        ),
        (
            "GET",
            format!("{list}/~all/scheduledexecutions"),
            Value::Null,
        ),
    ]) {
        told(uv, (method, &path, body), (404, expected.clone())).await;
    }
}

async fn who_is_unknown_schedules_nothing(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("for-nobody").await;
    let expected = error(
        "User not found! Schedule could not be created.",
        "User 'nobody-at-all' could not be found! Pipeline could not be created.",
    );
    let path = format!("/pipelines/{pipeline}/schedules");
    // The user comes before what is to be followed.
    let body = json!({"userExternalId": "nobody-at-all", "afterPipelines": [MISSING]});
    told(uv, ("POST", &path, body), (404, expected)).await;
    assert_eq!(uv.get(&path).await.text, "[]");
}

async fn what_follows_nothing_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("follows-nothing").await;
    let (_, id) = schedule(uv, pipeline, &json!({})).await;
    let expected = error(
        &format!("Pipeline with ID='{MISSING}' not found!"),
        &format!("Pipeline with id={MISSING} doesn't exist!"),
    );
    let path = format!("/pipelines/{pipeline}/schedules");
    let body = json!({"afterPipelines": [pipeline, MISSING]});
    told(uv, ("POST", &path, body.clone()), (404, expected.clone())).await;
    let one = format!("{path}/{id}");
    told(uv, ("PUT", &one, body), (404, expected)).await;
    assert_eq!(uv.get(&path).await.json.as_array().map(Vec::len), Some(1));
}

async fn what_is_no_date_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-date").await;
    let (_, id) = schedule(uv, pipeline, &json!({})).await;
    let path = format!("/pipelines/{pipeline}/schedules");
    let one = format!("{path}/{id}");
    for date in [
        "tomorrow",
        "2015-15-15T15:15:15.658Z",
        "2017-03-08",
        "2017-03-08T17:12:31",
    ] {
        let expected = error(
            "Could not parse date from request.",
            &format!(
                "Problem parsing date={date}. Correct date format is: yyyy-MM-dd'T'HH:mm:ss.SSSZ"
            ),
        );
        for field in ["firstExecution", "lastExecution"] {
            let body = json!({field: date});
            told(uv, ("POST", &path, body.clone()), (400, expected.clone())).await;
            told(uv, ("PUT", &one, body), (400, expected.clone())).await;
        }
    }
}

async fn what_is_no_schedule_is_refused(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-schedule-at-all").await;
    let path = format!("/pipelines/{pipeline}/schedules");
    let followed = vec![pipeline; 101];
    let data = "Could not parse data from request.";
    let create = "Scheduled event cannot be created.";
    for (body, message) in [
        (json!({"scheduleType": "CRON"}), data),
        (json!({"periodUnit": "DECADE", "period": 1}), data),
        (json!({"enabled": "perhaps"}), data),
        (json!({"period": "often", "periodUnit": "DAY"}), data),
        (json!({"afterPipelines": 7}), data),
        (json!({"afterPipelines": followed}), data),
        (json!({"scheduledJobsPriority": -1}), data),
        (json!({"scheduledJobsPriority": 4}), create),
        (json!({"period": 0, "periodUnit": "DAY"}), create),
        (json!({"period": -1, "periodUnit": "DAY"}), create),
        (json!({"period": 1}), create),
        (json!({"description": "a\u{0}b"}), create),
    ] {
        let refused = uv.post(&path, &body).await;
        assert_eq!(
            (refused.status, &refused.json["errorMessage"]),
            (400, &json!(message)),
            "{body}: {}",
            refused.text
        );
        assert!(
            refused.json["technicalMessage"].is_string(),
            "{}",
            refused.text
        );
    }
    assert_eq!(uv.get(&path).await.text, "[]");
    let (_, id) = schedule(uv, pipeline, &json!({"firstExecution": FIRST})).await;
    let body = json!({"period": 0, "periodUnit": "DAY"});
    let request = uv.request(Method::PUT, &format!("{path}/{id}")).json(&body);
    let refused = uv.send(request).await;
    assert_eq!(
        (refused.status, &refused.json["errorMessage"]),
        (400, &json!("Scheduled event cannot be updated.")),
        "{}",
        refused.text
    );
}

async fn who_may_not_schedule_is_told_so(world: &World) {
    let uv = Uv::of(world);
    let name = uv.user("no-scheduler", &["site_user"]).await;
    let by = (name.as_str(), PASSWORD);
    let pipeline = uv.pipeline("scheduled-privately").await;
    let (_, id) = schedule(uv, pipeline, &json!({})).await;
    let shared = json!({
        "name": world.name("to-read"), "visibility": "public_ro", "concurrency": 0, "steps": [],
    });
    let open = world.api().define(&shared.to_string()).await;
    let open = world.api().get(&format!("/api/v2/pipelines/{open}")).await;
    let open = open.json["number"].as_i64().unwrap();
    let (_, seen) = schedule(uv, open, &json!({})).await;
    let (read, create) = (
        "Scheduled event cannot be retrieved.",
        "Scheduled event cannot be created.",
    );
    let update = "Scheduled event cannot be updated.";
    for (pipeline, id, may_read) in [(pipeline, id, false), (open, seen, true)] {
        let list = format!("/pipelines/{pipeline}/schedules");
        let one = format!("{list}/{id}");
        for (method, path, message) in [
            ("GET", list.clone(), read),
            ("GET", one.clone(), read),
            ("GET", format!("{list}/~all/scheduledexecutions"), read),
            ("GET", format!("{one}/scheduledexecutions"), read),
            ("POST", list.clone(), create),
            ("PUT", one.clone(), update),
            ("DELETE", format!("{one}/delete"), create),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let is_read = method == Method::GET;
            let request = uv.request_by(by, method, &path).json(&json!({}));
            let answer = uv.send(request).await;
            if is_read && may_read {
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                continue;
            }
            let expected = error(message, "Access is denied");
            assert_eq!((answer.status, answer.json), (500, expected), "{path}");
        }
    }
}
