//! Whose a pipeline is and whether it may be run, on the command line.

use harness::{Story, World, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    shared![
        a_locked_pipeline_is_run_by_nobody_until_it_is_unlocked,
        a_copy_of_a_pipeline_counts_its_own_runs_and_can_be_given_away,
    ]
}

const STEPS: &str = "- {id: one, run: echo one}";

async fn a_locked_pipeline_is_run_by_nobody_until_it_is_unlocked(world: &World) {
    let pipeline = world.api().define_steps("locked", STEPS).await;
    let locked = world
        .penstock(&["lock", &pipeline, "--reason", "frozen until Monday"])
        .await;
    assert_eq!(locked.code, Some(0), "{locked:?}");
    let refused = world.penstock(&["run", &pipeline]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("frozen until Monday"), "{refused:?}");
    let unlocked = world.penstock(&["unlock", &pipeline]).await;
    assert_eq!(unlocked.code, Some(0), "{unlocked:?}");
    let run = world.penstock(&["run", &pipeline, "--follow"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

async fn a_copy_of_a_pipeline_counts_its_own_runs_and_can_be_given_away(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("original", STEPS).await;
    api.through(&pipeline).await;
    let name = world.name("copy");
    let copied = world
        .penstock(&["duplicate", &pipeline, &name, "-o", "json"])
        .await;
    let copy: Value = serde_json::from_str(&copied.out).unwrap();
    assert_eq!(
        (&copy["name"], &copy["runCount"]),
        (&json!(name), &json!(0))
    );
    let id = copy["id"].as_str().unwrap();
    let email = format!("{name}@example.org");
    let person = json!({"name": name, "email": email, "roles": ["site_user"]});
    let person = api.post("/api/v2/users", &person).await;
    assert_eq!(person.status, 201, "{}", person.text);
    let given = world.penstock(&["transfer", id, &email]).await;
    assert_eq!(given.code, Some(0), "{given:?}");
    let shown = api.get(&format!("/api/v2/pipelines/{id}")).await;
    assert_eq!(shown.json["owner"]["name"], name, "{}", shown.text);
    let refused = world
        .penstock(&["transfer", id, "nobody@example.org"])
        .await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
}
