//! Schedules: when they fire, how often, and what their slots say.

mod edits;
mod follow;

use std::collections::HashSet;

use contracts::message::RunState;
use contracts::scheduler::{OverlapPolicy, ScheduleSpec, SkipReason, SlotState};
use runtime::clock;
use sea_orm::ConnectionTrait as _;
use tonic::Code;

use crate::testing::{LONG, World, id, minutely, secondly};

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn a_schedule_fires_in_its_time_and_its_slots_say_so() {
    for world in World::each(LONG).await {
        let schedule = world.scheduler.create(0xA, secondly()).await.unwrap();
        assert_eq!((schedule.number, schedule.pipeline_number), (1, 0xA));
        let slots = world.has_slots(&schedule, SlotState::Fired, 2).await;
        for slot in &slots {
            assert_eq!(slot.slot_ms % 1000, 0);
            assert_eq!((slot.count, slot.until_ms), (1, slot.slot_ms));
            assert!(
                slot.settled_at_ms >= slot.slot_ms && !slot.run_id.is_empty(),
                "{slot:?}"
            );
        }
        let starts = world.pipeline.starts();
        let of: Vec<_> = starts.iter().map(|it| it.schedule_number).collect();
        assert!(of.iter().all(|it| *it == 1) && starts[0].order_number == 1);
        assert!(
            starts[0].unless_active,
            "a slot of time is skipped unless said"
        );
        let shown = world.scheduler.read(&schedule).await.unwrap();
        assert!(shown.next_ms > Some(slots[0].slot_ms));
        assert!(shown.spec.unwrap().last_ms >= Some(slots[0].slot_ms));
    }
}

#[tokio::test]
async fn two_schedulers_never_fire_a_slot_twice() {
    for world in World::each(LONG).await {
        let (second, third) = (world.another(), world.another());
        let mut schedules = Vec::new();
        for number in 0..20 {
            let at = [&world.scheduler, &second, &third][number % 3];
            schedules.push(at.create(0xA, secondly()).await.unwrap());
        }
        for schedule in &schedules {
            world.has_slots(schedule, SlotState::Fired, 3).await;
        }
        let starts = world.pipeline.starts();
        let slots: HashSet<_> = starts
            .iter()
            .map(|it| (&it.schedule_id, &it.slot))
            .collect();
        assert_eq!(slots.len(), starts.len(), "one run a slot");
        assert_eq!(
            world.pipeline.asked_for(),
            starts.len(),
            "and asked for once"
        );
        for schedule in &schedules {
            let rows = world.scheduler.slots(schedule).await;
            let times: Vec<_> = rows.iter().rev().map(|it| it.slot_ms).collect();
            let each_second = times.windows(2).all(|it| it[1] == it[0] + 1000);
            assert!(each_second, "I6: every slot has its row: {times:?}");
        }
    }
}

#[tokio::test]
async fn what_was_missed_fires_as_the_policy_says_and_the_rest_is_one_row() {
    for world in World::each(LONG).await {
        let now_ms = clock::now_ms();
        // Ten slots, a minute apart, the last of them half a minute ago.
        let first_ms = now_ms - 570_000;
        let cases = [
            (None, false, 1, Some(9)),
            (Some(165_000), true, 3, Some(7)),
            (Some(10_000), false, 0, None),
        ];
        for (catch_up_ms, catch_up_all, fires, missed) in cases {
            let spec = ScheduleSpec {
                catch_up_ms,
                catch_up_all,
                overlap: OverlapPolicy::Queue.into(),
                last_ms: Some(first_ms - 60_000),
                ..minutely(first_ms)
            };
            let schedule = world.scheduler.create(0xA, spec).await.unwrap();
            if fires == 0 {
                // Made anew it has only what is to come: a strict schedule.
                assert!(schedule.next_ms > Some(now_ms), "{schedule:?}");
                continue;
            }
            world
                .until("what was missed has fired", async || {
                    let slots = world.scheduler.slots(&schedule).await;
                    let settled = slots.iter().filter(|it| !it.run_id.is_empty());
                    settled.count() == fires
                })
                .await;
            let slots = world.scheduler.slots(&schedule).await;
            let skipped: u32 = slots
                .iter()
                .filter(|it| it.reason() == SkipReason::Missed)
                .map(|it| it.count)
                .sum();
            let made = u32::try_from(fires).unwrap() + skipped;
            if catch_up_ms.is_none() {
                assert_eq!((Some(skipped), made), (missed, 10), "{slots:?}");
            }
            let late = slots.iter().filter(|it| it.state() == SlotState::Late);
            assert_eq!(late.count(), fires.saturating_sub(1), "{slots:?}");
        }
    }
}

#[tokio::test]
async fn a_slot_is_skipped_while_a_run_has_not_ended_or_waits_for_its_end() {
    for world in World::each(LONG).await {
        let now_ms = clock::now_ms();
        world.pipeline.is_active(&id(0xA), true);
        let skips = world.scheduler.create(0xA, minutely(now_ms)).await.unwrap();
        let waits = ScheduleSpec {
            overlap: OverlapPolicy::Wait.into(),
            ..minutely(now_ms - HOUR)
        };
        let waits = world.scheduler.create(0xA, waits).await.unwrap();
        let skipped = world.has_slots(&skips, SlotState::Skipped, 1).await;
        assert_eq!(skipped[0].reason(), SkipReason::Overlap);
        assert!(skipped[0].message.contains("not ended"), "{skipped:?}");
        world.has_slots(&waits, SlotState::Waiting, 1).await;
        let shown = world.scheduler.read(&waits).await.unwrap();
        assert!(
            shown.waits && shown.next_ms <= Some(clock::now_ms()),
            "{shown:?}"
        );
        assert!(world.pipeline.accepted().is_empty());

        world.pipeline.is_active(&id(0xA), false);
        world
            .tell(&crate::testing::changed(1, RunState::Failed), "ended")
            .await;
        world
            .until("it has fired", async || {
                world.pipeline.accepted().len() == 1
            })
            .await;
        world
            .until("it goes on", async || {
                let shown = world.scheduler.read(&waits).await.unwrap();
                !shown.waits && shown.next_ms > Some(clock::now_ms() - 1000)
            })
            .await;
        let its = world.scheduler.slots(&waits).await;
        let fired = its.iter().filter(|it| !it.run_id.is_empty()).count();
        assert_eq!(fired, 1, "once as soon as it is free: {its:?}");
    }
}

#[tokio::test]
async fn a_slot_is_late_while_nobody_can_start_its_run_and_says_why_one_is_refused() {
    for world in World::each(LONG).await {
        world.pipeline.goes_away(false);
        let spec = ScheduleSpec {
            just_once: true,
            ..minutely(clock::now_ms() + 300)
        };
        let once = world.scheduler.create(0xA, spec).await.unwrap();
        world.pipeline.goes_away(true);
        // Whoever asks for its run is told that nobody is there, so it stays as it is.
        world
            .until("it is being fired", async || {
                let slots = crate::store::Store::new(world.database.clone());
                !slots
                    .slots(&once.id, i64::MAX, 10)
                    .await
                    .unwrap()
                    .is_empty()
            })
            .await;
        world.pipeline.goes_away(false);
        world.has_slots(&once, SlotState::Fired, 1).await;
        let over = world.scheduler.read(&once).await.unwrap();
        assert_eq!(
            (over.next_ms, over.spec.unwrap().enabled),
            (None, false),
            "just once"
        );

        world
            .pipeline
            .refuses(Some("pipeline \"x\" has no enabled step to run"));
        let refused = world.scheduler.create(0xA, secondly()).await.unwrap();
        let slots = world.has_slots(&refused, SlotState::Skipped, 1).await;
        assert_eq!(slots[0].reason(), SkipReason::Refused);
        assert!(slots[0].message.contains("no enabled step"), "{slots:?}");
    }
}

#[tokio::test]
async fn a_slot_that_was_left_between_its_row_and_its_run_is_finished_by_another() {
    for world in World::each(LONG).await {
        let schedule = world.scheduler.create(0xA, secondly()).await.unwrap();
        world.has_slots(&schedule, SlotState::Fired, 1).await;
        let paused = world.scheduler.pause(&schedule, "").await;
        assert_eq!(paused.next_ms, None);
        // As a crash before the answer leaves it: the run was accepted, and the row doesn't know.
        let before = world.scheduler.slots(&schedule).await;
        let store = crate::store::Store::new(world.database.clone());
        let tx = world.database.begin().await.unwrap();
        let sql = "UPDATE slot SET state = 'firing', run_id = NULL, run_count = NULL, \
                   settled_at_ms = NULL, try_at_ms = 0";
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
        world
            .has_slots(&schedule, SlotState::Fired, before.len())
            .await;
        let after = store.slots(&schedule.id, i64::MAX, 100).await.unwrap();
        assert!(
            after
                .iter()
                .zip(&before)
                .all(|(a, b)| a.run_id.as_ref() == Some(&b.run_id))
        );
        assert_eq!(world.pipeline.accepted().len(), before.len(), "no run more");
    }
}

#[tokio::test]
async fn a_slot_whose_schedule_was_deleted_says_whether_its_run_was_accepted() {
    for world in World::each(LONG).await {
        let schedule = world.scheduler.create(0xA, secondly()).await.unwrap();
        world.has_slots(&schedule, SlotState::Fired, 1).await;
        world.scheduler.pause(&schedule, "").await;
        // As a crash before the answer leaves it, and beside it a slot whose run nobody asked for.
        let store = crate::store::Store::new(world.database.clone());
        let tx = world.database.begin().await.unwrap();
        for sql in [
            "UPDATE slot SET state = 'firing', run_id = NULL, run_count = NULL, settled_at_ms = NULL, \
             try_at_ms = 9000000000000",
            "INSERT INTO slot (schedule_id, slot, pipeline_id, slot_ms, until_ms, count, state, message, \
             late_ms, try_at_ms, chain) SELECT schedule_id, '1', pipeline_id, 1, 1, 1, 'waiting', '', 0, \
             try_at_ms, '' FROM slot WHERE number = (SELECT max(number) FROM slot)",
        ] {
            tx.execute_unprepared(sql).await.unwrap();
        }
        tx.commit().await.unwrap();
        world.scheduler.delete(&schedule).await;
        let tx = world.database.begin().await.unwrap();
        let sql = "UPDATE slot SET try_at_ms = 0 WHERE try_at_ms IS NOT NULL";
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
        let mut slots = Vec::new();
        world
            .until("all are settled", async || {
                slots = store.slots(&schedule.id, i64::MAX, 100).await.unwrap();
                slots.iter().all(|it| it.settled_at_ms.is_some())
            })
            .await;
        let (removed, fired) = slots.split_first().unwrap();
        assert_eq!(
            (removed.state.as_str(), removed.reason.as_deref()),
            ("skipped", Some("removed")),
            "{removed:?}"
        );
        assert!(fired.iter().all(|it| it.run_id.is_some()), "{fired:?}");
        assert_eq!(world.pipeline.accepted().len(), fired.len(), "no run more");
    }
}

#[tokio::test]
async fn hidden_or_unknown_schedules_are_not_there_and_wrong_ones_say_what_to_change() {
    for world in World::each(LONG).await {
        let schedule = world.scheduler.create(0xA, secondly()).await.unwrap();
        world.pipeline.hides_from("u");
        let hidden = world.scheduler.read(&schedule).await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
        assert!(hidden.message().contains(&schedule.id), "{hidden}");
    }
    let world = World::each(LONG).await.remove(0);
    let wrong = |change: fn(&mut ScheduleSpec)| {
        let mut spec = secondly();
        change(&mut spec);
        world.scheduler.create(0xA, spec)
    };
    for (refused, text) in [
        (
            wrong(|it| it.cron = "99 * * * *".into()).await,
            "cron pattern",
        ),
        (wrong(|it| it.cron = "0 0 30 2 *".into()).await, "never due"),
        (wrong(|it| it.zone = "Mars".into()).await, "IANA name"),
        (wrong(|it| it.jitter_ms = -1).await, "jitter"),
        (wrong(|it| it.kind = 0).await, "kind"),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(text), "{refused}");
    }
    let mut zero = minutely(0);
    zero.period = Some(0);
    let refused = world.scheduler.create(0xA, zero).await.unwrap_err();
    assert!(refused.message().contains("never end"), "{refused}");
}
