//! `/api/v1/pipeline`, as a customer's script uses it: the bodies are those of the contract.

use harness::{Story, World, shared};
use reqwest::Method;
use serde_json::json;

use crate::{ENDLESS, post};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_script_runs_a_pipeline_and_asks_for_its_status,
        a_script_stops_and_resets_a_pipeline,
        a_script_reads_the_activity_log,
        a_script_lists_pipelines_and_reads_one,
        a_run_behind_another_is_said_to_be_queued,
        what_a_script_sends_is_read_liberally,
        what_a_script_gets_wrong_is_said,
    ]
}

async fn a_script_runs_a_pipeline_and_asks_for_its_status(world: &World) {
    let api = world.api();
    let name = world.name("Blank Template");
    let id = api
        .define(&format!("name: {name}\nsteps: [{{id: a, run: 'true'}}]\n"))
        .await;
    let answer = post(world, "run", &json!({"pipelineId": id})).await;
    let expected = format!(
        "{{\"status\":\"executed\",\"message\":\"Run pipeline request submitted successfully for ({id})\",\"runCount\":1}}"
    );
    assert_eq!((answer.status, answer.text), (200, expected));
    api.ended(&id, 1).await;
    for body in [
        json!({"pipelineId": id, "runCount": 1}),
        json!({"pipelineId": id}),
    ] {
        let status = post(world, "status", &body).await;
        assert_eq!(
            (status.status, &status.json["status"]),
            (200, &json!("success"))
        );
        assert_eq!(
            status.json["message"],
            format!("Pipeline: {name}'s Run 1 was successful.")
        );
        assert_eq!(status.json["runCount"], 1);
    }
}

async fn a_script_stops_and_resets_a_pipeline(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let pass = gate.pass();
    let steps = format!("- {{id: a, run: '{pass}; echo finished'}}\n- {{id: b, run: echo never}}");
    let id = api.define_steps("opsera-stop", &steps).await;
    post(world, "run", &json!({"pipelineId": id})).await;
    api.step_is(&id, 1, "a", "running").await;
    let running = post(world, "status", &json!({"pipelineId": id})).await.json;
    assert_eq!(running["status"], "running");
    let refused = post(world, "reset", &json!({"pipelineId": id})).await;
    assert_eq!(
        (refused.status, &refused.json["status"]),
        (200, &json!("failed")),
        "{}",
        refused.text
    );
    let asked_at = std::time::Instant::now();
    let stopped = post(world, "stop", &json!({"pipelineId": id})).await;
    assert!(asked_at.elapsed().as_secs() < 1, "{:?}", asked_at.elapsed());
    let expected = "{\"status\":\"success\",\"message\":\"The pipeline has been stopped.\"}";
    assert_eq!((stopped.status, stopped.text.as_str()), (200, expected));
    let stopping = post(world, "status", &json!({"pipelineId": id})).await.json;
    assert_eq!(
        (&stopping["status"], &stopping["stopping"]),
        (&json!("running"), &json!(true))
    );
    gate.open();
    let run = api.ended(&id, 1).await;
    assert_eq!(
        harness::api::states(&run),
        ["succeeded", "skipped"],
        "the operation that runs finishes"
    );
    assert_eq!(api.output(&id, 1).await, ["finished"]);
    assert_eq!(
        post(world, "status", &json!({"pipelineId": id, "runCount": 1}))
            .await
            .json["status"],
        "stopped"
    );
    let reset = post(world, "reset", &json!({"pipelineId": id})).await;
    let expected =
        "{\"status\":\"success\",\"message\":\"The pipeline run status has been reset.\"}";
    assert_eq!((reset.status, reset.text.as_str()), (200, expected));
}

async fn a_script_reads_the_activity_log(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-log", "- {id: a, name: Say it, run: echo said}")
        .await;
    api.through(&id).await;
    api.log(&id, 1).await;
    let all = post(world, "logs", &json!({"pipelineId": id, "runCount": 1})).await;
    let records = all
        .json
        .as_array()
        .unwrap_or_else(|| panic!("{}", all.text));
    assert!(
        records.len() >= 4
            && records
                .iter()
                .all(|it| it["run_count"] == 1 || it["runCount"] == 1),
        "{}",
        all.text
    );
    let console = post(
        world,
        "logs",
        &json!({"pipelineId": id, "runCount": 1, "type": "console output"}),
    )
    .await;
    let records = console.json.as_array().unwrap();
    assert_eq!(records.len(), 1, "{}", console.text);
    assert!(console.text.contains("said"), "{}", console.text);
}

async fn a_script_lists_pipelines_and_reads_one(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-list", "- {id: a, run: 'true'}")
        .await;
    let list = api.get("/api/v1/pipeline/pipelines").await;
    let documents = list
        .json
        .as_array()
        .unwrap_or_else(|| panic!("{}", list.text));
    assert!(
        documents.iter().any(|it| it["_id"] == id.as_str()),
        "{}",
        list.text
    );
    let one = post(world, "summary", &json!({"pipelineId": id})).await;
    assert_eq!((one.status, &one.json["_id"]), (200, &json!(id)));
}

async fn a_run_behind_another_is_said_to_be_queued(world: &World) {
    let api = world.api();
    let name = world.name("opsera-queue");
    let id = api
        .define(&format!(
            "name: {name}\nconcurrency: 1\nsteps:\n  {ENDLESS}\n"
        ))
        .await;
    post(world, "run", &json!({"pipelineId": id})).await;
    api.step_is(&id, 1, "endless", "running").await;
    let second = post(world, "run", &json!({"pipelineId": id})).await.json;
    assert_eq!(
        (
            &second["runCount"],
            &second["queued"],
            &second["queuePosition"]
        ),
        (&json!(2), &json!(true), &json!(1))
    );
    let status = post(world, "status", &json!({"pipelineId": id, "runCount": 2}))
        .await
        .json;
    assert_eq!(status["status"], "queued");
    let stopped = post(world, "stop", &json!({"pipelineId": id, "mode": "kill"})).await;
    assert_eq!(stopped.json["queuedRunsCancelled"], 1, "{}", stopped.text);
    api.ended(&id, 1).await;
}

async fn what_a_script_sends_is_read_liberally(world: &World) {
    let api = world.api();
    let id = api
        .define_steps("opsera-form", "- {id: a, run: 'true'}")
        .await;
    let form = api
        .request(Method::POST, "/api/v1/pipeline/run")
        .body(format!("pipelineId={id}"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(api.send(form).await.json["status"], "executed");
    api.ended(&id, 1).await;
    for body in [
        format!("{{\"pipelineId\":\"{id}\",\"runCount\":\"1\"}}"),
        format!(
            "{{\"pipelineId\":\"{}\",\"runCount\":1.0,\"more\":[]}}",
            id.to_uppercase()
        ),
    ] {
        // Sent as what curl calls it unless told.
        let request = api
            .request(Method::POST, "/api/v1/pipeline/status/")
            .body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(api.send(request).await.json["status"], "success");
    }
}

async fn what_a_script_gets_wrong_is_said(world: &World) {
    let api = world.api();
    let unknown = "5fd56d90979ee048ee660624";
    for route in ["run", "status", "stop", "reset", "summary", "logs"] {
        let answer = post(world, route, &json!({"pipelineId": unknown})).await;
        assert!(
            (400..500).contains(&answer.status),
            "{route}: {} {}",
            answer.status,
            answer.text
        );
        let answer = post(world, route, &json!({})).await;
        assert_eq!(answer.status, 400, "{route}: {}", answer.text);
        let url = format!("{}/api/v1/pipeline/{route}", world.url());
        let anonymous = api
            .send(
                harness::api::http()
                    .post(url)
                    .json(&json!({"pipelineId": unknown})),
            )
            .await;
        assert_eq!(anonymous.status, 401, "{route}: {}", anonymous.text);
    }
}
