//! Following a log to its end.

use super::*;

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
