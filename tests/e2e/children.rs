//! Child runs: a step is the run of another pipeline.

use harness::api::{assert_end, states, step_of};
use harness::{Settings, Shape, Story, World, own, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        a_child_run_is_given_its_values_and_ends_its_step,
        children_run_side_by_side,
        a_child_that_fails_fails_its_parent,
        a_stop_reaches_the_child,
        a_childs_gate_is_shown_and_decided_on_the_parent,
        a_pipeline_that_leads_back_to_itself_is_refused,
        a_child_that_is_not_there_fails_the_step,
    ];
    stories.extend(own![a_parent_survives_a_restart_of_everything]);
    stories
}

async fn family(world: &World, child: &str, rest: &str) -> (String, String) {
    let api = world.api();
    let kid = api.define_steps("kid", child).await;
    let steps = format!("- {{id: kid, needs: [], pipeline: {{pipeline: {kid}}}}}\n{rest}");
    let parent = api.define_steps("parent", &steps).await;
    (parent, kid)
}

async fn a_child_run_is_given_its_values_and_ends_its_step(world: &World) {
    let api = world.api();
    let name = world.name("greeter");
    let kid = api
        .define(&format!(
            "name: {name}\nconcurrency: 0\nparameters: {{who: }}\nsteps:\n  \
             - {{id: greet, run: 'echo hello $WHO', env: {{WHO: '${{{{ parameters.who }}}}'}}}}\n"
        ))
        .await;
    let steps = format!(
        "- {{id: make, run: 'echo who=Ada >> $PENSTOCK_OUTPUT'}}\n\
         - {{id: kid, pipeline: {{pipeline: {name}, parameters: {{who: '${{{{ steps.make.outputs.who }}}}'}}}}}}\n\
         - {{id: after, run: echo after}}"
    );
    let parent = api.define_steps("parent", &steps).await;
    let run = api.through(&parent).await;
    assert_end(&run, "succeeded", "completed");
    let child = &step_of(&run, "kid")["child"];
    assert_eq!(
        (&child["pipelineId"], &child["runCount"], &child["state"]),
        (&json!(kid), &json!(1), &json!("succeeded"))
    );
    assert_eq!(api.output(&kid, 1).await, ["hello Ada"]);
    let kid_run = api.run(&kid, 1).await;
    assert_eq!(kid_run["parentId"], run["id"]);
}

async fn children_run_side_by_side(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let one = api
        .define_steps("one", &format!("- {{id: a, run: '{}'}}", gate.pass()))
        .await;
    let steps = format!(
        "- {{id: x, needs: [], pipeline: {{pipeline: {one}}}}}\n- {{id: y, needs: [], pipeline: {{pipeline: {one}}}}}\n"
    );
    let parent = api.define_steps("two", &steps).await;
    api.start(&parent).await;
    for run_count in [1, 2] {
        let there = |run: &Value| step_of(run, "a")["state"] == "running";
        harness::eventually("both children run", async || {
            let path = format!("/api/v2/pipelines/{one}/runs/{run_count}");
            let answer = api.get(&path).await;
            (answer.status == 200 && there(&answer.json)).then_some(())
        })
        .await;
    }
    let status = api
        .post("/api/v1/pipeline/status", &json!({"pipelineId": parent}))
        .await;
    assert_eq!(status.json["status"], "running", "{}", status.text);
    gate.open();
    assert_end(&api.ended(&parent, 1).await, "succeeded", "completed");
}

async fn a_child_that_fails_fails_its_parent(world: &World) {
    let api = world.api();
    let rest = "- {id: never, needs: [kid], run: echo never}";
    let (parent, _) = family(world, "- {id: a, run: exit 3}", rest).await;
    let run = api.through(&parent).await;
    assert_end(&run, "failed", "stepFailed");
    assert_eq!(states(&run), ["failed", "skipped"]);
    let message = step_of(&run, "kid")["message"].as_str().unwrap_or_default();
    assert!(message.ends_with("failed: step a failed"), "{message}");
}

async fn a_stop_reaches_the_child(world: &World) {
    let api = world.api();
    let tidy = "- {id: tidy, always: true, run: echo tidy}";
    let (parent, kid) = family(world, crate::ends::ENDLESS, tidy).await;
    api.start(&parent).await;
    api.step_is(&parent, 1, "kid", "waiting").await;
    harness::eventually("the child runs", async || {
        let answer = api.get(&format!("/api/v2/pipelines/{kid}/runs/1")).await;
        (answer.json["state"] == "running").then_some(())
    })
    .await;
    assert_eq!(api.stop(&parent, 1, "cancel").await.status, 202);
    assert_end(&api.ended(&kid, 1).await, "cancelled", "stopped");
    let run = api.ended(&parent, 1).await;
    assert_end(&run, "cancelled", "stopped");
    assert_eq!(states(&run), ["cancelled", "succeeded"]);
}

async fn a_childs_gate_is_shown_and_decided_on_the_parent(world: &World) {
    let api = world.api();
    let (parent, kid) = family(world, "- {id: go, approval: {message: Now?}}", "").await;
    api.start(&parent).await;
    let shown = |run: &Value| step_of(run, "kid")["gate"]["message"] == "Now?";
    api.run_when(&parent, 1, "shows the gate", shown).await;
    let id = json!({"pipelineId": parent});
    let status = api.post("/api/v1/pipeline/status", &id).await;
    assert_eq!(status.json["status"], "paused", "{}", status.text);
    let refused = api.post("/api/v1/pipeline/run", &id).await;
    assert_eq!(refused.json["status"], "failed", "{}", refused.text);
    let approved = api.post("/api/v1/pipeline/approve", &id).await;
    assert_eq!(approved.json["status"], "success", "{}", approved.text);
    assert_end(&api.ended(&kid, 1).await, "succeeded", "completed");
    assert_end(&api.ended(&parent, 1).await, "succeeded", "completed");
}

async fn a_pipeline_that_leads_back_to_itself_is_refused(world: &World) {
    let api = world.api();
    let (first, second) = (world.name("circle"), world.name("circle"));
    let of = |name: &str, child: &str| {
        format!("name: {name}\nsteps:\n  - {{id: kid, pipeline: {{pipeline: {child}}}}}\n")
    };
    let define = async |yaml: String| {
        let request = api.request(reqwest::Method::POST, "/api/v2/pipelines?upsert=true");
        let request = request.header("content-type", "application/yaml");
        api.send(request.body(yaml)).await
    };
    let own = define(of(&first, &first)).await;
    assert_eq!(own.status, 400, "{}", own.text);
    // Seen only when the second is there: then the second is refused.
    assert_eq!(define(of(&first, &second)).await.status, 201);
    let circle = define(of(&second, &first)).await;
    assert_eq!(circle.status, 400, "{}", circle.text);
    assert!(circle.text.contains("leads back"), "{}", circle.text);
}

async fn a_child_that_is_not_there_fails_the_step(world: &World) {
    let api = world.api();
    let steps = "- {id: kid, pipeline: {pipeline: no-such-pipeline}}";
    let parent = api.define_steps("orphan", steps).await;
    let run = api.through(&parent).await;
    assert_end(&run, "failed", "stepFailed");
    let message = step_of(&run, "kid")["message"].as_str().unwrap_or_default();
    assert!(message.contains("no-such-pipeline"), "{message}");
}

async fn a_parent_survives_a_restart_of_everything(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let gate = world.gate();
    let steps = format!("- {{id: a, run: '{}'}}", gate.pass());
    let (parent, kid) = family(&world, &steps, "").await;
    let api = world.api();
    api.start(&parent).await;
    api.step_is(&parent, 1, "kid", "waiting").await;
    harness::eventually("the child runs", async || {
        let answer = api.get(&format!("/api/v2/pipelines/{kid}/runs/1")).await;
        (answer.json["state"] == "running").then_some(())
    })
    .await;
    world.crash_all().await;
    gate.open();
    let api = world.api();
    assert_end(
        &api.ended_at_last(&parent, 1).await,
        "succeeded",
        "completed",
    );
    assert_end(&api.run(&kid, 1).await, "succeeded", "completed");
    world.finish().await;
}
