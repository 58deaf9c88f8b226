//! What is heard twice, too late, or of a stop.

use contracts::message::RunRequested;

use super::*;

#[tokio::test]
async fn a_request_that_comes_again_has_one_effect() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        let second = RunRequested {
            attempt: 2,
            ..run(1)
        };
        for (message, identity) in [
            (&second, "b"),
            (&run(1), "a"),
            (&second, "b"),
            (&second, "c"),
        ] {
            world.tell(message, identity).await;
        }
        world.request(run(2)).await;
        let given = [executor.assigned().await, executor.assigned().await];
        let given = given.map(|it| (it.run_id, it.attempt));
        assert_eq!(given, [(id(1), 2), (id(2), 1)], "the later attempt, once");
        executor.ends(&id(1), 2, false).await;
        world
            .until("its slot is free", async || {
                world.busy("one").await == Some(1)
            })
            .await;
        // The same message once more, and behind it one that is new.
        world.tell(&second, "b").await;
        world.request(run(3)).await;
        assert_eq!(executor.assigned().await.run_id, id(3));
        assert!(world.explain(&id(1)).await.unknown);
    }
}

#[tokio::test]
async fn a_stop_reaches_the_executor_that_has_the_run_at_once() {
    for world in World::each(LONG).await {
        let other = world.another();
        let mut executor = Executor::hello(&other, "one", 1, 8).await.unwrap();
        world.request(run(1)).await;
        executor.assigned().await;
        world.tell(&stop(1, StopMode::Cancel), "stop").await;
        let Some(Says::Stop(stopped)) = executor.told().await else {
            panic!("no stop");
        };
        assert_eq!(
            (stopped.run_id.as_str(), stopped.mode()),
            (id(1).as_str(), StopMode::Cancel)
        );
    }
}

#[tokio::test]
async fn a_stop_that_was_missed_comes_with_the_next_renewal() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        world.request(run(1)).await;
        executor.assigned().await;
        let stopped = contracts::pipeline::AttemptTruth {
            attempt: Some(contracts::pipeline::Attempt {
                run_id: id(1),
                attempt: 1,
            }),
            current: true,
            live: true,
            stop: StopMode::Graceful.into(),
            ..Default::default()
        };
        world.pipeline.knows(stopped);
        let told = executor.renewed(&[(id(1), 1)]).await;
        let Some(Says::Stop(stopped)) = told.first() else {
            panic!("{told:?}");
        };
        assert_eq!(stopped.mode(), StopMode::Graceful);
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_before_anyone_has_it_is_given_to_nobody() {
    for world in World::each(LONG).await {
        world.request(run(1)).await;
        world.tell(&stop(1, StopMode::Graceful), "stop").await;
        // What pipeline says of it after the stop.
        world.tell(&changed(1, RunState::Cancelled), "ended").await;
        world
            .until("it leaves the queue", async || {
                world.explain(&id(1)).await.unknown
            })
            .await;
        world.request(run(2)).await;
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 8)
            .await
            .unwrap();
        assert_eq!(executor.assigned().await.run_id, id(2));
    }
}

#[tokio::test]
async fn an_ended_run_keeps_its_slot_until_its_executor_is_through() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 1)
            .await
            .unwrap();
        world.request(run(1)).await;
        executor.assigned().await;
        world.tell(&changed(1, RunState::Succeeded), "ended").await;
        world.request(run(2)).await;
        assert_eq!(executor.renewed(&[(id(1), 1)]).await, []);
        assert_eq!(world.explain(&id(2)).await.queue_place, 1);
        executor.ends(&id(1), 1, false).await;
        assert_eq!(executor.assigned().await.run_id, id(2));
    }
}

#[tokio::test]
async fn an_assignment_that_was_not_heard_is_told_again() {
    for world in World::each(LONG).await {
        let mut executor = Executor::hello(&world.scheduler, "one", 1, 1)
            .await
            .unwrap();
        world.request(run(1)).await;
        executor.assigned().await;
        let told = executor.renewed(&[]).await;
        let Some(Says::Assignment(again)) = told.first() else {
            panic!("{told:?}");
        };
        assert_eq!((again.run_id.as_str(), again.attempt), (id(1).as_str(), 1));
    }
}
