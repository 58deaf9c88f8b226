//! Pages of a run's log, and the newest entries.

use super::*;

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
        let evens: Vec<String> = (1..=30).rev().map(|it| format!("1.{}", 2 * it)).collect();
        let odds: Vec<String> = (0..30)
            .rev()
            .map(|it| format!("1.{}", 2 * it + 1))
            .collect();
        let output = [evens, odds].concat();
        let expected = [vec!["run.succeeded".to_owned()], output.clone()].concat();
        assert_eq!(names(&answer.entries), expected);
        let answer = client
            .latest_activity(latest(1000, true))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(names(&answer.entries), output);
        assert_eq!(answer.next, "");
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
async fn records_are_the_same_however_few_are_asked_for() {
    for world in World::each().await {
        world.tell(&requested(), "e1").await;
        for (number, first) in (1..=5000).step_by(250).enumerate() {
            let id = format!("a{number}");
            world.tell(&batch(1, first, first + 249), &id).await;
        }
        world.tell(&succeeded(5000), "e2").await;
        world.whole(1000).await;
        let mut client = world.client.clone();
        let all = client.latest_activity(latest(1000, false)).await;
        let all = all.unwrap().into_inner();
        assert_eq!((all.entries.len(), all.next.as_str()), (5002, ""));
        let (mut found, mut before) = (Vec::new(), String::new());
        loop {
            let request = LatestActivityRequest {
                before,
                ..latest(7, false)
            };
            let page = client.latest_activity(request).await.unwrap().into_inner();
            found.extend(page.entries);
            before = page.next;
            if before.is_empty() {
                break;
            }
        }
        assert_eq!(found, all.entries);
        let line = all.entries[100].entry.clone().unwrap();
        let first = all.entries[100].record;
        let time_ms = i64::try_from(1000 + first).unwrap();
        let request = LatestActivityRequest {
            before: contracts::id::record_id(RUN, 1, first, time_ms, ""),
            ..latest(1000, false)
        };
        let older = client.latest_activity(request).await.unwrap().into_inner();
        assert!(all.entries.ends_with(&older.entries));
        let newest = older.entries[0].entry.as_ref().unwrap();
        assert!(newest.seq < line.seq && !older.entries.iter().any(|it| it.record == first));
        let records: std::collections::BTreeSet<_> =
            found.iter().map(|it| (it.record, it.chunk)).collect();
        // Two steps in each of forty chunks, and the life-cycle lines.
        assert_eq!(records.len(), 81);
    }
}
