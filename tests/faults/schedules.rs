//! Schedules while services crash and are away: no slot fires twice, and none is lost.

use harness::eventually::LONG_PATIENCE;
use harness::{Settings, Shape, Story, World, eventually_within, own};
use reqwest::Method;
use serde_json::{Value, json};

/// Places between a slot's row, its run and its settling, and whose they are.
const POINTS: [(&str, &str); 4] = [
    ("slots.taken", "scheduler"),
    ("slots.asked", "scheduler"),
    ("slots.settled", "scheduler"),
    ("runs.accepted", "pipeline"),
];

pub(crate) fn stories() -> Vec<Story> {
    let crash = |(point, service): (&'static str, &'static str)| {
        let name = format!(
            "a_slot_has_one_run_after_a_crash_at_{}",
            point.replace('.', "_")
        );
        Story::own(&name, move |shape| Box::pin(a_crash(shape, point, service)))
    };
    let mut stories: Vec<Story> = POINTS.into_iter().map(crash).collect();
    stories.extend(own![slots_that_an_outage_missed_fire_as_their_policies_say]);
    let apart = own![two_schedulers_fire_each_slot_once];
    stories.extend(apart.into_iter().map(|story| story.only(&[Shape::Spread])));
    stories
}

async fn a_crash(shape: Shape, point: &str, service: &str) {
    let world = World::start(Settings::of(shape)).await;
    let pipeline = world.api().define_steps("scheduled", STEPS).await;
    let server = world.server(service);
    server.kill();
    server.set("PENSTOCK_FAULT_POINT", Some(&format!("{point}:2")));
    world.start_only(server);
    let schedule = make(&world, json!({"pipeline": pipeline, "cron": SECONDLY})).await;
    assert!(!server.ended().await.success(), "{}", server.said());
    server.set("PENSTOCK_FAULT_POINT", None);
    world.start_again(server).await;
    let before = slots(&world, &schedule).await.len();
    settled(&world, &schedule, before + 3).await;
    rest(&world).await;
    world.finish().await;
}

async fn slots_that_an_outage_missed_fire_as_their_policies_say(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let pipeline = world.api().define_steps("scheduled", STEPS).await;
    let body = |more: Value| {
        let mut body = json!({"pipeline": pipeline, "cron": SECONDLY, "overlap": "queue"});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        body
    };
    let all = make(&world, body(json!({"catchUpAll": true}))).await;
    let latest = make(&world, body(json!({}))).await;
    make(&world, body(json!({"catchUpMs": 0}))).await;
    for schedule in [&all, &latest] {
        settled(&world, schedule, 1).await;
    }
    let server = world.server("scheduler");
    server.kill();
    let killed_at = std::time::Instant::now();
    eventually_within(LONG_PATIENCE, "some slots have passed", async || {
        (killed_at.elapsed().as_secs() >= 4).then_some(())
    })
    .await;
    world.start_again(server).await;
    for schedule in [&all, &latest] {
        let before = slots(&world, schedule).await.len();
        settled(&world, schedule, before + 2).await;
    }
    rest(&world).await;
    let of_all = slots(&world, &all).await;
    assert_eq!(missed(&of_all), 0, "{of_all:#?}");
    let of_latest = slots(&world, &latest).await;
    assert!(missed(&of_latest) >= 2, "{of_latest:#?}");
    world.finish().await;
}

async fn two_schedulers_fire_each_slot_once(shape: Shape) {
    let world = World::start(Settings::of(shape).schedulers(2)).await;
    let pipeline = world.api().define_steps("scheduled", STEPS).await;
    let mut schedules = Vec::new();
    for _ in 0..20 {
        let body = json!({"pipeline": pipeline, "cron": SECONDLY, "overlap": "queue"});
        schedules.push(make(&world, body).await);
    }
    for schedule in &schedules {
        settled(&world, schedule, 5).await;
    }
    rest(&world).await;
    world.finish().await;
}

const STEPS: &str = "- {id: one, run: echo one}";
const SECONDLY: &str = "* * * * * *";

/// Makes a schedule, however often it takes: who is killed meanwhile may have made one before.
async fn make(world: &World, body: Value) -> Value {
    stubbornly(world, "a schedule is made", "", body).await
}

/// No schedule is due any more, also none that was made by a request whose answer was lost.
async fn rest(world: &World) {
    let schedules = eventually_within(LONG_PATIENCE, "schedules are listed", async || {
        let api = world.api();
        let request = api.request(Method::GET, "/api/v2/schedules?limit=100");
        let answer = api.try_send(request).await?;
        answer.json["schedules"].as_array().cloned()
    })
    .await;
    for schedule in schedules {
        let path = format!("/{}/pause", schedule["id"].as_str().expect("an id"));
        stubbornly(world, "a schedule is paused", &path, json!({})).await;
    }
}

async fn stubbornly(world: &World, what: &str, path: &str, body: Value) -> Value {
    let path = format!("/api/v2/schedules{path}");
    eventually_within(LONG_PATIENCE, what, async || {
        let api = world.api();
        let request = api.request(Method::POST, &path).json(&body);
        let answer = api.try_send(request).await?;
        assert!(
            answer.status < 400 || answer.status >= 500,
            "{}",
            answer.text
        );
        (answer.status < 400).then_some(answer.json)
    })
    .await
}

async fn slots(world: &World, schedule: &Value) -> Vec<Value> {
    let id = schedule["id"].as_str().expect("an id");
    let path = format!("/api/v2/schedules/{id}/slots?limit=1000");
    eventually_within(LONG_PATIENCE, "slots are listed", async || {
        let api = world.api();
        let answer = api.try_send(api.request(Method::GET, &path)).await?;
        answer.json["slots"].as_array().cloned()
    })
    .await
}

/// Waits until so many slots are settled.
async fn settled(world: &World, schedule: &Value, count: usize) {
    eventually_within(LONG_PATIENCE, "slots are settled", async || {
        let slots = slots(world, schedule).await;
        let settled = slots.iter().filter(|it| it["settledAt"].is_string());
        (settled.count() >= count).then_some(())
    })
    .await;
}

/// How many slots were missed.
fn missed(slots: &[Value]) -> i64 {
    let missed = slots.iter().filter(|it| it["reason"] == "missed");
    missed.filter_map(|it| it["count"].as_i64()).sum()
}
