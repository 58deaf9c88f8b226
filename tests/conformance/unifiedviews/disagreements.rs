//! What the API's document and its known clients disagree about: both settings of `strict_document`.
//! The numbers are those of the table in docs/unifiedviews.md.

use harness::{Settings, Shape, Story, World, own, shared};
use serde_json::{Value, json};

use crate::uv::{Uv, fields};
use crate::{imports, plugins, schedules};

pub(crate) fn stories() -> Vec<Story> {
    let shared = shared![
        no_execution_is_an_empty_list,
        nothing_pending_is_an_empty_list,
        what_is_being_cancelled_is_shown_as_running,
        the_flag_of_debugging_is_read_under_both_names,
        both_kinds_of_credentials_are_good,
        messages_are_english,
    ];
    let own = own![where_the_document_is_taken_literally];
    shared
        .into_iter()
        .chain(own.into_iter().map(|it| it.only(&[Shape::Embedded])))
        .collect()
}

async fn no_execution_is_an_empty_list(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("no-execution").await;
    let answer = uv.get(&format!("/pipelines/{pipeline}/executions")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "[]"));
}

async fn nothing_pending_is_an_empty_list(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("nothing-pending").await;
    let answer = uv
        .get(&format!("/pipelines/{pipeline}/executions/pending"))
        .await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "[]"));
}

async fn what_is_being_cancelled_is_shown_as_running(world: &World) {
    let uv = Uv::of(world);
    let gate = world.gate();
    let steps = format!("- {{id: a, run: '{}'}}", gate.pass());
    let pipeline = uv.pipeline_of("cancelled", &steps).await;
    let execution = uv.execution(pipeline, &json!({})).await;
    let own = format!("{pipeline}");
    world.api().step_is(&own, 1, "a", "running").await;
    world.api().stop(&own, 1, "graceful").await;
    let pending = uv
        .get(&format!("/pipelines/{pipeline}/executions/pending"))
        .await;
    let shown = &pending.json[0];
    assert_eq!(
        (&shown["status"], &shown["stop"]),
        (&json!("RUNNING"), &json!(true)),
        "{shown}"
    );
    let one = uv
        .get(&format!("/pipelines/{pipeline}/executions/{execution}"))
        .await;
    assert_eq!(one.json["status"], "CANCELLING");
    gate.open();
    let ended = uv.ended(pipeline, execution).await;
    assert_eq!(
        (&ended["status"], &ended["stop"]),
        (&json!("CANCELLED"), &json!(true))
    );
}

async fn the_flag_of_debugging_is_read_under_both_names(world: &World) {
    let uv = Uv::of(world);
    let pipeline = uv.pipeline("flags").await;
    let path = format!("/pipelines/{pipeline}/executions");
    for (body, expected) in [
        (json!({"debugging": true}), true),
        (json!({"isDebugging": "true"}), true),
        (json!({"debugging": "false", "isDebugging": false}), false),
    ] {
        let started = uv.post(&path, &body).await;
        assert_eq!(started.json["debugging"], expected, "{body}");
        assert!(!fields(&started.text).contains(&"isDebugging".to_owned()));
    }
}

async fn both_kinds_of_credentials_are_good(world: &World) {
    let uv = Uv::of(world);
    let name = uv.user("credentials", &["site_user"]).await;
    for by in [crate::uv::MASTER, (&name, crate::uv::PASSWORD)] {
        let answer = uv
            .send(uv.request_by(by, reqwest::Method::GET, "/pipelines"))
            .await;
        assert_eq!(answer.status, 200, "{}", by.0);
    }
}

async fn messages_are_english(world: &World) {
    let answer = Uv::of(world).get("/pipelines/987654321").await;
    assert_eq!(
        answer.json["errorMessage"],
        "Pipeline with ID='987654321' not found!"
    );
}

async fn where_the_document_is_taken_literally(shape: Shape) {
    let settings =
        Settings::of(shape).with("PENSTOCK_GATEWAY__UNIFIEDVIEWS__STRICT_DOCUMENT", "true");
    let world = World::start(settings).await;
    {
        let uv = Uv::of(&world);
        let pipeline = uv.pipeline("strict").await;
        let path = format!("/pipelines/{pipeline}/executions");
        let executions = uv.get(&path).await;
        assert_eq!((executions.status, executions.text.as_str()), (200, "[]"));
        let pending = uv.get(&format!("{path}/pending")).await;
        assert_eq!(pending.status, 404);
        assert_eq!(
            pending.json["technicalMessage"],
            format!("Pipeline with id={pipeline} doesn't exist!")
        );
        let schedules = format!("/pipelines/{pipeline}/schedules");
        assert_eq!(uv.get(&schedules).await.text, "[]");
        let all = format!("{schedules}/~all/scheduledexecutions");
        let nothing = uv.get(&all).await;
        assert_eq!((nothing.status, nothing.text.as_str()), (404, "[]"));
        assert_eq!(nothing.kind, "application/json");
        let (first, second) = (uv.pipeline("first").await, uv.pipeline("second").await);
        let body = json!({"afterPipelines": [first, second]});
        let made = uv.post(&schedules, &body).await.json;
        assert_eq!(made["justOnce"], false);
        let next = uv.get(&all).await.json;
        let mut expected = Vec::new();
        for id in [first, second] {
            let followed = uv.get(&format!("/pipelines/{id}")).await;
            expected.push(json!({id.to_string(): followed.json["name"]}));
        }
        let expected = Value::from(expected);
        assert_eq!(next[0]["afterPipelines"], expected);
        let one = uv.get(&format!("/pipelines/{pipeline}")).await;
        assert_eq!(one.json["userActorExternalId"], Value::Null);
        assert_eq!(fields(&one.text).len(), 5);
    }
    // All else is the same under both settings.
    what_is_being_cancelled_is_shown_as_running(&world).await;
    the_flag_of_debugging_is_read_under_both_names(&world).await;
    both_kinds_of_credentials_are_good(&world).await;
    messages_are_english(&world).await;
    schedules::are_as_everywhere(&world).await;
    imports::are_as_everywhere(&world).await;
    plugins::are_as_everywhere(&world).await;
    world.finish().await;
}
