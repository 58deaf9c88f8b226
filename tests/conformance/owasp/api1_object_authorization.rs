//! API1, broken object level authorization: things of others, named by every name they have.

use harness::{Answer, Story, World, shared};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, one_step};

mod registry;

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        nobody_reaches_a_pipeline_of_another_account_by_any_of_its_names,
        nobody_reaches_a_pipeline_of_another_account_on_the_opsera_face,
        nobody_reaches_a_private_pipeline_of_a_colleague,
        a_child_step_does_not_run_what_its_owner_may_not,
        a_step_does_not_use_tools_and_secrets_of_another_account,
        a_run_is_not_reached_through_another_pipeline,
    ];
    stories.extend(registry::stories());
    stories
}

/// The id of nothing.
const UNKNOWN: &str = "5fd56d90979ee048ee660624";

/// A pipeline of the victim, which has run: its document.
async fn theirs(world: &World, victim: &Person<'_>) -> Value {
    let id = victim
        .defines(&one_step(&world.name("theirs"), "echo theirs-alone"))
        .await;
    let path = format!("/api/v2/pipelines/{id}");
    let started = victim.post(&format!("{path}/runs"), &json!({})).await;
    world.api().accepted(&started);
    ended(victim, &id).await;
    victim.get(&path).await.json
}

async fn ended(whose: &Person<'_>, pipeline: &str) -> Value {
    let path = format!("/api/v2/pipelines/{pipeline}/runs/1");
    harness::eventually("the run has ended", async || {
        let run = whose.get(&path).await.json;
        harness::api::is_ended(&run).then_some(run)
    })
    .await
}

/// Every request that names a pipeline by `{p}`.
fn attacks(p: &str) -> Vec<(Method, String, Value)> {
    let definition = one_step("taken over", "echo mine");
    let nothing = json!({});
    let each = [
        (Method::GET, "", Value::Null),
        (Method::PUT, "", definition),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/stop", nothing.clone()),
        (Method::POST, "/reset", json!({"force": true})),
        (Method::GET, "/runs", Value::Null),
        (Method::POST, "/runs", nothing.clone()),
        (Method::GET, "/runs/1", Value::Null),
        (Method::GET, "/runs/latest", Value::Null),
        (Method::POST, "/runs/1/stop", nothing.clone()),
        (Method::GET, "/runs/1/logs", Value::Null),
        (Method::GET, "/runs/1/explain", Value::Null),
        (Method::POST, "/runs/1/resume", nothing.clone()),
        (Method::POST, "/runs/1/steps/a/approve", nothing.clone()),
        (Method::POST, "/runs/1/steps/a/reject", nothing),
    ];
    let named = |(method, rest, body)| (method, format!("/api/v2/pipelines/{p}{rest}"), body);
    each.map(named).to_vec()
}

async fn nobody_reaches_a_pipeline_of_another_account_by_any_of_its_names(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::of_another_account(world).await;
    let theirs = theirs(world, &victim).await;
    let name = theirs["name"].as_str().unwrap();
    let names = [
        theirs["id"].as_str().unwrap().to_owned(),
        theirs["id"].as_str().unwrap().to_uppercase(),
        theirs["number"].to_string(),
        name.to_owned(),
        format!("name:{name}"),
    ];
    for p in &names {
        for (method, path, body) in attacks(p) {
            let answer = attacker.ask(method.clone(), &path, &body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            assert!(!answer.text.contains("theirs-alone"), "{}", answer.text);
        }
    }
    let path = format!("/api/v2/pipelines/{}", names[0]);
    assert_eq!(victim.get(&path).await.json, theirs, "nothing has changed");
    for list in ["/api/v2/pipelines?limit=1000", "/api/v1/pipeline/pipelines"] {
        let listed = attacker.get(list).await;
        assert!(!listed.text.contains(name), "{list}: {}", listed.text);
    }
}

async fn nobody_reaches_a_pipeline_of_another_account_on_the_opsera_face(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::of_another_account(world).await;
    let theirs = theirs(world, &victim).await;
    let body = json!({"pipelineId": theirs["id"], "runCount": 1, "force": true});
    let unknown = json!({"pipelineId": UNKNOWN, "runCount": 1, "force": true});
    let id = theirs["id"].as_str().unwrap();
    for route in [
        "run", "status", "stop", "reset", "summary", "logs", "approve", "deny", "resume",
    ] {
        let path = format!("/api/v1/pipeline/{route}");
        let told = |answer: Answer| {
            let mut body = answer.json;
            body.as_object_mut().map(|it| it.remove("requestId"));
            let text = body.to_string().replace(id, UNKNOWN);
            (answer.status, text)
        };
        let answer = attacker.post(&path, &body).await;
        let status = answer.status;
        assert!([403, 404].contains(&status), "{route}: {}", answer.text);
        let nothing = attacker.post(&path, &unknown).await;
        assert_eq!(
            told(answer),
            told(nothing),
            "{route}: as if it weren't there"
        );
    }
    let path = format!("/api/v2/pipelines/{}", theirs["id"].as_str().unwrap());
    assert_eq!(victim.get(&path).await.json, theirs, "nothing has changed");
}

async fn nobody_reaches_a_private_pipeline_of_a_colleague(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::member(world, &["site_user"]).await;
    let mut definition = one_step(&world.name("private"), "echo mine");
    definition["visibility"] = json!("private");
    let id = victim.defines(&definition).await;
    let before = victim.get(&format!("/api/v2/pipelines/{id}")).await.json;
    for (method, path, body) in attacks(&id) {
        let answer = attacker.ask(method.clone(), &path, &body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
    }
    let taken = attacker
        .post("/api/v2/pipelines?upsert=true", &definition)
        .await;
    assert!(
        taken.status == 201 || (400..500).contains(&taken.status),
        "it replaces none that it may not: {}",
        taken.text
    );
    assert_eq!(
        victim.get(&format!("/api/v2/pipelines/{id}")).await.json,
        before
    );
}

async fn a_child_step_does_not_run_what_its_owner_may_not(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::of_another_account(world).await;
    let theirs = theirs(world, &victim).await;
    let parent = json!({"name": world.name("parent"), "steps": [
        {"id": "child", "pipeline": theirs["id"]},
    ]});
    let made = attacker.post("/api/v2/pipelines", &parent).await;
    if made.status == 201 {
        let id = made.json["id"].as_str().unwrap();
        let started = attacker
            .post(&format!("/api/v2/pipelines/{id}/runs"), &json!({}))
            .await;
        world.api().accepted(&started);
        let run = ended(&attacker, id).await;
        assert_eq!(run["state"], "failed", "{run:#}");
    } else {
        assert!((400..500).contains(&made.status), "{}", made.text);
    }
    let path = format!("/api/v2/pipelines/{}", theirs["id"].as_str().unwrap());
    assert_eq!(victim.get(&path).await.json["runCount"], 1);
}

async fn a_step_does_not_use_tools_and_secrets_of_another_account(world: &World) {
    let victim = Person::member(world, &["site_administrator"]).await;
    let attacker = Person::of_another_account(world).await;
    let tool = json!({"name": world.name("tool"), "toolIdentifier": "generic-rest",
        "configuration": {"url": "http://127.0.0.1:9", "token": "theirs-alone"}});
    let tool = victim.post("/api/v2/tools", &tool).await.json;
    let tool_id = tool["id"].as_str().unwrap();
    let key = format!("{tool_id}-generic-rest-configuration.token");
    let operation = json!({"start": {"request": {"method": "POST", "path": "/"}}});
    for step in [
        json!({"id": "a", "tool": {"tool": tool_id, "operation": operation}}),
        json!({"id": "a", "secrets": {"K": harness::world::CANARY_NAME}, "run": "echo \"$K\" | wc -c"}),
        json!({"id": "a", "secrets": {"K": key}, "run": "echo \"$K\" | wc -c"}),
    ] {
        let definition = json!({"name": world.name("thief"), "steps": [step]});
        let made = attacker.post("/api/v2/pipelines", &definition).await;
        if made.status != 201 {
            assert_eq!(made.status, 400, "{}", made.text);
            continue;
        }
        let id = made.json["id"].as_str().unwrap();
        let started = attacker
            .post(&format!("/api/v2/pipelines/{id}/runs"), &json!({}))
            .await;
        world.api().accepted(&started);
        let run = ended(&attacker, id).await;
        assert_eq!(run["state"], "failed", "{run:#}");
        assert_eq!(
            run["steps"][0]["exitCode"],
            Value::Null,
            "it never began: {run:#}"
        );
    }
    // A tool of one's own can't refer to another's secret.
    let reference = json!({"name": "Vault Secured Key", "vaultKey": key});
    let own = json!({"name": world.name("own"), "toolIdentifier": "generic-rest",
        "configuration": {"url": "http://127.0.0.1:9", "token": reference}});
    let made = attacker.post("/api/v2/tools", &own).await;
    assert_eq!(made.status, 400, "{}", made.text);
}

async fn a_run_is_not_reached_through_another_pipeline(world: &World) {
    let victim = Person::member(world, &["site_user"]).await;
    let attacker = Person::of_another_account(world).await;
    let theirs = theirs(world, &victim).await;
    let own = attacker
        .defines(&one_step(&world.name("own"), "true"))
        .await;
    let id = theirs["id"].as_str().unwrap();
    let run_id = victim.get(&format!("/api/v2/pipelines/{id}/runs/1")).await;
    let run_id = run_id.json["id"].as_str().unwrap();
    for place in [run_id, "1", "latest", &format!("..%2F..%2F{id}%2Fruns%2F1")] {
        let path = format!("/api/v2/pipelines/{own}/runs/{place}/logs");
        let answer = attacker.get(&path).await;
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {}",
            answer.text
        );
    }
}
