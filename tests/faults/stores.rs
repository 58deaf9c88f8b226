//! A database that is away.

use std::time::Duration;

use harness::api::{assert_end, http};
use harness::eventually::LONG_PATIENCE;
use harness::{Settings, Shape, Story, World, eventually_within, own};
use xtask::services::{Name, Services};

use crate::load::Load;

pub(crate) fn stories() -> Vec<Story> {
    let alone = own![
        no_step_is_cut_by_an_outage_that_is_shorter_than_the_lease,
        a_database_that_is_away_at_start_is_waited_for,
    ];
    let on_postgres = [Shape::Spread, Shape::Joined];
    alone
        .into_iter()
        .map(|story| story.alone().only(&on_postgres))
        .collect()
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
        tokio::time::sleep(OUTAGE).await;
        tokio::task::spawn_blocking(|| services().start(Name::Postgres))
            .await
            .unwrap()
            .unwrap();
    };
    tokio::join!(meanwhile, outage);
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
