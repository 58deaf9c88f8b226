//! Messages that come three times, that are at fault, or that can't be told for a while.

use std::collections::HashSet;
use std::time::Duration;

use contracts::message::Topic;
use harness::api::{assert_end, http};
use harness::eventually::LONG_PATIENCE;
use harness::{Settings, Shape, Story, World, eventually, eventually_within, own};
use outbox::bus::{Heard, Post};
use serde_json::Value;
use xtask::services::{Name, Services};

use crate::load::Load;

const ON_KAFKA: [Shape; 2] = [Shape::Spread, Shape::Joined];

pub(crate) fn stories() -> Vec<Story> {
    let mut stories = own![
        every_message_may_come_three_times,
        a_poisoned_message_stops_nothing
    ];
    let alone = own![
        a_broker_that_is_away_loses_nothing,
        a_broker_that_is_away_at_start_is_waited_for
    ];
    stories.extend(alone.into_iter().map(Story::alone));
    stories
        .into_iter()
        .map(|story| story.only(&ON_KAFKA))
        .collect()
}

/// The topics that services read.
const TOPICS: [Topic; 4] = [
    Topic::Commands,
    Topic::Events,
    Topic::Activity,
    Topic::Access,
];

async fn every_message_may_come_three_times(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    let work = async {
        load.start(&world, 1, 15).await;
        world.api().stop(&load.pipeline, 15, "cancel").await;
        load.has_ended(&world, 15).await
    };
    tokio::select! {
        runs = work => assert_eq!(runs.len(), 15),
        () = say_again(&world) => unreachable!("it goes on for ever"),
    }
    let log = world.api().log(&load.pipeline, 1).await;
    let ones = log.iter().filter(|it| it["message"] == "one").count();
    let starts = log.iter().filter(|it| it["kind"] == "step.started").count();
    assert_eq!((ones, starts), (1, 3), "what comes again is not told again");
    world.finish().await;
}

/// Publishes everything twice more, under the same ids.
async fn say_again(world: &World) {
    let mut reader = world.bus().reader("says-again", &TOPICS).await;
    let mut seen = HashSet::new();
    loop {
        let heard = reader.next(200).await.unwrap();
        let fresh: Vec<Post> = heard
            .into_iter()
            .filter(|it| seen.insert(it.id.clone()))
            .map(post)
            .collect();
        world.bus().publish(fresh.clone()).await;
        world.bus().publish(fresh).await;
        let _ = reader.commit();
    }
}

fn post(heard: Heard) -> Post {
    Post {
        topic: heard.topic,
        key: heard.key,
        id: heard.id,
        kind: heard.kind,
        time_ms: heard.time_ms,
        traceparent: heard.traceparent,
        payload: heard.payload,
        headers: heard.headers,
    }
}

async fn a_poisoned_message_stops_nothing(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 3).await;
    let poison = |topic, id: &str, kind: &str, payload: &'static [u8]| Post {
        topic,
        key: "poison".into(),
        id: id.into(),
        kind: kind.into(),
        time_ms: 1,
        traceparent: None,
        payload: payload.into(),
        headers: Vec::new(),
    };
    let posts = vec![
        poison(
            Topic::Commands,
            "poison-1",
            "penstock.run.requested.v1",
            b"{\"runId\": 7",
        ),
        poison(
            Topic::Commands,
            "poison-2",
            "penstock.run.requested.v1",
            b"\xff\xfe\x00",
        ),
        poison(Topic::Events, "poison-3", "penstock.run.changed.v1", b"[]"),
        poison(
            Topic::Activity,
            "poison-4",
            "penstock.activity.v1",
            b"{\"runId\": \"x\", \"attempt\": 1}",
        ),
        poison(Topic::Commands, "poison-5", "somebody.else.s.v1", b"{}"),
    ];
    world.bus().publish(posts).await;
    load.start(&world, 4, 8).await;
    load.has_succeeded(&world, 8).await;
    eventually_within(
        LONG_PATIENCE,
        "what is at fault is among the dead letters",
        async || {
            let told = world.bus().all(&world).await;
            let dead: HashSet<&str> = told
                .iter()
                .filter(|it| it.topic == Topic::DeadLetters.name())
                .map(|it| it.id.as_str())
                .collect();
            ["poison-1", "poison-2", "poison-3", "poison-4"]
                .iter()
                .all(|it| dead.contains(it))
                .then_some(())
        },
    )
    .await;
    world.finish().await;
}

/// How long what all stand on is away.
fn outage() -> Duration {
    Duration::from_secs(if harness::variable("TEST_ALL").is_some() {
        60
    } else {
        20
    })
}

fn services() -> Services {
    Services::at(harness::variable("TEST_SERVICES").unwrap())
}

async fn a_broker_that_is_away_loses_nothing(shape: Shape) {
    let world = World::start(Settings::of(shape).lease("15s")).await;
    let api = world.api();
    let load = Load::of(&world).await;
    let talk = format!(
        "- {{id: talk, run: 'for i in $(seq 1 {}); do echo line $i; sleep 0.1; done'}}",
        outage().as_secs() * 10
    );
    let talking = api.define_steps("talking", &talk).await;
    api.start(&talking).await;
    api.step_is(&talking, 1, "talk", "running").await;
    load.start(&world, 1, 5).await;
    tokio::task::spawn_blocking(|| services().stop(Name::Kafka))
        .await
        .unwrap()
        .unwrap();
    // Runs are accepted and stopped without the broker.
    load.start(&world, 6, 10).await;
    world.api().stop(&load.pipeline, 10, "cancel").await;
    tokio::time::sleep(outage()).await;
    assert!(impaired(&world).await["bus"].is_string());
    tokio::task::spawn_blocking(|| services().start(Name::Kafka))
        .await
        .unwrap()
        .unwrap();
    load.has_ended(&world, 10).await;
    let run = api.ended_at_last(&talking, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "no step is cut: {run:#}");
    let lines = u64::try_from(api.output(&talking, 1).await.len()).unwrap();
    assert_eq!(lines, outage().as_secs() * 10);
    eventually("the bus is no longer impaired", async || {
        let impaired = impaired(&world).await;
        impaired.as_object()?.is_empty().then_some(())
    })
    .await;
    world.finish().await;
}

/// What the process of the scheduler says is impaired; it is ready all the same.
async fn impaired(world: &World) -> Value {
    let url = world.url_of(world.server("scheduler"));
    let url = format!("{}/readyz", url.expect("the process has an address"));
    let answer = http().get(url).send().await.expect("it answers");
    assert_eq!(answer.status(), 200);
    let said: Value = answer.json().await.expect("it says what it misses");
    said["impaired"].clone()
}

async fn a_broker_that_is_away_at_start_is_waited_for(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 3).await;
    for server in world.servers() {
        server.kill();
    }
    tokio::task::spawn_blocking(|| services().stop(Name::Kafka))
        .await
        .unwrap()
        .unwrap();
    for server in world.servers() {
        world.start_only(server);
    }
    crate::stores::is_missing(&world, "bus").await;
    tokio::task::spawn_blocking(|| services().start(Name::Kafka))
        .await
        .unwrap()
        .unwrap();
    world.ready().await;
    load.has_succeeded(&world, 3).await;
    world.finish().await;
}
