//! The answers that the contract documents, and what it promises of them.

use std::collections::BTreeSet;

use futures::future::join_all;
use harness::{Story, World, shared};
use serde_json::{Value, json};

use crate::{ENDLESS, post};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_status_names_the_pipeline_as_it_is_called_whatever_that_is,
        an_old_runs_status_is_its_own_for_ever,
        an_unknown_run_never_looks_like_a_failed_one,
        a_reset_clears_the_position_and_keeps_the_count_and_the_log,
        a_stop_without_a_run_is_a_success,
        a_log_is_newest_first_and_only_the_exact_type_narrows_it,
        a_step_that_is_not_active_is_skipped,
        a_hundred_runs_at_once_have_consecutive_numbers,
        a_document_makes_the_pipeline_again,
        a_long_list_is_read_in_pages,
    ]
}

async fn a_status_names_the_pipeline_as_it_is_called_whatever_that_is(world: &World) {
    let api = world.api();
    let name = world.name("Ada's \"own\" pipeline");
    let definition = json!({"name": name, "steps": [{"id": "a", "run": "true"}]});
    let id = api.define(&definition.to_string()).await;
    api.through(&id).await;
    let status = post(world, "status", &json!({"pipelineId": id, "runCount": 1})).await;
    let message = format!("Pipeline: {name}'s Run 1 was successful.");
    assert_eq!(
        (status.status, &status.json["status"]),
        (200, &json!("success"))
    );
    assert_eq!(status.json["message"], message);
}

async fn an_old_runs_status_is_its_own_for_ever(world: &World) {
    let api = world.api();
    let steps = "- {id: a, run: 'test \"$PENSTOCK_RUN_COUNT\" != 1'}";
    let id = api.define_steps("opsera-old", steps).await;
    let status = async |run_count: i64| {
        let body = json!({"pipelineId": id, "runCount": run_count});
        let answer = post(world, "status", &body).await;
        answer.json["status"].as_str().unwrap().to_owned()
    };
    api.start(&id).await;
    api.ended(&id, 1).await;
    assert_eq!(status(1).await, "failed");
    api.start(&id).await;
    api.ended(&id, 2).await;
    post(world, "reset", &json!({"pipelineId": id})).await;
    assert_eq!(
        (status(1).await, status(2).await),
        ("failed".into(), "success".into())
    );
}

async fn an_unknown_run_never_looks_like_a_failed_one(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-unknown", "- {id: a, run: 'true'}")
        .await;
    for body in [
        json!({"pipelineId": id}),
        json!({"pipelineId": id, "runCount": 7}),
    ] {
        let answer = post(world, "status", &body).await;
        assert_eq!(
            (answer.status, &answer.json["status"]),
            (404, &json!("unknown"))
        );
        assert!(!answer.text.contains("failed"), "{}", answer.text);
    }
}

async fn summary(world: &World, id: &str) -> Value {
    post(world, "summary", &json!({"pipelineId": id}))
        .await
        .json
}

async fn a_reset_clears_the_position_and_keeps_the_count_and_the_log(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-reset", "- {id: a, run: echo said}")
        .await;
    api.through(&id).await;
    api.log(&id, 1).await;
    let before = summary(world, &id).await;
    assert_eq!(before["workflow"]["last_step"]["status"], "stopped");
    post(world, "reset", &json!({"pipelineId": id})).await;
    let after = summary(world, &id).await;
    assert_eq!(after["workflow"]["last_step"], json!({}));
    assert_eq!(after["workflow"]["run_count"], 1);
    assert_eq!(after["workflow"]["last_run"]["status"], "success");
    let log = post(world, "logs", &json!({"pipelineId": id, "runCount": 1})).await;
    assert!(log.text.contains("said"), "{}", log.text);
}

async fn a_stop_without_a_run_is_a_success(world: &World) {
    let id = world
        .api()
        .define_steps("opsera-idle", "- {id: a, run: 'true'}")
        .await;
    let stopped = post(world, "stop", &json!({"pipelineId": id})).await;
    let expected = "{\"status\":\"success\",\"message\":\"The pipeline has been stopped.\"}";
    assert_eq!((stopped.status, stopped.text.as_str()), (200, expected));
}

async fn a_log_is_newest_first_and_only_the_exact_type_narrows_it(world: &World) {
    let api = world.api();
    let steps = "- {id: a, run: echo first}\n- {id: b, run: echo second}";
    let id = api.define_steps("opsera-types", steps).await;
    api.through(&id).await;
    api.log(&id, 1).await;
    let read = async |kind: &str| {
        let body = json!({"pipelineId": id, "runCount": 1, "type": kind});
        let answer = post(world, "logs", &body).await;
        answer.json.as_array().unwrap().clone()
    };
    let (console, other) = (read("console output").await, read("Console Output").await);
    assert!(console.iter().all(|it| it["action"] == "console output"));
    assert_eq!(console.len(), 2);
    assert!(other.iter().any(|it| it["action"] != "console output"));
    for record in &other {
        for field in ["_id", "createdAt", "updatedAt", "__v"] {
            assert!(!record[field].is_null(), "{record}");
        }
    }
    let places: Vec<_> = other
        .iter()
        .map(|it| (it["createdAt"].to_string(), it["_id"].to_string()))
        .collect();
    assert!(
        places.is_sorted_by(|newer, older| newer > older),
        "{places:?}"
    );
}

async fn a_step_that_is_not_active_is_skipped(world: &World) {
    let api = world.api();
    let steps = "- {id: a, run: exit 1, enabled: false}\n- {id: b, run: 'true'}";
    let id = api.define_steps("opsera-inactive", steps).await;
    let run = api.through(&id).await;
    assert_eq!(harness::api::states(&run), ["skipped", "succeeded"]);
    let plan = &summary(world, &id).await["workflow"]["plan"];
    assert_eq!(
        (&plan[0]["active"], &plan[1]["active"]),
        (&json!(false), &json!(true))
    );
}

async fn a_hundred_runs_at_once_have_consecutive_numbers(world: &World) {
    let api = world.api();
    let id = api.define_steps("opsera-hundred", ENDLESS).await;
    let body = json!({"pipelineId": id});
    let answers = join_all((0..100).map(|_| post(world, "run", &body))).await;
    let counts: BTreeSet<i64> = answers
        .iter()
        .map(|it| {
            it.json["runCount"]
                .as_i64()
                .unwrap_or_else(|| panic!("{}", it.text))
        })
        .collect();
    assert_eq!(counts, (1..=100).collect());
    let stop = json!({"pipelineId": id, "mode": "kill"});
    assert_eq!(post(world, "stop", &stop).await.json["status"], "success");
    for run_count in 1..=100 {
        api.ended(&id, run_count).await;
    }
}

async fn a_document_makes_the_pipeline_again(world: &World) {
    let api = world.api();
    let steps = "- {id: say-it, name: Say it, run: echo $WHAT, env: {WHAT: this}}\n\
                 - {id: ask, http: {method: GET, url: 'http://127.0.0.1:9/'}, enabled: false}";
    let id = api.define_steps("opsera-document", steps).await;
    let mut document = summary(world, &id).await;
    let same = post(world, "create", &document).await;
    assert_eq!(same.status, 409, "the name is taken: {}", same.text);
    document["name"] = json!(world.name("opsera-again"));
    let made = post(world, "create", &document).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let again = made.json["newPipelineId"].as_str().unwrap();
    assert_ne!(again, id);
    let copy = summary(world, again).await;
    let tools = |it: &Value| {
        let plan = it["workflow"]["plan"].as_array().unwrap();
        plan.iter()
            .map(|step| step["tool"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(tools(&copy), tools(&document));
    assert_eq!(copy["workflow"]["run_count"], 0);
    let run = api.through(again).await;
    assert_eq!(harness::api::states(&run), ["succeeded", "skipped"]);
    assert_eq!(api.output(again, 1).await, ["this"]);
}

async fn a_long_list_is_read_in_pages(world: &World) {
    let api = world.api();
    let stem = world.name("opsera-page");
    for number in 0..5 {
        let name = format!("{stem}-{number}");
        let definition = json!({"name": name, "steps": []});
        api.define(&definition.to_string()).await;
    }
    let (mut names, mut cursor) = (BTreeSet::new(), String::new());
    for _ in 0..50 {
        let path = format!("/api/v1/pipeline/pipelines?size=2&search={stem}&cursor={cursor}");
        let request = api.request(reqwest::Method::GET, &path);
        let answer = request.send().await.unwrap();
        let next = answer.headers().get("x-next-cursor");
        let next = next.map(|it| it.to_str().unwrap().to_owned());
        let page: Value = answer.json().await.unwrap();
        let page = page.as_array().unwrap();
        assert!(page.len() <= 2);
        names.extend(page.iter().map(|it| it["name"].to_string()));
        let Some(next) = next else { break };
        cursor = next;
    }
    assert_eq!(names.len(), 5);
}
