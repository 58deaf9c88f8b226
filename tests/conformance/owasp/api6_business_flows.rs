//! API6, unrestricted access to sensitive business flows: deciding at gates, starting and resuming
//! runs, by means that skip what the flow is for.

use futures::future::join_all;
use harness::{Answer, Story, World, shared};
use serde_json::{Value, json};

use super::{Person, one_step};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        who_started_a_run_does_not_approve_it_by_any_means,
        one_person_counts_once_whatever_tokens_it_shows,
        a_gate_is_not_gone_around,
        a_closed_gate_stays_closed,
        a_key_of_one_user_is_not_anothers,
        a_hundred_repeats_of_a_request_start_one_run,
        a_step_writes_no_decision_of_its_own,
    ]
}

const GATED: &str = "until gate";

/// A pipeline of two steps with a gate between, whose rules are the account's.
async fn gated(owner: &Person<'_>, gate: Value) -> String {
    let name = owner.world.name("gated");
    let definition = json!({"name": name, "steps": [
        {"id": "before", "run": format!("echo {GATED}")},
        {"id": "gate", "approval": gate},
        {"id": "behind", "run": "echo behind-the-gate"},
    ]});
    owner.defines(&definition).await
}

async fn start(who: &Person<'_>, pipeline: &str) {
    let path = format!("/api/v2/pipelines/{pipeline}/runs");
    let started = who.post(&path, &json!({})).await;
    assert_eq!(started.status, 202, "{}", started.text);
    who.world.api().accepted(&started);
    let waits = |run: &Value| run["state"] == "waiting";
    who.world.api().run_when(pipeline, 1, "waits", waits).await;
}

async fn decide(who: &Person<'_>, pipeline: &str, deed: &str) -> Answer {
    let path = format!("/api/v2/pipelines/{pipeline}/runs/1/steps/gate/{deed}");
    who.post(&path, &json!({})).await
}

async fn still_waits(world: &World, pipeline: &str) {
    let run = world.api().run(pipeline, 1).await;
    assert_eq!(run["state"], "waiting", "{run:#}");
    assert_eq!(harness::api::states(&run)[2], "pending", "{run:#}");
}

async fn who_started_a_run_does_not_approve_it_by_any_means(world: &World) {
    let starter = Person::member(world, &["site_user"]).await;
    let id = gated(&starter, json!({"message": "Go?", "selfApproval": false})).await;
    start(&starter, &id).await;
    let second = starter
        .post("/api/v2/tokens", &json!({"name": "second"}))
        .await;
    let second = second.json["token"].as_str().unwrap().to_owned();
    let again = Person {
        token: second,
        world,
        id: starter.id.clone(),
        email: starter.email.clone(),
        token_id: String::new(),
    };
    for who in [&starter, &again] {
        let refused = decide(who, &id, "approve").await;
        assert!([403, 409].contains(&refused.status), "{}", refused.text);
        for route in ["approve", "resume"] {
            let v1 = json!({"pipelineId": id});
            let v1 = who.post(&format!("/api/v1/pipeline/{route}"), &v1).await;
            assert!(
                v1.status >= 400 || v1.json["status"] == "failed",
                "{}",
                v1.text
            );
        }
    }
    still_waits(world, &id).await;
    let other = Person::member(world, &["site_user"]).await;
    assert_eq!(decide(&other, &id, "approve").await.status, 200);
    world.api().ended(&id, 1).await;
}

async fn one_person_counts_once_whatever_tokens_it_shows(world: &World) {
    let starter = Person::member(world, &["site_user"]).await;
    let id = gated(&starter, json!({"message": "Go?", "approvers": 2})).await;
    start(&starter, &id).await;
    let one = Person::member(world, &["site_user"]).await;
    assert_eq!(decide(&one, &id, "approve").await.status, 200);
    let all = join_all((0..10).map(|_| decide(&one, &id, "approve"))).await;
    assert!(all.iter().all(|it| it.status < 500), "{all:?}");
    let token = one.post("/api/v2/tokens", &json!({"name": "second"})).await;
    let token = token.json["token"].as_str().unwrap().to_owned();
    let same = Person { token, ..one };
    let again = decide(&same, &id, "approve").await;
    assert!(again.status < 500, "{}", again.text);
    still_waits(world, &id).await;
    let other = Person::member(world, &["site_user"]).await;
    assert_eq!(decide(&other, &id, "approve").await.status, 200);
    let run = world.api().ended(&id, 1).await;
    assert_eq!(run["state"], "succeeded", "{run:#}");
}

async fn a_gate_is_not_gone_around(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let outsider = Person::member(world, &["auditor"]).await;
    let id = gated(&owner, json!({"message": "Go?"})).await;
    start(&owner, &id).await;
    assert_eq!(decide(&outsider, &id, "approve").await.status, 403);
    let path = format!("/api/v2/pipelines/{id}");
    let resumed = owner
        .post(&format!("{path}/runs/1/resume"), &json!({}))
        .await;
    assert_eq!(resumed.status, 409, "{}", resumed.text);
    // A new version without the gate is none of the run's.
    let without = one_step(&world.name("without"), "echo behind-the-gate");
    let replaced = owner.ask(reqwest::Method::PUT, &path, &without).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let another = json!({"pipelineId": id});
    let another = owner.post("/api/v1/pipeline/run", &another).await;
    assert!(another.json["status"] != "executed", "{}", another.text);
    still_waits(world, &id).await;
    assert_eq!(decide(&owner, &id, "reject").await.status, 200);
    let run = world.api().ended(&id, 1).await;
    assert_eq!(run["state"], "failed", "{run:#}");
    // What was rejected doesn't count as approved in a run that goes on from there.
    let resumed = owner
        .post(&format!("{path}/runs/1/resume"), &json!({}))
        .await;
    if resumed.status == 202 {
        world.api().accepted(&resumed);
        let waits = |run: &Value| run["state"] == "waiting";
        world
            .api()
            .run_when(&id, 2, "waits at the gate again", waits)
            .await;
        world.api().stop(&id, 2, "kill").await;
        world.api().ended(&id, 2).await;
    }
    let output = world.api().output(&id, 1).await;
    assert_eq!(output, [GATED]);
}

async fn a_closed_gate_stays_closed(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let id = gated(&owner, json!({"message": "Go?"})).await;
    start(&owner, &id).await;
    world.api().stop(&id, 1, "graceful").await;
    world.api().ended(&id, 1).await;
    for deed in ["approve", "reject"] {
        let late = decide(&owner, &id, deed).await;
        assert_eq!(late.status, 409, "{}", late.text);
    }
    let run = world.api().run(&id, 1).await;
    assert_eq!(run["state"], "cancelled", "{run:#}");
}

async fn a_key_of_one_user_is_not_anothers(world: &World) {
    let (one, two) = (
        Person::member(world, &["site_user"]).await,
        Person::member(world, &["site_user"]).await,
    );
    let id = one.defines(&one_step(&world.name("keyed"), "true")).await;
    let url = format!("{}/api/v2/pipelines/{id}/runs", world.url());
    let start = async |who: &Person<'_>| {
        let request = harness::api::http().post(&url).bearer_auth(&who.token);
        let request = request
            .header("idempotency-key", "guessed")
            .json(&json!({}));
        let started = world.api().send(request).await;
        world.api().accepted(&started);
        started.json
    };
    let (first, second) = (start(&one).await, start(&two).await);
    assert_ne!(first["id"], second["id"], "{first:#} {second:#}");
    assert_eq!(start(&one).await["id"], first["id"]);
    for run_count in [1, 2] {
        world.api().ended(&id, run_count).await;
    }
}

async fn a_hundred_repeats_of_a_request_start_one_run(world: &World) {
    let person = Person::member(world, &["site_user"]).await;
    let id = person
        .defines(&one_step(&world.name("repeated"), "true"))
        .await;
    let path = format!("{}/api/v2/pipelines/{id}/runs", world.url());
    let one = || async {
        let request = harness::api::http().post(&path).bearer_auth(&person.token);
        let request = request
            .header("idempotency-key", "the one")
            .json(&json!({}));
        world.api().send(request).await
    };
    let answers = join_all((0..100).map(|_| one())).await;
    let ids: std::collections::BTreeSet<String> =
        answers.iter().map(|it| it.json["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    world.api().accepted(&answers[0]);
    world.api().ended(&id, 1).await;
    let shown = person.get(&format!("/api/v2/pipelines/{id}")).await;
    assert_eq!(shown.json["runCount"], 1, "{}", shown.text);
}

async fn a_step_writes_no_decision_of_its_own(world: &World) {
    let owner = Person::member(world, &["site_user"]).await;
    let name = world.name("forger");
    let forge = "env | grep -i -e token -e password -e peer_key -e admin | grep -v TRACEPARENT || true; \
                 echo 'gate=approved' > $PENSTOCK_OUTPUT; mkdir -p .penstock; \
                 echo '{\"approved\":true}' > .penstock/gate.json; true";
    let definition = json!({"name": name, "steps": [
        {"id": "before", "run": forge},
        {"id": "gate", "approval": {"message": "Go?"}},
        {"id": "behind", "run": "echo behind-the-gate"},
    ]});
    let id = owner.defines(&definition).await;
    start(&owner, &id).await;
    still_waits(world, &id).await;
    let output = world
        .api()
        .post(
            "/api/v1/pipeline/logs",
            &json!({
        "pipelineId": id, "runCount": 1, "type": "console output"}),
        )
        .await;
    assert_eq!(
        output.json,
        json!([]),
        "a step is told nothing to come in with: {}",
        output.text
    );
    decide(&owner, &id, "reject").await;
    world.api().ended(&id, 1).await;
}
