//! Schedules: what is written of them, what becomes of what is sent, and what they start next.

mod edits;
mod messages;
mod next;

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use crate::uv::Uv;

pub(crate) fn stories() -> Vec<Story> {
    let own = shared![
        a_schedule_by_the_clock_is_written_to_the_letter,
        a_schedule_after_pipelines_is_written_to_the_letter,
        no_schedule_is_an_empty_list,
        what_a_schedule_says_fits_together,
        a_schedule_without_a_type_has_the_one_that_it_looks_like,
        truths_and_numbers_are_read_as_text_too,
        dates_are_read_as_clients_write_them,
    ];
    [own, edits::stories(), messages::stories(), next::stories()].concat()
}

/// What holds under every setting.
pub(crate) async fn are_as_everywhere(world: &World) {
    a_schedule_by_the_clock_is_written_to_the_letter(world).await;
    what_a_schedule_says_fits_together(world).await;
    a_schedule_without_a_type_has_the_one_that_it_looks_like(world).await;
    dates_are_read_as_clients_write_them(world).await;
}

/// A time that no test lives to see.
const FIRST: &str = "2100-01-01T15:15:15.555+0000";

/// Makes a schedule, and answers it and its id.
async fn schedule(uv: Uv<'_>, pipeline: i64, body: &Value) -> (String, i64) {
    let made = uv
        .post(&format!("/pipelines/{pipeline}/schedules"), body)
        .await;
    assert_eq!(made.status, 200, "{body}: {}", made.text);
    assert_eq!(made.kind, "application/json");
    let id = made.json["id"].as_i64().unwrap();
    (made.text, id)
}

/// A schedule as it is now.
async fn read(uv: Uv<'_>, pipeline: i64, id: i64) -> Value {
    let answer = uv
        .get(&format!("/pipelines/{pipeline}/schedules/{id}"))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

async fn a_schedule_by_the_clock_is_written_to_the_letter(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("by-the-clock").await;
    let body = json!({
        "id": 4711, "nextExecution": "never", "description": "Runs it daily", "enabled": true,
        "scheduleType": "PERIODICALLY", "firstExecution": FIRST, "lastExecution": null,
        "afterPipelines": null, "justOnce": false, "period": 1, "periodUnit": "DAY",
        "scheduledJobsPriority": 2, "userExternalId": "admin", "userActorExternalId": "nobody",
        "more": {"nobody": "knows"},
    });
    let (text, id) = schedule(uv, pipeline, &body).await;
    let expected = format!(
        "{{\"id\":{id},\"description\":\"Runs it daily\",\"enabled\":true,\
         \"scheduleType\":\"PERIODICALLY\",\"firstExecution\":\"{FIRST}\",\"lastExecution\":null,\
         \"nextExecution\":\"{FIRST}\",\"afterPipelines\":null,\"justOnce\":false,\"period\":1,\
         \"periodUnit\":\"DAY\",\"scheduledJobsPriority\":2,\"userExternalId\":\"admin\",\
         \"userActorExternalId\":null}}"
    );
    assert_eq!(text, expected);
    let list = format!("/pipelines/{pipeline}/schedules");
    for (path, expected) in [
        (format!("{list}/{id}"), expected.clone()),
        (format!("{list}/{id}/"), expected.clone()),
        (list.clone(), format!("[{expected}]")),
        (format!("{list}/"), format!("[{expected}]")),
    ] {
        let answer = uv.get(&path).await;
        assert_eq!(
            (answer.status, answer.text, answer.kind.as_str()),
            (200, expected, "application/json"),
            "{path}"
        );
        let head = uv.send(uv.request(Method::HEAD, &path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
}

async fn a_schedule_after_pipelines_is_written_to_the_letter(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("after").await;
    let (one, two) = (
        uv.pipeline("first-of-it").await,
        uv.pipeline("second-of-it").await,
    );
    // As it is sent by who knows the document: without a type, without a priority.
    let body = json!({
        "description": "Runs after other pipelines", "justOnce": null, "enabled": true,
        "firstExecution": null, "lastExecution": null, "afterPipelines": [two, one.to_string()],
        "period": null, "periodUnit": null,
    });
    let (text, id) = schedule(uv, pipeline, &body).await;
    let expected = format!(
        "{{\"id\":{id},\"description\":\"Runs after other pipelines\",\"enabled\":true,\
         \"scheduleType\":\"AFTER_PIPELINE\",\"firstExecution\":null,\"lastExecution\":null,\
         \"nextExecution\":null,\"afterPipelines\":[{two},{one}],\"justOnce\":false,\
         \"period\":null,\"periodUnit\":null,\"scheduledJobsPriority\":3,\
         \"userExternalId\":\"master\",\"userActorExternalId\":null}}"
    );
    assert_eq!(text, expected);
    let answer = uv
        .get(&format!("/pipelines/{pipeline}/schedules/{id}"))
        .await;
    assert_eq!(answer.text, expected);
}

async fn no_schedule_is_an_empty_list(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-schedule").await;
    for path in ["", "/", "/~all/scheduledexecutions"] {
        let path = format!("/pipelines/{pipeline}/schedules{path}");
        let answer = uv.get(&path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "[]"), "{path}");
    }
}

/// What is sent; the type, the first, last and next time; and whether it runs once.
type Row = (Value, [&'static str; 4], bool);

/// Each row of the table of what a schedule's fields have to do with each other.
fn consistent(other: i64) -> [Row; 8] {
    const LAST: &str = "2098-12-31T09:00:00.000+0000";
    const WEEKLY: &str = "2098-12-31T15:15:15.000+0000";
    const NEXT: &str = "2099-01-07T15:15:15.000+0000";
    const CLOCK: &str = "PERIODICALLY";
    const AFTER: &str = "AFTER_PIPELINE";
    let periodic = |enabled: bool, first: &str, last: Value| {
        json!({
            "scheduleType": CLOCK, "firstExecution": first, "lastExecution": last,
            "period": 1, "periodUnit": "WEEK", "enabled": enabled,
        })
    };
    let once = |enabled: bool, last: Value| {
        json!({
            "scheduleType": CLOCK, "firstExecution": FIRST, "lastExecution": last,
            "justOnce": true, "enabled": enabled,
        })
    };
    let after = |enabled: bool| json!({"afterPipelines": [other], "enabled": enabled});
    let null = Value::Null;
    [
        (once(true, null.clone()), [CLOCK, FIRST, "", FIRST], true),
        (once(false, null.clone()), [CLOCK, FIRST, "", ""], true),
        (once(false, json!(LAST)), [CLOCK, FIRST, LAST, ""], true),
        (
            periodic(true, FIRST, null.clone()),
            [CLOCK, FIRST, "", FIRST],
            false,
        ),
        (periodic(false, FIRST, null), [CLOCK, FIRST, "", ""], false),
        // The grid begins at the first time, and goes on after the last.
        (
            periodic(true, WEEKLY, json!(WEEKLY)),
            [CLOCK, WEEKLY, WEEKLY, NEXT],
            false,
        ),
        (after(true), [AFTER, "", "", ""], false),
        (after(false), [AFTER, "", "", ""], false),
    ]
}

async fn what_a_schedule_says_fits_together(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("consistent").await;
    let other = uv.pipeline("followed").await;
    for (body, expected, is_once) in consistent(other) {
        let (_, id) = schedule(uv, pipeline, &body).await;
        let shown = read(uv, pipeline, id).await;
        let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        let told = [
            "scheduleType",
            "firstExecution",
            "lastExecution",
            "nextExecution",
        ]
        .map(text);
        assert_eq!(told, expected.map(str::to_owned), "{body}");
        assert_eq!(shown["justOnce"], is_once, "{body}");
        assert_eq!(shown["enabled"], body["enabled"], "{body}");
        let is_after = expected[0] == "AFTER_PIPELINE";
        assert_eq!(shown["afterPipelines"].is_array(), is_after, "{shown}");
        assert_eq!(
            (shown["period"].is_null(), shown["periodUnit"].is_null()),
            (body["period"].is_null(), body["period"].is_null())
        );
    }
}

async fn a_schedule_without_a_type_has_the_one_that_it_looks_like(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-type").await;
    let other = uv.pipeline("before-it").await;
    for (body, kind) in [
        (json!({}), "PERIODICALLY"),
        (json!({"afterPipelines": []}), "PERIODICALLY"),
        (json!({"afterPipelines": [other]}), "AFTER_PIPELINE"),
        (json!({"scheduleType": "AFTER_PIPELINE"}), "AFTER_PIPELINE"),
        (
            json!({"scheduleType": "PERIODICALLY", "afterPipelines": [other]}),
            "PERIODICALLY",
        ),
        // As the document's own sample has it: all of both types.
        (
            json!({"firstExecution": "2014-08-08T15:15:15.555Z", "afterPipelines": [other]}),
            "AFTER_PIPELINE",
        ),
    ] {
        let (_, id) = schedule(uv, pipeline, &body).await;
        let shown = read(uv, pipeline, id).await;
        assert_eq!(shown["scheduleType"], kind, "{body}");
        assert_eq!(shown["scheduledJobsPriority"], 3, "{body}");
        assert_eq!(
            (&shown["enabled"], &shown["justOnce"]),
            (&json!(false), &json!(false))
        );
        let expected = body["firstExecution"]
            .as_str()
            .map(|it| it.replace('Z', "+0000"));
        assert_eq!(
            shown["firstExecution"].as_str().map(str::to_owned),
            expected
        );
    }
}

async fn truths_and_numbers_are_read_as_text_too(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("as-text").await;
    let body = json!({
        "enabled": "true", "justOnce": "false", "period": "6", "periodUnit": "MINUTE",
        "firstExecution": FIRST, "scheduledJobsPriority": "1", "description": 7,
    });
    let (_, id) = schedule(uv, pipeline, &body).await;
    let shown = read(uv, pipeline, id).await;
    let told = json!({
        "enabled": shown["enabled"], "justOnce": shown["justOnce"], "period": shown["period"],
        "scheduledJobsPriority": shown["scheduledJobsPriority"],
        "description": shown["description"],
    });
    let expected = json!({
        "enabled": true, "justOnce": false, "period": 6, "scheduledJobsPriority": 1,
        "description": "7",
    });
    assert_eq!(told, expected);
}

async fn dates_are_read_as_clients_write_them(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("dates").await;
    for text in [
        "2100-01-01T15:15:15.555Z",
        "2100-01-01T16:15:15.555+0100",
        "2100-01-01T16:15:15.555+01:00",
        "2100-01-01T15:15:15.555UTC",
        "2100-01-01T15:15:15.555 GMT",
        "2100-01-01T15:15:15.555000-0000",
    ] {
        let body = json!({"firstExecution": text});
        let (_, id) = schedule(uv, pipeline, &body).await;
        assert_eq!(
            read(uv, pipeline, id).await["firstExecution"],
            FIRST,
            "{text}"
        );
    }
    for blank in [json!(""), json!("  "), Value::Null] {
        let body = json!({"firstExecution": blank, "lastExecution": blank});
        let (_, id) = schedule(uv, pipeline, &body).await;
        let shown = read(uv, pipeline, id).await;
        assert_eq!(
            (&shown["firstExecution"], &shown["lastExecution"]),
            (&Value::Null, &Value::Null)
        );
    }
}
