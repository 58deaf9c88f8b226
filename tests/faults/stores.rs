//! A database that is away, and a disk that is full.

use std::time::Duration;

use std::collections::BTreeSet;

use harness::api::{assert_end, http};
use harness::eventually::LONG_PATIENCE;
use harness::world::SmallDisk;
use harness::{Answer, Settings, Shape, Story, World, eventually, eventually_within, own};
use reqwest::Method;
use serde_json::{Value, json};
use xtask::services::{Name, Services};

use crate::load::Load;

pub(crate) fn stories() -> Vec<Story> {
    let alone = own![
        no_step_is_cut_by_an_outage_that_is_shorter_than_the_lease,
        a_database_that_is_away_at_start_is_waited_for,
    ];
    let on_postgres = [Shape::Spread, Shape::Joined];
    let alone = alone
        .into_iter()
        .map(|story| story.alone().only(&on_postgres));
    let embedded = own![a_full_disk_refuses_and_loses_nothing_and_all_goes_on_once_there_is_room];
    let embedded = embedded
        .into_iter()
        .map(|story| story.only(&[Shape::Embedded]));
    alone.chain(embedded).collect()
}

const OUTAGE: Duration = Duration::from_secs(20);

fn services() -> Services {
    Services::at(harness::variable("TEST_SERVICES").unwrap())
}

async fn no_step_is_cut_by_an_outage_that_is_shorter_than_the_lease(shape: Shape) {
    let world = World::start(Settings::of(shape).lease("60s")).await;
    let api = world.api();
    let load = Load::of(&world).await;
    let steps = "- {id: long, run: 'sleep 25; echo done'}\n- {id: after, run: echo after}";
    let long = api.define_steps("long", steps).await;
    api.start(&long).await;
    api.step_is(&long, 1, "long", "running").await;
    load.start(&world, 1, 5).await;
    tokio::task::spawn_blocking(|| services().stop(Name::Postgres))
        .await
        .unwrap()
        .unwrap();
    let meanwhile = async {
        load.start(&world, 6, 10).await;
    };
    let outage = async {
        is_missing(&world, "scheduler store").await;
        tokio::time::sleep(OUTAGE).await;
        tokio::task::spawn_blocking(|| services().start(Name::Postgres))
            .await
            .unwrap()
            .unwrap();
    };
    tokio::join!(meanwhile, outage);
    world.ready().await;
    load.has_succeeded(&world, 10).await;
    let run = api.ended_at_last(&long, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "{run:#}");
    world.finish().await;
}

async fn a_database_that_is_away_at_start_is_waited_for(shape: Shape) {
    let world = World::start(Settings::of(shape)).await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 3).await;
    for server in world.servers() {
        server.kill();
    }
    tokio::task::spawn_blocking(|| services().stop(Name::Postgres))
        .await
        .unwrap()
        .unwrap();
    for server in world.servers() {
        world.start_only(server);
    }
    is_missing(&world, "store").await;
    tokio::task::spawn_blocking(|| services().start(Name::Postgres))
        .await
        .unwrap()
        .unwrap();
    world.ready().await;
    load.has_succeeded(&world, 3).await;
    world.finish().await;
}

async fn a_full_disk_refuses_and_loses_nothing_and_all_goes_on_once_there_is_room(shape: Shape) {
    if !SmallDisk::is_possible() {
        return;
    }
    let settings = Settings::of(shape).lease("60s").small_disk(48);
    let world = World::start(settings).await;
    let (api, gate) = (world.api(), world.gate());
    let steps = format!(
        "- {{id: wait, run: '{}; echo through'}}\n- {{id: after, run: echo after}}",
        gate.pass()
    );
    let running = api.define_steps("running", &steps).await;
    api.start(&running).await;
    api.step_is(&running, 1, "wait", "running").await;
    let load = Load::of(&world).await;
    load.start(&world, 1, 3).await;
    load.has_succeeded(&world, 3).await;

    world.disk().fill();
    is_missing(&world, "the disk under").await;
    let defined = define_until_refused(&world).await;
    let known = names(&world).await;
    assert!(defined.is_subset(&known), "what was accepted is there");
    let run = api.run(&running, 1).await;
    assert_eq!(run["state"], "running", "{run:#}");

    world.disk().empty();
    world.ready().await;
    eventually("a request is accepted again", async || {
        let answer = define_large(&world, "roomy").await;
        (answer.status == 201).then_some(())
    })
    .await;
    gate.open();
    let run = api.ended_at_last(&running, 1).await;
    assert_end(&run, "succeeded", "completed");
    assert_eq!(run["attempt"], 1, "{run:#}");
    assert_eq!(api.output(&running, 1).await, ["through", "after"]);
    load.start(&world, 4, 10).await;
    load.has_succeeded(&world, 10).await;
    assert!(defined.is_subset(&names(&world).await));
    world.finish().await;
}

/// Makes large pipelines until the disk takes none. Answers the names of those that were accepted;
/// one that was refused is not there.
async fn define_until_refused(world: &World) -> BTreeSet<String> {
    let mut defined = BTreeSet::new();
    let mut refused = BTreeSet::new();
    // What was written before leaves room in the stores' files, so it takes a few.
    while refused.len() < 5 {
        let name = world.name("large");
        let answer = define_large(world, &name).await;
        match answer.status {
            201 => assert!(
                defined.insert(name) && defined.len() < 200,
                "it is never full"
            ),
            507 => {
                assert_eq!(
                    answer.json["type"], "/problems/disk-full",
                    "{}",
                    answer.text
                );
                let detail = answer.json["detail"].as_str().unwrap_or_default();
                assert!(detail.contains("data directory is full"), "{detail}");
                refused.insert(name);
            }
            _ => panic!("{}: {}", answer.status, answer.text),
        }
    }
    let known = names(world).await;
    assert!(refused.is_disjoint(&known), "what was refused is not there");
    defined
}

async fn define_large(world: &World, name: &str) -> Answer {
    let script = format!("true {}", "x".repeat(100_000));
    let step = |number: u32| json!({"id": format!("step-{number}"), "run": script});
    let steps: Vec<Value> = (1..=4).map(step).collect();
    let body = json!({"name": name, "steps": steps});
    let api = world.api();
    let request = api.request(Method::POST, "/api/v2/pipelines").json(&body);
    api.send(request).await
}

/// The names of all pipelines.
async fn names(world: &World) -> BTreeSet<String> {
    let answer = world.api().get("/api/v2/pipelines?limit=1000").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let pipelines = answer.json["pipelines"].as_array().cloned();
    let name = |it: Value| it["name"].as_str().unwrap_or_default().to_owned();
    pipelines
        .unwrap_or_default()
        .into_iter()
        .map(name)
        .collect()
}

/// Waits until the process of the scheduler lives and says that it misses something.
pub(crate) async fn is_missing(world: &World, what: &str) {
    let server = world.server("scheduler");
    eventually_within(LONG_PATIENCE, "it says what it misses", async || {
        assert!(server.is_running(), "it doesn't give up: {}", server.said());
        let url = world.url_of(server)?;
        let answer = http().get(format!("{url}/readyz")).send().await.ok()?;
        let live = http().get(format!("{url}/livez")).send().await.ok()?;
        let (status, text) = (answer.status(), answer.text().await.ok()?);
        (status == 503 && live.status() == 200 && text.contains(what)).then_some(())
    })
    .await;
}
