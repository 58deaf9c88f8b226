//! Runs that wait for people, and runs of other pipelines, as scripts see them.

use harness::api::assert_end;
use harness::{Story, World, eventually, shared};
use serde_json::{Value, json};

use crate::post;

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_run_on_a_paused_pipeline_is_refused_in_the_contracts_bytes,
        a_start_says_what_its_approvers_are_asked,
        the_gate_of_a_child_is_the_parents_and_its_failure_too,
    ]
}

/// The status of the latest run once it waits for people.
async fn paused(world: &World, id: &str) -> Value {
    let asked = json!({"pipelineId": id});
    eventually("the run is paused", async || {
        let status = post(world, "status", &asked).await.json;
        (status["status"] == "paused").then_some(status)
    })
    .await
}

async fn a_run_on_a_paused_pipeline_is_refused_in_the_contracts_bytes(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-paused", "- {id: go, approval: {}}")
        .await;
    let asked = json!({"pipelineId": id});
    assert_eq!(post(world, "run", &asked).await.json["runCount"], 1);
    paused(world, &id).await;
    let refused = post(world, "run", &asked).await;
    let expected = format!(
        "{{\"status\":\"failed\",\"message\":\"Pipeline {id} is currently in a paused state.  \
         Will not start another job until this pending status is resolved.\"}}"
    );
    assert_eq!((refused.status, refused.text), (200, expected));
    post(world, "stop", &asked).await;
    assert_end(&api.ended(&id, 1).await, "cancelled", "stopped");
    let again = post(world, "run", &asked).await.json;
    assert_eq!(again["runCount"], 2, "the refused run took no number");
    post(world, "stop", &asked).await;
    api.ended(&id, 2).await;
}

async fn a_start_says_what_its_approvers_are_asked(world: &World) {
    let api = world.api();
    let steps = "- {id: go, approval: {message: 'Publish?'}}\n- {id: on, run: echo on}";
    let id = api.define_steps("opsera-asked", steps).await;
    let summary = post(world, "summary", &json!({"pipelineId": id}))
        .await
        .json;
    let step = summary["workflow"]["plan"][0]["_id"].clone();
    let said = json!({"pipelineId": id, "stepId": step, "message": "Publish 7.1?"});
    let started = post(world, "run", &said).await;
    assert_eq!(started.json["status"], "executed", "{}", started.text);
    let status = paused(world, &id).await;
    let expected = json!({"stepId": step, "message": "Publish 7.1?"});
    assert_eq!(status["pendingApproval"], expected);
    let approved = post(world, "approve", &json!({"pipelineId": id})).await;
    assert_eq!(approved.json["status"], "success", "{}", approved.text);
    assert_end(&api.ended(&id, 1).await, "succeeded", "completed");
}

async fn the_gate_of_a_child_is_the_parents_and_its_failure_too(world: &World) {
    let api = world.api();
    let steps = "- {id: go, approval: {message: 'Now?'}}\n- {id: fail, run: exit 3}";
    let kid = api.define_steps("opsera-kid", steps).await;
    let document = json!({"name": world.name("opsera-parent"), "workflow": {"plan": [
        {"name": "Kid", "tool": {"tool_identifier": "child-pipeline",
            "configuration": {"pipelineId": kid}}},
        {"name": "Never", "tool": {"tool_identifier": "mock-step", "configuration": {}}},
    ]}});
    let made = post(world, "create", &document).await;
    let parent = made.json["newPipelineId"].as_str().unwrap();
    post(world, "run", &json!({"pipelineId": parent})).await;
    let status = paused(world, parent).await;
    assert_eq!(status["pendingApproval"]["message"], "Now?");
    let approved = post(world, "approve", &json!({"pipelineId": parent})).await;
    assert_eq!(approved.json["status"], "success", "{}", approved.text);
    api.ended(parent, 1).await;
    for id in [kid.as_str(), parent] {
        let status = post(world, "status", &json!({"pipelineId": id, "runCount": 1})).await;
        assert_eq!(status.json["status"], "failed", "{}", status.text);
    }
}
