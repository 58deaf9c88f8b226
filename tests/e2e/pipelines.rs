//! Pipelines by name, keys of their runs, and the lists of both.

use std::collections::BTreeSet;

use futures::future::join_all;
use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::json;

use crate::ends::ENDLESS;
use crate::queue::text;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_key_starts_one_run,
        a_key_of_another_request_is_refused,
        a_pipeline_with_unfinished_runs_is_not_deleted,
        a_deleted_pipeline_is_gone_and_its_name_is_free,
        a_name_that_many_apply_at_once_is_one_pipeline,
        runs_are_listed_newest_first_page_by_page,
        pipelines_are_listed_page_by_page,
    ]
}

async fn a_key_starts_one_run(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("keyed", "- {id: one, run: 'true'}").await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs");
    let start = || {
        let request = api
            .request(Method::POST, &path)
            .header("idempotency-key", "build-7");
        api.send(request.json(&json!({})))
    };
    let answers = join_all((0..20).map(|_| start())).await;
    let counts: BTreeSet<i64> = answers.iter().map(|answer| api.accepted(answer)).collect();
    assert_eq!(counts, BTreeSet::from([1]));
    assert_eq!(
        answers
            .iter()
            .filter(|it| it.json["repeated"] == false)
            .count(),
        1
    );
    api.ended(&pipeline, 1).await;
    assert_eq!(start().await.json["repeated"], true);
    assert_eq!(
        api.start(&pipeline).await,
        2,
        "a repeated key takes no count"
    );
    api.ended(&pipeline, 2).await;
}

async fn a_key_of_another_request_is_refused(world: &World) {
    let api = world.api();
    let name = world.name("keys");
    let pipeline = api.define(&format!("name: {name}\nparameters: {{a: {{type: string, default: b}}}}\nsteps: [{{id: one, run: 'true'}}]\n")).await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs");
    let start = async |value: &str| {
        let request = api
            .request(Method::POST, &path)
            .header("idempotency-key", "k");
        api.send(request.json(&json!({"parameters": {"a": value}})))
            .await
    };
    api.accepted(&start("1").await);
    let refused = start("2").await;
    assert_eq!(
        (refused.status, refused.kind.as_str()),
        (409, "application/problem+json"),
        "{}",
        refused.text
    );
    api.ended(&pipeline, 1).await;
}

async fn a_pipeline_with_unfinished_runs_is_not_deleted(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("kept", ENDLESS).await;
    let run_count = api.start(&pipeline).await;
    let path = format!("/api/v2/pipelines/{pipeline}");
    let delete = async || api.send(api.request(Method::DELETE, &path)).await.status;
    assert_eq!(delete().await, 409);
    api.stop(&pipeline, run_count, "kill").await;
    api.ended(&pipeline, run_count).await;
    assert_eq!(delete().await, 204);
}

async fn a_deleted_pipeline_is_gone_and_its_name_is_free(world: &World) {
    let api = world.api();
    let yaml = format!(
        "name: {}\nsteps: [{{id: a, run: 'true'}}]\n",
        world.name("deleted")
    );
    let pipeline = api.define(&yaml).await;
    let path = format!("/api/v2/pipelines/{pipeline}");
    assert_eq!(
        api.send(api.request(Method::DELETE, &path)).await.status,
        204
    );
    assert_eq!(api.get(&path).await.status, 404);
    assert_eq!(
        api.post(&format!("{path}/runs"), &json!({})).await.status,
        404
    );
    assert_ne!(api.define(&yaml).await, pipeline);
}

async fn a_name_that_many_apply_at_once_is_one_pipeline(world: &World) {
    let api = world.api();
    let name = world.name("twin");
    let body = json!({"name": name, "steps": [{"id": "a", "run": "true"}]});
    let applied = (0..8).map(|_| api.post("/api/v2/pipelines?upsert=true", &body));
    let statuses = join_all(applied).await.into_iter().map(|it| it.status);
    let made = statuses.filter(|status| *status == 201).count();
    assert_eq!(made, 1);
    let found = api.get(&format!("/api/v2/pipelines/{name}")).await;
    assert_eq!(found.status, 200, "{}", found.text);
}

async fn runs_are_listed_newest_first_page_by_page(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("listed", "- {id: a, run: 'true'}").await;
    for run_count in join_all((0..7).map(|_| api.start(&pipeline))).await {
        api.ended(&pipeline, run_count).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api
            .get(&format!(
                "/api/v2/pipelines/{pipeline}/runs?limit=3&cursor={cursor}"
            ))
            .await
            .json;
        seen.extend(
            page["runs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|run| run["runCount"].as_i64().unwrap()),
        );
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

async fn pipelines_are_listed_page_by_page(world: &World) {
    let api = world.api();
    let mut wanted = BTreeSet::new();
    for _ in 0..5 {
        wanted.insert(api.define_steps("paged", "- {id: a, run: 'true'}").await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api
            .get(&format!("/api/v2/pipelines?limit=4&cursor={cursor}"))
            .await
            .json;
        seen.extend(
            page["pipelines"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| text(it, "id").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let all: BTreeSet<String> = seen.iter().cloned().collect();
    assert_eq!(all.len(), seen.len(), "none comes twice");
    assert!(wanted.is_subset(&all));
}
