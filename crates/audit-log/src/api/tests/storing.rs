//! What is stored of what is told, however it is delivered.

use super::*;

#[tokio::test]
async fn what_is_delivered_again_with_other_borders_is_stored_once() {
    for world in World::each().await {
        let parts = [
            (1, 4),
            (1, 4),
            (3, 7),
            (9, 9),
            (2, 12),
            (1, 12),
            (11, 15),
            (5, 6),
        ];
        for (number, (first, last)) in parts.into_iter().enumerate() {
            world
                .tell(&batch(1, first, last), &format!("a{number}"))
                .await;
        }
        world.tell(&succeeded(15), "e1").await;
        let expected: Vec<String> = (1..=15).map(|seq| format!("1.{seq}")).collect();
        let mut whole = names(&world.whole(4).await);
        assert_eq!(whole.pop().unwrap(), "run.succeeded");
        assert_eq!(whole, expected);
    }
}

#[tokio::test]
async fn an_event_that_comes_twice_is_one_line() {
    for world in World::each().await {
        for id in ["e1", "e1", "e2", "e1"] {
            world.tell(&requested(), id).await;
        }
        world
            .tell(&changed(RunState::Queued, RunState::Cancelled, 0, 0), "e3")
            .await;
        assert_eq!(
            names(&world.whole(10).await),
            ["run.queued", "run.queued", "run.cancelled"]
        );
    }
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_goes_to_dead_letters_and_the_rest_goes_on() {
    for world in World::each().await {
        world.tell(&batch(0, 1, 2), "bad").await;
        let mut garbage = Post::of(&batch(1, 1, 1), "garbage", 0).unwrap();
        garbage.payload = "{\"entries\": 5}".into();
        world.bus.publish(vec![garbage]).await.unwrap();
        world.tell(&SecretChanged::default(), "other").await;
        world.tell(&batch(1, 1, 2), "good").await;
        world.tell(&succeeded(2), "e1").await;
        assert_eq!(
            names(&world.whole(10).await),
            ["1.1", "1.2", "run.succeeded"]
        );
        let mut letters = world
            .bus
            .read("test", &[Topic::DeadLetters], Tuning::Prompt)
            .await
            .unwrap();
        let mut count = 0;
        while count < 2 {
            count += letters.next(10).await.unwrap().len();
        }
    }
}

#[tokio::test]
async fn what_is_too_old_is_removed_and_said_to_be() {
    for world in World::each().await {
        world.tell(&batch(1, 1, 20), "a1").await;
        world.tell(&succeeded(20), "e1").await;
        world.whole(1000).await;
        let store = world.store(Duration::from_hours(1));
        // An hour, and the two days that what is known of runs is kept longer.
        let later_ms = 73 * 3600 * 1000;
        store.prune(clock::now_ms() + later_ms).await.unwrap();
        for table in ["chunk", "life", "run", "attempt"] {
            let reader = world.database.reader();
            let all = format!("SELECT 1 FROM {table}");
            let all = sea_orm::Statement::from_string(reader.get_database_backend(), all);
            assert_eq!(reader.query_all_raw(all).await.unwrap().len(), 0, "{table}");
        }
        // An id of 1970 is older than any retention, one of the far future is not.
        let old = contracts::audit::QueryActivityRequest {
            run_id: "0".repeat(24),
            ..ask("", 9)
        };
        let mut client = world.client.clone();
        let page = client.query_activity(old).await.unwrap().into_inner();
        assert_eq!(
            (names(&page.entries), page.complete),
            (vec!["log.removed".into()], true)
        );
        assert!(
            !world.page("", 10).await.complete,
            "a run of which nothing was heard yet"
        );
    }
}

#[tokio::test]
async fn several_who_store_the_same_at_once_store_it_once() {
    for world in World::each().await {
        let store = world.store(Duration::from_hours(1));
        let writes = (0..8_u64).map(|number| {
            let (store, database) = (store.clone(), world.database.clone());
            async move {
                let tx = database.begin().await.unwrap();
                let key = crate::store::Key {
                    run_id: RUN.into(),
                    attempt: 1,
                };
                let entries = batch(1, 1 + number % 3, 10 + number).entries;
                let log = crate::store::Log {
                    pipeline_id: PIPELINE.into(),
                    entries,
                };
                store
                    .keep_output(&tx, [(key, log)].into(), clock::now_ms())
                    .await
                    .unwrap();
                tx.commit().await.unwrap();
            }
        });
        futures::future::join_all(writes).await;
        world.tell(&succeeded(17), "e1").await;
        let expected: Vec<String> = (1..=17).map(|seq| format!("1.{seq}")).collect();
        assert_eq!(names(&world.whole(5).await)[..17], expected);
    }
}
