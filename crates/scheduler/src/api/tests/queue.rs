//! Who goes next, who waits, and how many an executor gets.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::message::{Actor, Caller, RunChanged, RunRequested, Topic, UserActed};
use contracts::scheduler::DrainRequest;
use outbox::Broadcast;
use runtime::clock;

use super::*;

#[tokio::test]
async fn runs_go_by_priority_then_time_then_count() {
    for world in World::each(LONG).await {
        let now_ms = clock::now_ms();
        for (number, priority, at_ms) in [
            (1, 5, -90),
            (2, 0, -50),
            (4, 0, -80),
            (3, 0, -80),
            (5, -1, -10),
        ] {
            let requested = RunRequested {
                priority,
                requested_at_ms: now_ms + at_ms,
                ..run(number)
            };
            world.request(requested).await;
        }
        let order = [5, 3, 4, 2, 1];
        for (place, number) in (1..).zip(order) {
            assert_eq!(world.explain(&id(number)).await.queue_place, place);
        }
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 1)
            .await
            .unwrap();
        for number in order {
            let assignment = executor.assigned().await;
            assert_eq!((assignment.run_id, assignment.attempt), (id(number), 1));
            assert_eq!(world.busy("one").await, Some(1));
            executor.ends(&id(number), 1, false).await;
        }
        world
            .until("all slots are free", async || {
                world.busy("one").await == Some(0)
            })
            .await;
    }
}

#[tokio::test]
async fn a_pipeline_s_runs_wait_for_its_places_and_others_pass_by() {
    for world in World::each(LONG).await {
        for number in 1..=3 {
            let concurrency = u32::from(number < 3);
            let requested = RunRequested {
                concurrency,
                pipeline_id: id(0xB - concurrency),
                ..run(number)
            };
            world.request(requested).await;
        }
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        let first = [
            executor.assigned().await.run_id,
            executor.assigned().await.run_id,
        ];
        assert_eq!(BTreeSet::from(first), BTreeSet::from([id(1), id(3)]));
        executor.ends(&id(1), 1, false).await;
        assert_eq!(executor.assigned().await.run_id, id(2));
    }
}

#[tokio::test]
async fn a_run_that_found_no_place_goes_again_when_one_is_free() {
    for world in World::each(LONG).await {
        world.request(run(1)).await;
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        assert_eq!(executor.assigned().await.run_id, id(1));
        executor.ends(&id(1), 1, true).await;
        world
            .until("its slot is free", async || {
                world.busy("one").await == Some(0)
            })
            .await;
        assert!(
            !world.explain(&id(1)).await.unknown,
            "it keeps its place in the queue"
        );
        world.tell(&changed(2, RunState::Succeeded), "ended").await;
        let again = executor.assigned().await;
        assert_eq!((again.run_id, again.attempt), (id(1), 1));
    }
}

#[tokio::test]
async fn a_run_that_waits_for_another_pipeline_goes_again_when_a_run_of_that_ends() {
    let (own, other) = (id(0xA), id(0xC));
    for world in World::each(LONG).await {
        for number in 1..=20 {
            world.request(run(number)).await;
        }
        let requested = RunRequested {
            pipeline_id: id(0xB),
            ..run(21)
        };
        world.request(requested).await;
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 2)
            .await
            .unwrap();
        for number in [1, 2] {
            assert_eq!(executor.assigned().await.run_id, id(number));
        }
        executor.waits_for(&id(1), &other).await;
        executor.waits_for(&id(2), &other).await;
        assert_eq!(
            executor.assigned().await.run_id,
            id(21),
            "those of its pipeline after it wait too"
        );
        let ended = RunChanged {
            pipeline_id: other.clone(),
            ..changed(30, RunState::Succeeded)
        };
        world.tell(&ended, "ended").await;
        let again = executor.assigned().await;
        assert_eq!((again.run_id, again.attempt), (id(1), 1), "of {own}");
    }
}

#[tokio::test]
async fn two_schedulers_never_give_more_than_there_are_slots_and_no_run_twice() {
    const RUNS: u32 = 60;
    const SLOTS: u32 = 3;
    for world in World::each(LONG).await {
        let other = world.another();
        let first = Executor::hello(&world.scheduler, "one", 1, SLOTS)
            .await
            .unwrap();
        let second = Executor::hello(&other, "two", 1, SLOTS).await.unwrap();
        // An executor that came back, and whose stream to the first scheduler has not ended yet.
        let third = Executor::hello(&other, "one", 1, SLOTS).await.unwrap();
        for number in 1..=RUNS {
            world
                .tell(&run(number), &format!("requested-{number}"))
                .await;
        }
        let (seen, notes) = tokio::sync::mpsc::unbounded_channel();
        let works = [("one", first), ("two", second), ("one", third)]
            .map(|(name, executor)| work_off(&world, name, executor, seen.clone()));
        let noted = note_all(notes, RUNS);
        tokio::select! {
            _ = futures::future::join_all(works) => panic!("streams ended"),
            noted = noted => assert_eq!(noted, (1..=RUNS).map(id).collect()),
        }
    }
}

/// Ends each run after having looked whether its executor has too many.
async fn work_off(
    world: &World,
    name: &str,
    mut executor: Executor,
    seen: tokio::sync::mpsc::UnboundedSender<String>,
) {
    while let Some(says) = executor.told().await {
        let Says::Assignment(assignment) = says else {
            continue;
        };
        // Panics over an executor with more than its slots.
        world.busy(name).await;
        seen.send(assignment.run_id.clone()).unwrap();
        executor
            .ends(&assignment.run_id, assignment.attempt, false)
            .await;
    }
}

/// The runs that were given, until there are `count`; each once.
async fn note_all(
    mut seen: tokio::sync::mpsc::UnboundedReceiver<String>,
    count: u32,
) -> BTreeSet<String> {
    let mut noted = BTreeSet::new();
    while noted.len() < count as usize {
        let next = tokio::time::timeout(Duration::from_secs(30), seen.recv()).await;
        let run_id = next.expect("a run was not given").unwrap();
        assert!(noted.insert(run_id.clone()), "{run_id} was given twice");
    }
    noted
}

#[tokio::test]
async fn an_executor_that_says_it_drains_gets_nothing_more() {
    for world in World::each(LONG).await {
        let mut leaving = Executor::hello(&world.scheduler, "leaving", 1, 2)
            .await
            .unwrap();
        leaving.drains().await;
        assert_eq!(leaving.renewed(&[]).await, []);
        world.request(run(1)).await;
        let mut other = Executor::hello(&world.scheduler, "other", 1, 1)
            .await
            .unwrap();
        world.request(run(2)).await;
        assert_eq!(other.assigned().await.run_id, id(1));
        assert_eq!(leaving.renewed(&[]).await, []);
        assert_eq!(world.explain(&id(2)).await.queue_place, 1);
    }
}

fn administrator() -> Caller {
    let actor = Actor {
        user_id: "ann".into(),
        ..Actor::default()
    };
    Caller {
        actor: Some(actor),
        account: "a".into(),
        ..Caller::default()
    }
}

/// The next action of a user that is told.
async fn acted(news: &mut Broadcast) -> UserActed {
    loop {
        let heard = news.next().await.unwrap();
        if heard.is::<UserActed>() {
            return heard.decode().unwrap();
        }
    }
}

#[tokio::test]
async fn a_drained_executor_gets_nothing_until_it_may_work_again() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        let mut client = world.scheduler.client.clone();
        let drain = |executor: &str, drain| DrainRequest {
            executor: executor.into(),
            drain,
            caller: Some(administrator()),
        };
        let mut news = world.bus.broadcast(&[Topic::Events]).await.unwrap();
        let refused = client.drain(drain("nobody", true)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
        for _again in 0..2 {
            client.drain(drain("one", true)).await.unwrap();
        }
        world.request(run(1)).await;
        let mut other = Executor::hello(&world.scheduler, "two", 1, 1)
            .await
            .unwrap();
        assert_eq!(
            other.assigned().await.run_id,
            id(1),
            "the other one gets it"
        );
        world.request(run(2)).await;
        // Renewals bring everything that is its own.
        assert_eq!(executor.renewed(&[]).await, []);
        assert_eq!(world.busy("one").await, Some(0));
        let waits = world.explain(&id(2)).await;
        assert_eq!((waits.executors, waits.slots, waits.draining), (1, 1, 1));
        client.drain(drain("one", false)).await.unwrap();
        assert_eq!(executor.assigned().await.run_id, id(2));
        for action in ["drain", "undrain"] {
            let acted = acted(&mut news).await;
            let told = (
                acted.r#type.as_str(),
                acted.action.as_str(),
                acted.target_id.as_str(),
            );
            assert_eq!(told, ("executor", action, "one"), "once a change");
        }
    }
}

#[tokio::test]
async fn a_run_is_explained() {
    for world in World::each(LONG).await {
        assert!(world.explain(&id(9)).await.unknown);
        world.request(run(1)).await;
        world.request(run(2)).await;
        let waits = world.explain(&id(2)).await;
        assert_eq!((waits.queue_place, waits.executors, waits.slots), (2, 0, 0));
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 1)
            .await
            .unwrap();
        executor.assigned().await;
        let held = world.explain(&id(1)).await;
        assert_eq!((held.queue_place, held.executor.as_str()), (0, "one"));
        assert_eq!((held.executors, held.slots, held.busy), (1, 1, 1));
        assert!(held.lease_expires_at_ms > clock::now_ms());
        let waits = world.explain(&id(2)).await;
        assert_eq!((waits.queue_place, waits.executor.as_str()), (1, ""));
    }
}

#[tokio::test]
async fn a_stream_begins_with_a_hello_that_says_who_it_is() {
    for world in World::each(LONG).await {
        for (name, slots) in [("", 1), ("one", 0), ("one", 10_001)] {
            let refused = Executor::hello(&world.scheduler, name, 1, slots).await;
            assert_eq!(refused.err().unwrap().code(), Code::InvalidArgument);
        }
        assert_eq!(world.busy("one").await, None);
    }
}

#[tokio::test]
async fn runs_of_schedules_with_a_priority_go_by_their_order_and_no_more_than_the_limit_at_a_time()
{
    for world in World::each(LONG).await {
        let ordered = |number: u32, order_number: i64| RunRequested {
            order_number,
            ..run(number)
        };
        for number in 1..=7 {
            world
                .request(ordered(number, 1_000_000 - i64::from(number)))
                .await;
        }
        world.request(ordered(8, 0)).await;
        world.request(run(9)).await;
        assert_eq!(world.explain(&id(1)).await.queue_place, 9);
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 20)
            .await
            .unwrap();
        let mut given = Vec::new();
        for _ in 0..7 {
            given.push(executor.assigned().await.run_id);
        }
        // What ignores the limit, what somebody started, and five in their order.
        assert_eq!(given, [8, 9, 7, 6, 5, 4, 3].map(id));
        world.request(run(10)).await;
        assert_eq!(
            executor.assigned().await.run_id,
            id(10),
            "nobody waits behind the limit"
        );
        executor.ends(&id(7), 1, false).await;
        assert_eq!(executor.assigned().await.run_id, id(2));
        assert_eq!(world.explain(&id(1)).await.queue_place, 1);
    }
}
