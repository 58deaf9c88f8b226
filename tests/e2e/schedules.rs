//! Schedules: pipelines that run by themselves.

use harness::api::assert_end;
use harness::{Settings, Shape, Story, World, eventually, own, shared};
use serde_json::{Value, json};

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = shared![
        a_schedule_fires_in_its_time_and_says_what_became_of_each_slot,
        a_user_schedules_by_command,
        what_is_wrong_with_a_schedule_is_said,
    ];
    stories.extend(own![schedules_that_follow_make_a_chain_and_a_circle_ends]);
    stories
}

const STEPS: &str = "- {id: one, run: echo one}";

/// Makes a schedule and answers it.
async fn schedule(world: &World, body: Value) -> Value {
    let made = world.api().post("/api/v2/schedules", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json
}

fn path(schedule: &Value, rest: &str) -> String {
    let id = schedule["id"].as_str().expect("an id");
    format!("/api/v2/schedules/{id}{rest}")
}

/// Its slots, the latest first, once they are as `is` says.
async fn slots(
    world: &World,
    schedule: &Value,
    what: &str,
    is: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    let path = path(schedule, "/slots");
    eventually(what, async || {
        let answer = world.api().get(&path).await;
        let slots = answer.json["slots"].as_array().cloned().unwrap_or_default();
        is(&slots).then_some(slots)
    })
    .await
}

fn in_state(slots: &[Value], state: &str) -> usize {
    slots.iter().filter(|it| it["state"] == state).count()
}

async fn a_schedule_fires_in_its_time_and_says_what_became_of_each_slot(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("scheduled", STEPS).await;
    let made = schedule(world, json!({"pipeline": pipeline, "cron": "* * * * * *"})).await;
    assert_eq!(
        (&made["enabled"], &made["overlap"]),
        (&json!(true), &json!("skip"))
    );
    slots(world, &made, "two slots fired", |it| {
        in_state(it, "fired") >= 2
    })
    .await;
    let paused = api
        .post(&path(&made, "/pause"), &json!({"note": "lunch"}))
        .await;
    assert_eq!(paused.json["pauseNote"], "lunch", "{}", paused.text);
    let resumed = api.post(&path(&made, "/resume"), &json!({})).await;
    assert!(resumed.json["next"].is_string(), "{}", resumed.text);
    let paused = api.post(&path(&made, "/pause"), &json!({})).await;
    assert_eq!(paused.status, 200, "{}", paused.text);
    let all = slots(world, &made, "all are settled", |it| {
        in_state(it, "firing") == 0
    })
    .await;
    let fired = all.iter().filter(|it| it["runCount"].is_i64());
    for slot in fired {
        let run = api
            .ended(&pipeline, slot["runCount"].as_i64().unwrap())
            .await;
        assert_end(&run, "succeeded", "completed");
        assert_eq!(run["scheduleNumber"], made["number"], "{run:#}");
    }
    let list = api
        .get(&format!("/api/v2/schedules?pipeline={pipeline}"))
        .await;
    assert_eq!(list.json["schedules"][0]["id"], made["id"], "{}", list.text);
    let preview = api.get(&path(&made, "/preview?count=3")).await;
    assert_eq!(preview.json["slots"].as_array().map(Vec::len), Some(3));
}

async fn a_user_schedules_by_command(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("by-command", STEPS).await;
    let add = [
        "schedule",
        "add",
        &pipeline,
        "--cron",
        "30 4 * * *",
        "--zone",
        "Europe/Bratislava",
    ];
    let said = world.penstock(&add).await;
    assert!(
        said.code == Some(0) && said.out.contains("added, due in"),
        "{said:?}"
    );
    let number = said.out.split_whitespace().nth(1).unwrap().to_owned();
    let list = world.penstock(&["schedule", "list", &pipeline]).await;
    assert!(list.out.contains("30 4 * * *"), "{list:?}");
    let paused = world
        .penstock(&["schedule", "pause", &number, "-m", "away"])
        .await;
    assert!(paused.code == Some(0), "{paused:?}");
    let shown = world.penstock(&["schedule", "show", &number]).await;
    assert!(shown.out.contains("paused: away"), "{shown:?}");
    let preview = world
        .penstock(&["schedule", "preview", &number, "--count", "2"])
        .await;
    assert_eq!(preview.out.lines().count(), 3, "{preview:?}");
    let slots = world.penstock(&["schedule", "slots", &number]).await;
    assert!(slots.out.contains("no slots yet"), "{slots:?}");
    let deleted = world.penstock(&["schedule", "delete", &number]).await;
    assert!(deleted.code == Some(0), "{deleted:?}");
    let gone = world.penstock(&["schedule", "show", &number]).await;
    assert!(
        gone.code != Some(0) && gone.err.contains("there is no schedule"),
        "{gone:?}"
    );
}

async fn what_is_wrong_with_a_schedule_is_said(world: &World) {
    let api = world.api();
    let pipeline = api.define_steps("wrong", STEPS).await;
    for (body, detail) in [
        (json!({"pipeline": pipeline}), "say when it is due"),
        (json!({"pipeline": pipeline, "cron": "x"}), "cron pattern"),
        (
            json!({"pipeline": pipeline, "cron": "0 0 30 2 *"}),
            "never due",
        ),
        (
            json!({"pipeline": pipeline, "cron": "0 0 * * *", "zone": "Mars"}),
            "IANA name",
        ),
        (
            json!({"pipeline": pipeline, "period": 0, "periodUnit": "day", "first": "2030-01-01T00:00:00Z"}),
            "never end",
        ),
        (
            json!({"pipeline": pipeline, "at": "tomorrow"}),
            "is not a time",
        ),
        (
            json!({"pipeline": pipeline, "cron": "0 0 * * *", "after": ["x"]}),
            "only one of",
        ),
    ] {
        let refused = api.post("/api/v2/schedules", &body).await;
        assert_eq!(refused.status, 400, "{body}: {}", refused.text);
        assert!(refused.text.contains(detail), "{body}: {}", refused.text);
    }
    let unknown = json!({"pipeline": "nobody", "cron": "0 0 * * *"});
    let refused = api.post("/api/v2/schedules", &unknown).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    let refused = api.get("/api/v2/schedules/999999").await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    assert_eq!(
        refused.json["type"], "/problems/no-schedule",
        "{}",
        refused.text
    );
}

async fn schedules_that_follow_make_a_chain_and_a_circle_ends(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let api = world.api();
    let first = api.define_steps("first", STEPS).await;
    let second = api.define_steps("second", STEPS).await;
    let third = api.define_steps("third", STEPS).await;
    let to_second = schedule(&world, json!({"pipeline": second, "after": [first]})).await;
    schedule(&world, json!({"pipeline": third, "after": [second]})).await;
    schedule(&world, json!({"pipeline": first, "after": [third]})).await;
    // What somebody starts is followed by nobody unless asked for.
    let by_hand = api.start(&first).await;
    api.ended(&first, by_hand).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    schedule(&world, json!({"pipeline": first, "at": soon.to_string()})).await;
    let all = slots(&world, &to_second, "the circle has ended", |it| {
        it.iter().any(|it| it["reason"] == "cycle")
    })
    .await;
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!(all[1]["state"], "fired", "{all:#?}");
    for (pipeline, count) in [(&first, 3), (&second, 1), (&third, 1)] {
        let run = api.run(pipeline, count).await;
        assert_end(&run, "succeeded", "completed");
        let next = api
            .get(&format!("/api/v2/pipelines/{pipeline}/runs/{}", count + 1))
            .await;
        assert_eq!(next.status, 404, "{}", next.text);
    }
    world.finish().await;
}
