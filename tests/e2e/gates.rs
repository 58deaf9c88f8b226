//! Gates: a run waits for people, for as long as they take.

use harness::api::{assert_end, http, states, step_of};
use harness::{Answer, Settings, Shape, Story, World, own, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        an_approved_run_goes_on_in_its_workspace,
        a_rejected_run_fails_after_its_finalizers,
        a_run_that_is_only_a_gate_ends_with_its_approval,
        a_stop_ends_a_pause_and_lets_the_finalizer_run,
        a_script_meets_a_paused_pipeline,
        a_script_resets_a_paused_pipeline,
        a_gate_is_decided_while_a_step_runs_beside_it,
        a_gate_fails_when_its_time_is_over,
        who_started_a_run_may_not_approve_it_where_the_gate_says_so,
        a_user_approves_and_rejects_by_command,
        a_failed_run_is_resumed_in_its_workspace,
        two_of_three_people_open_a_gate,
    ];
    stories.extend(own![
        a_waiting_run_survives_a_restart_of_everything,
        a_waiting_run_takes_no_slot
    ]);
    stories
}

const GATED: &str = "\
- {id: build, run: 'echo built > product'}
- {id: go, name: Go?, approval: {message: Publish?, contact: ops}}
- {id: publish, run: cat product}
- {id: tidy, always: true, run: echo tidy}";

async fn post(world: &World, route: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/pipeline/{route}");
    world.api().post(&path, body).await
}

async fn decide(world: &World, pipeline: &str, run_count: i64, deed: &str) -> Answer {
    let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/steps/go/{deed}");
    world.api().post(&path, &json!({"message": "seen"})).await
}

/// A run that waits at the gate of these steps.
async fn at_gate(world: &World, steps: &str) -> String {
    let api = world.api();
    let pipeline = api.define_steps("gated", steps).await;
    let run_count = api.start(&pipeline).await;
    waits(world, &pipeline, run_count).await;
    pipeline
}

async fn waits(world: &World, pipeline: &str, run_count: i64) -> Value {
    let is_waiting = |run: &Value| run["state"] == "waiting";
    let api = world.api();
    api.run_when(pipeline, run_count, "waits", is_waiting).await
}

async fn an_approved_run_goes_on_in_its_workspace(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, GATED).await;
    let run = api.run(&pipeline, 1).await;
    assert_eq!(states(&run), ["succeeded", "waiting", "pending", "pending"]);
    assert!(run["executor"].is_null(), "it holds none: {run:#}");
    let gate = &step_of(&run, "go")["gate"];
    assert_eq!(
        (&gate["message"], &gate["contact"], &gate["approvers"]),
        (&json!("Publish?"), &json!("ops"), &json!(1))
    );
    let path = format!("/api/v2/pipelines/{pipeline}/runs/1/explain");
    let explained = api.get(&path).await;
    assert!(
        explained
            .text
            .contains("waits for people to decide: Publish?"),
        "{}",
        explained.text
    );
    let approved = decide(world, &pipeline, 1, "approve").await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let run = api.ended(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 2, "{run:#}");
    let decision = &step_of(&run, "go")["gate"]["decisions"][0];
    assert_eq!(
        (&decision["approved"], &decision["message"]),
        (&json!(true), &json!("seen"))
    );
    assert_eq!(api.output(&pipeline, 1).await, ["built", "tidy"]);
    let log = api.log(&pipeline, 1).await;
    for kind in ["step.waiting", "run.waiting", "gate.approved"] {
        assert!(log.iter().any(|it| it["kind"] == kind), "{kind}: {log:#?}");
    }
    let again = decide(world, &pipeline, 1, "approve").await;
    assert_eq!(again.status, 200, "the same again: {}", again.text);
    let other = decide(world, &pipeline, 1, "reject").await;
    assert_eq!(other.status, 409, "{}", other.text);
}

async fn a_rejected_run_fails_after_its_finalizers(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, GATED).await;
    let rejected = decide(world, &pipeline, 1, "reject").await;
    assert_eq!(rejected.status, 200, "{}", rejected.text);
    let run = api.ended(&pipeline, 1).await;
    assert_end(&run, "failed", "rejected");
    assert_eq!(
        states(&run),
        ["succeeded", "failed", "skipped", "succeeded"]
    );
    assert!(run["endedBy"]["name"].is_string(), "{run:#}");
    let status = post(world, "status", &json!({"pipelineId": pipeline})).await;
    assert_eq!(status.json["status"], "failed");
}

async fn a_run_that_is_only_a_gate_ends_with_its_approval(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, "- {id: go, userAction: {instructions: Plug it in}}").await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs/waiting/steps/_/approve");
    let approved = api.post(&path, &json!({})).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let run = api.ended(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1);
}

async fn a_stop_ends_a_pause_and_lets_the_finalizer_run(world: &World) {
    let api = world.api();
    for (mode, tidy) in [
        ("graceful", "succeeded"),
        ("cancel", "succeeded"),
        ("kill", "skipped"),
    ] {
        let pipeline = at_gate(world, GATED).await;
        assert_eq!(api.stop(&pipeline, 1, mode).await.status, 202);
        let run = api.ended(&pipeline, 1).await;
        assert_end(&run, "cancelled", "stopped");
        assert_eq!(states(&run), ["succeeded", "cancelled", "skipped", tidy]);
        let late = decide(world, &pipeline, 1, "approve").await;
        assert_eq!(late.status, 409, "{}", late.text);
    }
}

async fn a_script_meets_a_paused_pipeline(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, GATED).await;
    let id = json!({"pipelineId": pipeline});
    let refused = post(world, "run", &id).await;
    let expected = format!(
        "{{\"status\":\"failed\",\"message\":\"Pipeline {pipeline} is currently in a paused state.  \
         Will not start another job until this pending status is resolved.\"}}"
    );
    assert_eq!((refused.status, refused.text), (200, expected));
    let name = api.run(&pipeline, 1).await["pipelineName"].clone();
    let status = post(world, "status", &id).await.json;
    assert_eq!(status["status"], "paused");
    assert_eq!(
        status["message"],
        format!(
            "Pipeline: {}'s Run 1 is paused pending user response.",
            name.as_str().unwrap()
        )
    );
    assert_eq!(status["pendingApproval"]["message"], "Publish?");
    let step = status["pendingApproval"]["stepId"].clone();
    let summary = post(world, "summary", &id).await.json;
    let last_step = &summary["workflow"]["last_step"];
    assert_eq!(
        (&last_step["step_id"], &last_step["running"]["paused"]),
        (&step, &json!(true))
    );
    let body = json!({"pipelineId": pipeline, "stepId": step, "runCount": "1", "message": "fine"});
    let approved = post(world, "approve", &body).await;
    let expected = "{\"status\":\"success\",\"message\":\"The pending step has been approved.\",\"runCount\":1}";
    assert_eq!((approved.status, approved.text.as_str()), (200, expected));
    assert_end(&api.ended(&pipeline, 1).await, "succeeded", "completed");
    let late = post(world, "deny", &id).await;
    assert_eq!(
        (late.status, &late.json["status"]),
        (200, &json!("failed")),
        "{}",
        late.text
    );
    let logs = post(world, "logs", &id).await.json;
    let said = logs
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["action"] == "gate approved");
    assert_eq!(said.unwrap()["status"], "success", "{logs:#}");
}

async fn a_script_resets_a_paused_pipeline(world: &World) {
    let api = world.api();
    let name = world.name("reset");
    let pipeline = api
        .define(&format!(
            "name: {name}\nconcurrency: 1\nsteps:\n  - {{id: go, approval: {{}}}}\n  - {{id: a, run: 'true'}}\n"
        ))
        .await;
    api.start(&pipeline).await;
    waits(world, &pipeline, 1).await;
    // Our own API queues another one behind it.
    assert_eq!(api.start(&pipeline).await, 2);
    let id = json!({"pipelineId": pipeline});
    let reset = post(world, "reset", &id).await;
    let expected =
        "{\"status\":\"success\",\"message\":\"The pipeline run status has been reset.\"}";
    assert_eq!((reset.status, reset.text.as_str()), (200, expected));
    assert_end(&api.ended(&pipeline, 1).await, "cancelled", "reset");
    let status = post(
        world,
        "status",
        &json!({"pipelineId": pipeline, "runCount": 1}),
    )
    .await;
    assert_eq!(status.json["status"], "stopped");
    waits(world, &pipeline, 2).await;
    let stopped = post(world, "stop", &id).await;
    assert_eq!(stopped.json["status"], "success", "{}", stopped.text);
    assert_end(&api.ended(&pipeline, 2).await, "cancelled", "stopped");
}

async fn a_gate_is_decided_while_a_step_runs_beside_it(world: &World) {
    let api = world.api();
    let gate = world.gate();
    let steps = format!(
        "- {{id: work, needs: [], run: '{}'}}\n- {{id: go, needs: [], approval: {{}}}}\n\
         - {{id: publish, needs: [go], run: echo out}}",
        gate.pass()
    );
    let pipeline = api.define_steps("beside", &steps).await;
    api.start(&pipeline).await;
    api.step_is(&pipeline, 1, "work", "running").await;
    let run = api.step_is(&pipeline, 1, "go", "waiting").await;
    assert_eq!(run["state"], "running");
    let approved = decide(world, &pipeline, 1, "approve").await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let run = api.step_is(&pipeline, 1, "publish", "succeeded").await;
    assert_eq!(step_of(&run, "work")["state"], "running");
    gate.open();
    let run = api.ended(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "{run:#}");
}

async fn a_gate_fails_when_its_time_is_over(world: &World) {
    let api = world.api();
    let steps = "- {id: go, approval: {}, timeout: 100ms}\n- {id: a, run: echo never}";
    let pipeline = api.define_steps("late", steps).await;
    let run = api.through(&pipeline).await;
    assert_end(&run, "failed", "stepTimedOut");
    assert_eq!(states(&run), ["failed", "skipped"]);
}

async fn who_started_a_run_may_not_approve_it_where_the_gate_says_so(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, "- {id: go, approval: {selfApproval: false}}").await;
    let own = decide(world, &pipeline, 1, "approve").await;
    assert_eq!(own.status, 403, "{}", own.text);
    let denied = post(world, "deny", &json!({"pipelineId": pipeline})).await;
    assert_eq!(denied.json["status"], "success", "{}", denied.text);
    assert_end(&api.ended(&pipeline, 1).await, "failed", "rejected");
}

async fn a_user_approves_and_rejects_by_command(world: &World) {
    let api = world.api();
    let pipeline = at_gate(world, GATED).await;
    let said = world
        .penstock(&["approve", &pipeline, "-m", "looks good"])
        .await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with("approved: run 1"), "{said:?}");
    assert_end(&api.ended(&pipeline, 1).await, "succeeded", "completed");
    api.start(&pipeline).await;
    waits(world, &pipeline, 2).await;
    let args = ["logs", &pipeline, "--run", "2", "--follow"];
    let follow = world.penstock(&args);
    let reject = async {
        let said = world
            .penstock(&["reject", &pipeline, "--run", "2", "--step", "go"])
            .await;
        assert_eq!(said.code, Some(0), "{said:?}");
    };
    let (followed, ()) = tokio::join!(follow, reject);
    assert_eq!(followed.code, Some(0), "{followed:?}");
    assert_end(&api.ended(&pipeline, 2).await, "failed", "rejected");
    let late = world.penstock(&["approve", &pipeline]).await;
    assert_eq!(late.code, Some(1), "{late:?}");
    assert!(late.err.contains("does not wait"), "{late:?}");
}

async fn a_waiting_run_survives_a_restart_of_everything(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let pipeline = at_gate(&world, GATED).await;
    world.crash_all().await;
    let run = waits(&world, &pipeline, 1).await;
    assert_eq!(run["attempt"], 1, "{run:#}");
    let approved = decide(&world, &pipeline, 1, "approve").await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let api = world.api();
    let run = api.ended_at_last(&pipeline, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(api.output(&pipeline, 1).await, ["built", "tidy"]);
    world.finish().await;
}

async fn a_waiting_run_takes_no_slot(shape: Shape) {
    let world = World::start(Settings::of(shape).slots(1)).await;
    let api = world.api();
    let pipeline = at_gate(&world, GATED).await;
    let other = api.define_steps("other", "- {id: a, run: 'true'}").await;
    assert_end(&api.through(&other).await, "succeeded", "completed");
    let approved = decide(&world, &pipeline, 1, "approve").await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    assert_end(&api.ended(&pipeline, 1).await, "succeeded", "completed");
    world.finish().await;
}

async fn a_failed_run_is_resumed_in_its_workspace(world: &World) {
    let api = world.api();
    let steps =
        "- {id: a, run: echo made > thing}\n- {id: b, run: exit 4}\n- {id: c, run: cat thing}";
    let pipeline = api.define_steps("resumed", steps).await;
    let nothing = post(world, "resume", &json!({"pipelineId": pipeline})).await;
    assert_eq!(
        (nothing.status, &nothing.json["status"]),
        (200, &json!("failed")),
        "{}",
        nothing.text
    );
    assert_end(&api.through(&pipeline).await, "failed", "stepFailed");
    let resumed = post(world, "resume", &json!({"pipelineId": pipeline})).await;
    assert_eq!(
        (&resumed.json["status"], &resumed.json["runCount"]),
        (&json!("executed"), &json!(2)),
        "{}",
        resumed.text
    );
    let run = api.ended(&pipeline, 2).await;
    assert_eq!(states(&run), ["succeeded", "warned", "succeeded"]);
    assert_eq!(
        (&run["state"], &run["resumedFrom"]),
        (&json!("warned"), &json!(1))
    );
    assert_eq!(api.output(&pipeline, 2).await, ["made"]);
    let said = world.penstock(&["resume", &pipeline]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("nothing to resume"), "{said:?}");
}

/// Makes a user, and answers its e-mail address and a token of its own.
async fn somebody(world: &World) -> (String, String) {
    let name = world.name("approver");
    let email = format!("{name}@example.org");
    let user = json!({"name": name, "email": email, "roles": ["site_user"]});
    let made = world.api().post("/api/v2/users", &user).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = json!({"name": "its", "user": email});
    let token = world.api().post("/api/v2/tokens", &token).await;
    assert_eq!(token.status, 201, "{}", token.text);
    (email, token.json["token"].as_str().unwrap().to_owned())
}

async fn two_of_three_people_open_a_gate(world: &World) {
    let api = world.api();
    let people = [
        somebody(world).await,
        somebody(world).await,
        somebody(world).await,
    ];
    let outsider = somebody(world).await;
    let manager = |(email, _): &(String, String)| json!({"role": "manager", "user": email});
    let roles: Vec<Value> = people.iter().map(manager).collect();
    let definition = json!({"name": world.name("several"), "roles": roles, "steps": [
        {"id": "go", "approval": {"message": "Ship?", "approvers": 2, "selfApproval": false}},
        {"id": "ship", "run": "echo shipped"},
    ]});
    let pipeline = api.define(&definition.to_string()).await;
    let run_count = api.start(&pipeline).await;
    waits(world, &pipeline, run_count).await;
    let path = format!("/api/v2/pipelines/{pipeline}/runs/{run_count}/steps/go/approve");
    let approve = async |token: &str| {
        let request = http().post(format!("{}{path}", world.url()));
        let request = request.bearer_auth(token).json(&json!({}));
        world.api().send(request).await
    };
    let own = api.post(&path, &json!({})).await;
    assert_eq!(own.status, 403, "who started it: {}", own.text);
    let stranger = approve(&outsider.1).await;
    assert_eq!(stranger.status, 404, "{}", stranger.text);
    for _ in 0..2 {
        let first = approve(&people[0].1).await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_eq!(first.json["state"], "waiting", "one counts once");
    }
    let second = approve(&people[1].1).await;
    assert_eq!(second.status, 200, "{}", second.text);
    let run = api.ended(&pipeline, run_count).await;
    assert_end(&run, "succeeded", "completed");
    let decisions = step_of(&run, "go")["gate"]["decisions"].as_array();
    assert_eq!(decisions.map(Vec::len), Some(2), "{run:#}");
    let third = approve(&people[2].1).await;
    assert_eq!(third.status, 409, "it is open no more: {}", third.text);
}
