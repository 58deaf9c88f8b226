//! The audit log through its generated client and the bus, on every kind of store.

use std::time::Duration;

use contracts::audit::LatestActivityRequest;
use contracts::message::{
    Actor, AttemptEnd, RunChanged, RunState, SecretChanged, StepChanged, StepState, Topic,
};
use outbox::{Post, Tuning};
use runtime::clock;
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use crate::store::Store;
use crate::testing::{PIPELINE, RUN, World, ask, batch, began, changed, ended, names};

fn requested() -> RunChanged {
    let actor = Some(Actor {
        name: "admin".into(),
        ..Actor::default()
    });
    RunChanged {
        actor,
        ..changed(RunState::Unspecified, RunState::Queued, 0, 0)
    }
}

fn succeeded(last_seq: u64) -> RunChanged {
    changed(RunState::Running, RunState::Succeeded, 1, last_seq)
}

fn latest(limit: u32, console_only: bool) -> LatestActivityRequest {
    let (pipeline_id, run_id) = (PIPELINE.into(), String::new());
    LatestActivityRequest {
        pipeline_id,
        run_id,
        console_only,
        limit,
    }
}

#[tokio::test]
async fn a_run_s_life_and_output_are_told_together_until_its_end() {
    for world in World::each().await {
        world.tell(&requested(), "e1").await;
        world.tell(&began(1), "e2").await;
        let step = StepChanged {
            run_id: RUN.into(),
            pipeline_id: PIPELINE.into(),
            attempt: 1,
            step_id: "build".into(),
            r#try: 1,
            state: StepState::Running.into(),
            at_ms: 1000,
            ..StepChanged::default()
        };
        world.tell(&step, "e3").await;
        world.tell(&batch(1, 1, 3), "a1").await;
        world.tell(&batch(1, 4, 5), "a2").await;
        let done = StepChanged {
            state: StepState::Succeeded.into(),
            at_ms: 1005,
            ..step
        };
        world.tell(&done, "e4").await;
        world.tell(&succeeded(5), "e5").await;
        let entries = world.whole(2).await;
        let order = [
            "run.queued",
            "attempt.began",
            "step.started",
            "1.1",
            "1.2",
            "1.3",
            "1.4",
            "1.5",
            "step.succeeded",
            "run.succeeded",
        ];
        assert_eq!(names(&entries), order);
        let texts: Vec<_> = entries
            .iter()
            .map(|it| &it.entry.as_ref().unwrap().message)
            .collect();
        assert_eq!(texts[0], "run 1 was requested by admin");
        assert_eq!(texts[2], "step build started (try 1)");
        assert_eq!(texts[4], "line 2 of attempt 1");
        assert_eq!(
            world.page("", 1000).await.entries,
            entries,
            "pages of any size say the same"
        );
    }
}

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
async fn a_lost_attempt_comes_before_the_next_and_says_what_is_missing() {
    for world in World::each().await {
        world.tell(&began(1), "e1").await;
        world.tell(&batch(1, 1, 2), "a1").await;
        world.tell(&ended(1, AttemptEnd::Lost, 2), "e2").await;
        world.tell(&batch(2, 1, 2), "a2").await;
        world.tell(&began(2), "e3").await;
        world
            .tell(&changed(RunState::Running, RunState::Succeeded, 2, 2), "e4")
            .await;
        let entries = world.whole(3).await;
        let order = [
            "attempt.began",
            "1.1",
            "1.2",
            "attempt.lost",
            "attempt.began",
            "2.1",
            "2.2",
            "run.succeeded",
        ];
        assert_eq!(names(&entries), order);
        let lost = &entries[3].entry.as_ref().unwrap().message;
        assert!(lost.contains("those after 2, may be missing"), "{lost}");
    }
}

#[tokio::test]
async fn a_log_that_never_becomes_whole_ends_with_a_line_that_says_so() {
    for world in World::each().await {
        world.tell(&batch(1, 1, 2), "a1").await;
        world.tell(&batch(1, 5, 6), "a2").await;
        world.tell(&succeeded(9), "e1").await;
        assert_eq!(names(&world.entries(2).await), ["1.1", "1.2"]);
        assert!(!world.page("", 1000).await.complete);
        grow_older(&world, 11_000).await;
        let page = world.page("", 1000).await;
        let order = [
            "1.1",
            "1.2",
            "log.missing",
            "1.5",
            "1.6",
            "run.succeeded",
            "log.late",
        ];
        assert_eq!(names(&page.entries), order);
        assert!(page.complete);
        let again = world.page(&page.next, 1000).await;
        assert_eq!((again.entries.len(), again.complete), (0, true));

        world.tell(&batch(1, 7, 9), "a3").await;
        let late = loop {
            let late = world.page(&page.next, 1000).await;
            if !late.entries.is_empty() {
                break late;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert!(late.complete);
        assert_eq!(names(&late.entries), ["1.7", "1.8", "1.9"]);
    }
}

/// Makes all that was heard older, once the end and the two batches have been stored.
async fn grow_older(world: &World, by_ms: i64) {
    let count = "SELECT count(*) AS n FROM chunk, run WHERE ended_heard_ms IS NOT NULL";
    loop {
        let reader = world.database.reader();
        let count = sea_orm::Statement::from_string(reader.get_database_backend(), count);
        let row = reader.query_one_raw(count).await.unwrap().unwrap();
        if row.try_get::<i64>("", "n").unwrap() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let tx = world.database.begin().await.unwrap();
    for (table, column) in [
        ("chunk", "stored_ms"),
        ("run", "ended_heard_ms"),
        ("attempt", "ended_heard_ms"),
    ] {
        let sql = format!("UPDATE {table} SET {column} = {column} - {by_ms}");
        tx.execute_unprepared(&sql).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_page_goes_on_from_any_entry_s_cursor() {
    for world in World::each().await {
        world.tell(&requested(), "e1").await;
        world.tell(&batch(1, 1, 20), "a1").await;
        world.tell(&succeeded(20), "e2").await;
        let all = world.whole(1000).await;
        for (number, entry) in all.iter().enumerate() {
            let rest = world.page(&entry.cursor, 1000).await;
            assert_eq!(rest.entries, all[number + 1..], "after {}", entry.cursor);
            assert!(rest.complete);
        }
    }
}

#[tokio::test]
async fn a_step_s_entries_are_found_among_others() {
    for world in World::each().await {
        world.tell(&batch(1, 1, 9), "a1").await;
        world.tell(&succeeded(9), "e1").await;
        world.whole(1000).await;
        let (mut after, mut found) = (String::new(), Vec::new());
        loop {
            let step_id = "even".into();
            let asked = contracts::audit::QueryActivityRequest {
                step_id,
                ..ask(&after, 3)
            };
            let page = world
                .client
                .clone()
                .query_activity(asked)
                .await
                .unwrap()
                .into_inner();
            found.extend(names(&page.entries));
            after = page.next;
            if page.complete {
                break;
            }
        }
        assert_eq!(found, ["1.2", "1.4", "1.6", "1.8"]);
    }
}

#[tokio::test]
async fn an_answer_stays_small_however_long_the_lines() {
    for world in World::each().await {
        for first in 1..=60 {
            let mut one = batch(1, first, first);
            one.entries[0].message = "ä".repeat(32 * 1024);
            world.tell(&one, &format!("a{first}")).await;
        }
        world.tell(&succeeded(60), "e1").await;
        assert_eq!(world.whole(1000).await.len(), 61);
        let page = world.page("", 1000).await;
        assert!(
            (10..40).contains(&page.entries.len()),
            "{}",
            page.entries.len()
        );
    }
}

#[tokio::test]
async fn the_newest_come_first() {
    for world in World::each().await {
        world.tell(&requested(), "e1").await;
        world.tell(&batch(1, 1, 30), "a1").await;
        world.tell(&batch(1, 31, 60), "a2").await;
        world.tell(&succeeded(60), "e2").await;
        world.whole(1000).await;
        let mut client = world.client.clone();
        let answer = client
            .latest_activity(latest(3, false))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(names(&answer.entries), ["run.succeeded", "1.60", "1.59"]);
        let answer = client
            .latest_activity(latest(1000, true))
            .await
            .unwrap()
            .into_inner();
        let expected: Vec<String> = (1..=60).rev().map(|seq| format!("1.{seq}")).collect();
        assert_eq!(names(&answer.entries), expected);
        let other = LatestActivityRequest {
            run_id: "c".repeat(24),
            ..latest(9, false)
        };
        assert_eq!(
            client
                .latest_activity(other)
                .await
                .unwrap()
                .into_inner()
                .entries,
            []
        );
    }
}

#[tokio::test]
async fn bad_requests_are_refused_in_words() {
    for world in World::each().await {
        let mut client = world.client.clone();
        for (asked, said) in [
            (ask("nonsense", 10), "not a cursor"),
            (ask("", 0), "between 1 and 1000"),
            (ask("", 1001), "between 1 and 1000"),
        ] {
            let refused = client.query_activity(asked.clone()).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(said), "{}", refused.message());
            let refused = client.tail_activity(asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
        }
        let nobody = LatestActivityRequest {
            limit: 1,
            ..LatestActivityRequest::default()
        };
        let refused = client.latest_activity(nobody).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn more_followers_than_places_are_refused_until_one_goes() {
    for world in World::each().await {
        let mut client = world.client.clone();
        let mut followers = Vec::new();
        for _ in 0..3 {
            followers.push(
                client
                    .tail_activity(ask("", 10))
                    .await
                    .unwrap()
                    .into_inner(),
            );
        }
        let refused = client.tail_activity(ask("", 10)).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        followers.pop();
        while client.tail_activity(ask("", 10)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_follower_of_a_process_that_ends_is_told_where_to_resume() {
    for world in World::each().await {
        world.tell(&requested(), "e1").await;
        let mut stream = world
            .client
            .clone()
            .tail_activity(ask("", 10))
            .await
            .unwrap()
            .into_inner();
        let page = stream.message().await.unwrap().unwrap();
        world.tasks.drain();
        let last_word = stream.message().await.unwrap_err();
        assert_eq!(last_word.code(), Code::Unavailable);
        assert!(
            last_word.message().contains(&page.next),
            "{}",
            last_word.message()
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
        let store = Store::new(world.database.clone(), Duration::from_secs(3600));
        store.prune(clock::now_ms() + 1).await.unwrap();
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
        let store = Store::new(world.database.clone(), Duration::from_secs(3600));
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
