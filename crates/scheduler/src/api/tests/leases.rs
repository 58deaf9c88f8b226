//! Leases, boots, and runs that are given back.

use std::time::Duration;

use runtime::database::store_now_ms;
use tokio::time::Instant;

use super::*;

const LEASE: Duration = Duration::from_millis(600);

/// Renews a lease as an executor does, until the stream ends.
async fn keep_alive(mut executor: Executor, holding: Vec<(String, u32)>) {
    loop {
        executor.renew(&holding).await;
        if executor.told().await.is_none() {
            return;
        }
        tokio::time::sleep(LEASE / 6).await;
    }
}

#[tokio::test]
async fn a_silent_executor_loses_its_lease_and_another_goes_on() {
    for world in World::each(LEASE).await {
        let mut silent = Executor::hello(&world.scheduler, "silent", 3, 1)
            .await
            .unwrap();
        world.request(run(1)).await;
        assert_eq!(silent.assigned().await.attempt, 1);
        world
            .until("the lease lapses", async || {
                !world.pipeline.ends().is_empty()
            })
            .await;
        assert_eq!(world.pipeline.ends(), [(id(1), 1, AttemptEnd::Lost)]);
        world
            .until("it is forgotten", async || {
                world.busy("silent").await.is_none()
            })
            .await;
        let mut other = Executor::hello(&world.scheduler, "other", 1, 1)
            .await
            .unwrap();
        let again = other.assigned().await;
        assert_eq!((again.run_id, again.attempt), (id(1), 2));
    }
}

#[tokio::test]
async fn a_run_stays_with_a_silent_executor_while_pipeline_can_t_be_asked() {
    for world in World::each(LEASE).await {
        let mut silent = Executor::hello(&world.scheduler, "silent", 1, 1)
            .await
            .unwrap();
        world.request(run(1)).await;
        silent.assigned().await;
        world.pipeline.goes_away(true);
        lapsed(&world, "silent").await;
        let mut other = Executor::hello(&world.scheduler, "other", 1, 1)
            .await
            .unwrap();
        assert_eq!(other.renewed(&[]).await, [], "only pipeline frees a run");
        world.pipeline.goes_away(false);
        // Until the scheduler looks again, the other one has to live.
        let again = loop {
            other.renew(&[]).await;
            match other.told().await.expect("its stream has ended") {
                Says::Assignment(assignment) => break assignment,
                Says::Renewed(_) => tokio::time::sleep(LEASE / 6).await,
                says @ (Says::Stop(_) | Says::Fence(_)) => panic!("{says:?}"),
            }
        };
        assert_eq!((again.run_id, again.attempt), (id(1), 2));
    }
}

/// Waits until the lease of an executor is over by the store's clock.
async fn lapsed(world: &World, name: &str) {
    world
        .until("the lease is over", async || {
            let now_ms = store_now_ms(world.database.reader()).await.unwrap();
            let store = crate::store::Store::new(world.database.clone());
            let executors = store.executors().await.unwrap();
            let found = executors.iter().find(|it| it.name == name);
            found.is_none_or(|it| it.expires_at_ms < now_ms)
        })
        .await;
}

#[tokio::test]
async fn a_scheduler_that_was_away_waits_one_lease_before_it_takes_a_run() {
    for world in World::each(LEASE).await {
        for (number, name) in [(1, "back"), (2, "gone")] {
            world.request(run(number)).await;
            let mut executor = Executor::hello(&world.scheduler, name, 1, 1).await.unwrap();
            assert_eq!(executor.assigned().await.run_id, id(number));
        }
        world.scheduler.end().await;
        lapsed(&world, "back").await;
        lapsed(&world, "gone").await;
        assert_eq!(world.pipeline.ends(), [], "nobody is there to judge");
        let begun = Instant::now();
        let scheduler = world.another();
        let back = Executor::hello(&scheduler, "back", 1, 1).await.unwrap();
        let alive = keep_alive(back, vec![(id(1), 1)]);
        let judged = world.until("a lease lapses", async || !world.pipeline.ends().is_empty());
        tokio::select! {
            () = alive => panic!("the stream ended"),
            () = judged => {}
        }
        assert!(begun.elapsed() >= LEASE, "after {:?}", begun.elapsed());
        assert_eq!(world.pipeline.ends(), [(id(2), 1, AttemptEnd::Lost)]);
    }
}

#[tokio::test]
async fn a_later_boot_ends_what_the_earlier_one_had_and_shuts_it_out() {
    for world in World::each(LONG).await {
        let mut old = Executor::hello(&world.scheduler, "one", 4, 2)
            .await
            .unwrap();
        world.request(run(1)).await;
        assert_eq!(old.assigned().await.run_id, id(1));
        let mut new = Executor::hello(&world.scheduler, "one", 5, 2)
            .await
            .unwrap();
        assert_eq!(world.pipeline.ends(), [(id(1), 1, AttemptEnd::Lost)]);
        let again = new.assigned().await;
        assert_eq!((again.run_id, again.attempt), (id(1), 2));
        let refused = Executor::hello(&world.scheduler, "one", 4, 2)
            .await
            .err()
            .unwrap();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(
            refused.message().contains("two work directories"),
            "{refused:?}"
        );
        // Its stream ends, and what it says there has no effect.
        old.ends(&id(1), 2, false).await;
        while old.told().await.is_some() {}
        assert_eq!(new.renewed(&[(id(1), 2)]).await, []);
        assert_eq!(world.busy("one").await, Some(1));
    }
}

#[tokio::test]
async fn an_attempt_that_is_over_is_fenced_at_the_next_renewal() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 4)
            .await
            .unwrap();
        let over = contracts::pipeline::AttemptTruth {
            attempt: Some(contracts::pipeline::Attempt {
                run_id: id(1),
                attempt: 1,
            }),
            ..Default::default()
        };
        world.pipeline.knows(over);
        executor.renew(&[(id(1), 1)]).await;
        let fenced = loop {
            match executor.told().await.unwrap() {
                Says::Fence(fence) => break fence.attempt.unwrap(),
                Says::Renewed(_) => {}
                says @ (Says::Assignment(_) | Says::Stop(_)) => panic!("{says:?}"),
            }
        };
        assert_eq!((fenced.run_id, fenced.attempt), (id(1), 1));
    }
}

#[tokio::test]
async fn a_run_that_is_handed_back_goes_on_elsewhere() {
    for world in World::each(LONG).await {
        let mut leaving = Executor::hello(&world.scheduler, "leaving", 1, 1)
            .await
            .unwrap();
        world.request(run(1)).await;
        leaving.assigned().await;
        let mut other = Executor::hello(&world.scheduler, "other", 1, 1)
            .await
            .unwrap();
        other.hands_back(&id(1), 1).await;
        assert_eq!(other.renewed(&[]).await, [], "it was not its own to give");
        assert_eq!(world.pipeline.ends(), []);
        let mut client = world.scheduler.client.clone();
        let drain = contracts::scheduler::DrainRequest {
            executor: "leaving".into(),
            drain: true,
            caller: None,
        };
        client.drain(drain).await.unwrap();
        leaving.hands_back(&id(1), 1).await;
        let again = other.assigned().await;
        assert_eq!((again.run_id, again.attempt), (id(1), 2));
        assert_eq!(world.pipeline.ends(), [(id(1), 1, AttemptEnd::HandedBack)]);
    }
}
