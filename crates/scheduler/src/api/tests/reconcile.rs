//! What is put right although no message said so.

use std::time::Duration;

use contracts::message::RunRequested;
use contracts::pipeline::{Attempt, AttemptTruth, LiveAttempt, QueuedRun};
use runtime::clock;

use super::*;

#[tokio::test]
async fn runs_that_pipeline_has_queued_and_nobody_told_of_are_given() {
    for world in World::each(LONG).await {
        let queued = |number: u32| QueuedRun {
            run_id: id(number),
            pipeline_id: id(0xA),
            run_count: number.into(),
            attempt: number,
            ..QueuedRun::default()
        };
        world.pipeline.has_queued((1..=3).map(queued).collect());
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        for number in 1..=3 {
            let given = executor.assigned().await;
            assert_eq!((given.run_id, given.attempt), (id(number), number));
        }
        world.pipeline.has_queued(Vec::new());
        assert_eq!(world.busy("one").await, Some(3), "each once");
    }
}

#[tokio::test]
async fn rows_of_runs_that_have_ended_or_wait_leave_the_queue() {
    for world in World::each(LONG).await {
        for number in 1..=3 {
            let truth = AttemptTruth {
                attempt: Some(Attempt {
                    run_id: id(number),
                    attempt: 1,
                }),
                current: number == 3,
                run_ended: number == 1,
                run_waiting: number == 2,
                ..AttemptTruth::default()
            };
            world.pipeline.knows(truth);
            let long_ago = RunRequested {
                requested_at_ms: clock::now_ms() - 60_000,
                ..run(number)
            };
            world.tell(&long_ago, &format!("requested-{number}")).await;
        }
        world
            .until("two of three have left", async || {
                let mut unknown = Vec::new();
                for number in 1..=3 {
                    unknown.push(world.explain(&id(number)).await.unknown);
                }
                unknown == [true, true, false]
            })
            .await;
    }
}

#[tokio::test]
async fn an_attempt_of_an_executor_without_a_lease_is_ended() {
    for world in World::each(Duration::from_millis(500)).await {
        let mut executor = Executor::hello(&world.scheduler, "here", 2, 8)
            .await
            .unwrap();
        let live = |number: u32, executor: &str, boot, age_ms| LiveAttempt {
            run_id: id(number),
            attempt: 1,
            executor: executor.into(),
            boot,
            age_ms,
        };
        world.pipeline.is_over(&id(1));
        world.pipeline.has_live(vec![
            live(1, "nowhere", 1, 60_000),
            live(2, "here", 2, 60_000),
            live(3, "nowhere", 1, 10),
            live(4, "here", 1, 60_000),
        ]);
        let renewing = async {
            loop {
                executor.renewed(&[(id(2), 1)]).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = world.until("both are ended", async || {
            let ends = world.pipeline.ends();
            ends.iter().any(|it| it.0 == id(1)) && ends.iter().any(|it| it.0 == id(4))
        });
        tokio::select! {
            () = renewing => {}
            () = ended => {}
        }
        world.pipeline.has_live(Vec::new());
        let ends = world.pipeline.ends();
        assert!(ends.iter().all(|it| it.2 == AttemptEnd::Lost), "{ends:?}");
        let spared = |it: &(String, u32, AttemptEnd)| it.0 != id(2) && it.0 != id(3);
        assert!(ends.iter().all(spared), "{ends:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_nobody_holds_is_ended_although_its_executor_has_a_lease() {
    for world in World::each(Duration::from_millis(500)).await {
        let mut executor = Executor::hello(&world.scheduler, "here", 2, 8)
            .await
            .unwrap();
        let live = |number: u32| LiveAttempt {
            run_id: id(number),
            attempt: 1,
            executor: "here".into(),
            boot: 2,
            age_ms: 60_000,
        };
        executor.renewed(&[(id(2), 1)]).await;
        world.pipeline.is_over(&id(1));
        world.pipeline.has_live(vec![live(1), live(2)]);
        let renewing = async {
            loop {
                executor.renewed(&[(id(2), 1)]).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = renewing => {}
            () = world.until("it is ended", async || !world.pipeline.ends().is_empty()) => {}
        }
        world.pipeline.has_live(Vec::new());
        let ends = world.pipeline.ends();
        let orphan = |it: &(String, u32, AttemptEnd)| it.0 == id(1) && it.2 == AttemptEnd::Lost;
        assert!(ends.iter().all(orphan), "{ends:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_an_executor_holds_and_nobody_knows_takes_its_slot() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 2)
            .await
            .unwrap();
        executor.renewed(&[(id(1), 1)]).await;
        assert_eq!(world.busy("one").await, Some(1));
        world.request(run(2)).await;
        world.request(run(3)).await;
        assert_eq!(executor.assigned().await.run_id, id(2));
        assert_eq!(executor.renewed(&[(id(1), 1), (id(2), 1)]).await, []);
        assert_eq!(
            world.explain(&id(3)).await.queue_place,
            1,
            "both slots are taken"
        );
    }
}
