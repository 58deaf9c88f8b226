//! `/api/v1/pipeline/logs`: what a client may ask for beyond the contract.

use axum::http::StatusCode;
use contracts::audit::Entry;
use contracts::message::ActivityEntry;
use serde_json::json;

use crate::fakes::{PIPELINE, RUN, World};

/// A world whose log is two records of output with a life-cycle line after each, newest first.
fn world(next: &str) -> World {
    let world = World::new();
    let entry = |seq: u64, kind: &str, step: &str, message: &str| Entry {
        run_id: RUN.into(),
        attempt: u32::from(kind.is_empty()),
        entry: Some(ActivityEntry {
            seq,
            time_ms: 1_600_000_000_000 + i64::try_from(seq).unwrap(),
            step_id: step.into(),
            r#try: 1,
            message: message.into(),
            ..Default::default()
        }),
        kind: kind.into(),
        record: if kind.is_empty() { seq } else { 0 },
        ..Default::default()
    };
    world.set(|behind| {
        behind.latest.next = next.into();
        behind.latest.entries = vec![
            entry(4, "run.failed", "", "run failed"),
            entry(3, "", "build", "Linking"),
            entry(2, "step.started", "build", "step build started"),
            entry(1, "", "other", "compiling"),
        ];
    });
    world
}

async fn ask(world: &World, more: &str) -> (Vec<String>, String) {
    let body = format!(r#"{{"pipelineId":"{PIPELINE}","runCount":3,{more}}}"#);
    let answer = world.post("/api/v1/pipeline/logs", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let records = answer.json();
    let times = records.as_array().unwrap().iter();
    let times = times.map(|it| it["createdAt"].as_str().unwrap()[22..23].to_owned());
    (times.collect(), answer.header("x-next-cursor").to_owned())
}

#[tokio::test]
async fn records_are_chosen_by_step_status_text_and_time() {
    let world = world("");
    let build = format!(r#""stepId":"{}""#, "1".repeat(24));
    let id = r#""after":"5f5e1000660aaa0000000002""#;
    for (more, expected) in [
        (r#""x":1"#, &["4", "3", "2", "1"][..]),
        (build.as_str(), &["3", "2"]),
        (r#""status":"failed""#, &["4"]),
        (r#""search":"LINK""#, &["3"]),
        (r#""search":"Failed","status":"running""#, &[]),
        (r#""after":"2020-09-13T12:26:40.003Z""#, &["4"]),
        (id, &["4", "3"]),
    ] {
        assert_eq!(
            ask(&world, more).await,
            (
                expected.iter().map(|&it| it.to_owned()).collect(),
                String::new()
            ),
            "{more}"
        );
    }
}

#[tokio::test]
async fn a_cut_answer_has_the_cursor_of_the_rest() {
    let first = ask(&world(""), r#""limit":1,"search":"i""#).await;
    let cursor = "1600000000004-5f5e1000660aaaff00000004";
    assert_eq!(first, (vec!["4".to_owned()], cursor.to_owned()));

    let world = world("1600000000001");
    let (records, next) = ask(&world, r#""limit":4,"before":"2020-09-13T12:26:40.009Z""#).await;
    assert_eq!((records.len(), next.as_str()), (4, "1600000000001"));
    let asked = world.behind(|it| it.latest_asked.clone());
    assert_eq!(
        (asked.len(), asked[0].before.as_str()),
        (1, "1600000000009")
    );
}

#[tokio::test]
async fn a_search_without_end_is_cut_off() {
    let world = world("5");
    let (records, next) = ask(&world, r#""search":"never said""#).await;
    assert_eq!((records.len(), next.as_str()), (0, "5"));
    let asked = world.behind(|it| it.latest_asked.clone());
    assert_eq!((asked.len(), asked[1].before.as_str()), (8, "5"));
}

#[tokio::test]
async fn a_place_that_is_none_is_refused() {
    let body = format!(r#"{{"pipelineId":"{PIPELINE}","after":"yesterday"}}"#);
    let answer = world("").post("/api/v1/pipeline/logs", &body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["code"], json!("bad_request"));
}
