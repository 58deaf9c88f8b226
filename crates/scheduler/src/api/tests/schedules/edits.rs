//! Changes of schedules.

use contracts::message::PipelineDeleted;
use contracts::scheduler::{
    ListSchedulesRequest, Names, PeriodUnit, PreviewScheduleRequest, Priority, ScheduleSpec,
    SkipReason, SlotState, UpdateScheduleRequest,
};
use runtime::clock;

use super::HOUR;
use crate::testing::{LONG, World, after, caller, id, minutely, named, secondly};

/// What a client of UnifiedViews sends back of what it was told, with `enabled` as it wishes.
fn sent_back(spec: &ScheduleSpec, enabled: bool) -> UpdateScheduleRequest {
    UpdateScheduleRequest {
        description: Some(spec.description.clone()),
        enabled: Some(enabled),
        first_ms: spec.first_ms,
        last_ms: spec.last_ms,
        just_once: Some(spec.just_once),
        period: spec.period,
        period_unit: Some(spec.period_unit).filter(|_| spec.period.is_some()),
        after_pipelines: Some(Names {
            names: spec.after_pipelines.clone(),
        }),
        ..UpdateScheduleRequest::default()
    }
}

#[tokio::test]
async fn what_is_sent_back_as_it_was_changes_nothing_and_enabling_makes_up_for_one_slot() {
    for world in World::each(LONG).await {
        let first_ms = clock::now_ms() - HOUR;
        let made = world
            .scheduler
            .create(0xA, minutely(first_ms))
            .await
            .unwrap();
        world
            .until("it has fired", async || {
                world.pipeline.accepted().len() == 1
            })
            .await;
        world
            .until("its row says so", async || {
                let read = world.scheduler.read(&made).await.unwrap();
                read.latest_slot.is_some_and(|it| it.settled_at_ms > 0)
            })
            .await;
        let read = world.scheduler.read(&made).await.unwrap();
        let spec = read.spec.clone().unwrap();
        let same = world
            .scheduler
            .update(&made, sent_back(&spec, true))
            .await
            .unwrap();
        assert_eq!(
            (same.next_ms, same.updated_at_ms),
            (read.next_ms, read.updated_at_ms)
        );

        let off = world
            .scheduler
            .update(&made, sent_back(&spec, false))
            .await
            .unwrap();
        assert_eq!((off.next_ms, off.spec.unwrap().enabled), (None, false));
        // As if it had been off for half an hour: the slots since then are due once.
        let mut earlier = spec.clone();
        earlier.last_ms = spec.last_ms.map(|it| it - HOUR / 2);
        world
            .scheduler
            .update(&made, sent_back(&earlier, true))
            .await
            .unwrap();
        world
            .until("it has fired again", async || {
                let slots = world.scheduler.slots(&made).await;
                slots.iter().any(|it| it.reason() == SkipReason::Missed)
            })
            .await;
        assert!(
            world.pipeline.accepted().len() <= 2,
            "{:?}",
            world.pipeline.accepted()
        );
    }
}

#[tokio::test]
async fn a_paused_schedule_says_why_and_its_slots_are_one_row_once_it_is_resumed() {
    for world in World::each(LONG).await {
        let schedule = world.scheduler.create(0xA, secondly()).await.unwrap();
        world.has_slots(&schedule, SlotState::Fired, 1).await;
        let paused = world.scheduler.pause(&schedule, "moving house").await;
        assert_eq!(
            (paused.next_ms, paused.pause_note.as_str()),
            (None, "moving house")
        );
        assert_eq!(paused.paused_by.unwrap().name, "Una");
        let paused_ms = clock::now_ms();
        world
            .until("two slots have passed", async || {
                clock::now_ms() > paused_ms + 2000
            })
            .await;
        let resumed = world.scheduler.resume(&schedule).await;
        assert!(resumed.next_ms.is_some() && resumed.pause_note.is_empty());
        let slots = world.has_slots(&schedule, SlotState::Skipped, 1).await;
        assert_eq!((slots.len(), slots[0].reason()), (1, SkipReason::Paused));
        assert!(
            slots[0].count >= 2 && slots[0].message.contains("moving house"),
            "{slots:?}"
        );
        world.has_slots(&schedule, SlotState::Fired, 3).await;
        let mut rows = world.scheduler.slots(&schedule).await;
        rows.sort_by_key(|it| it.slot_ms);
        let gapless = rows
            .windows(2)
            .all(|it| it[1].slot_ms == it[0].until_ms + 1000);
        assert!(gapless, "I6: {rows:?}");
    }
}

#[tokio::test]
async fn a_deleted_pipeline_takes_its_schedules_with_it() {
    for world in World::each(LONG).await {
        let gone = world.scheduler.create(0xA, secondly()).await.unwrap();
        let follows = world.scheduler.create(0xB, after(0xA)).await.unwrap();
        let by_hand = world.scheduler.create(0xB, secondly()).await.unwrap();
        let deleted = PipelineDeleted {
            pipeline_id: id(0xA),
            ..PipelineDeleted::default()
        };
        world.tell(&deleted, "deleted").await;
        world
            .until("its schedule is gone", async || {
                world.scheduler.read(&gone).await.is_err()
            })
            .await;
        let left = world.scheduler.read(&follows).await.unwrap();
        assert!(left.predecessors.is_empty(), "{left:?}");
        world.scheduler.delete(&by_hand).await;
        assert!(world.scheduler.read(&by_hand).await.is_err());
        let list = ListSchedulesRequest {
            caller: Some(caller()),
            limit: 1,
            ..ListSchedulesRequest::default()
        };
        let listed = world.scheduler.schedules.clone().list_schedules(list).await;
        let listed = listed.unwrap().into_inner().schedules;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].id, follows.id);
    }
}

#[tokio::test]
async fn the_next_slots_are_told_before_a_schedule_is_made_and_of_one_that_is_paused() {
    let world = World::each(LONG).await.remove(0);
    let spec = ScheduleSpec {
        kind: contracts::scheduler::ScheduleKind::Cron.into(),
        cron: "30 2 * * *".into(),
        zone: "Europe/Bratislava".into(),
        jitter_ms: 60_000,
        priority: Some(Priority { value: 3 }),
        period_unit: PeriodUnit::Unspecified.into(),
        ..ScheduleSpec::default()
    };
    let made = world.scheduler.create(0xA, spec.clone()).await.unwrap();
    assert_eq!(made.next_ms, None, "it is not enabled");
    for (schedule, spec) in [(None, Some(spec)), (Some(named(&made)), None)] {
        let request = PreviewScheduleRequest {
            caller: Some(caller()),
            schedule,
            spec,
            count: 3,
            after_ms: Some(1_774_656_000_000),
        };
        let told = world
            .scheduler
            .schedules
            .clone()
            .preview_schedule(request)
            .await;
        let slots = told.unwrap().into_inner().slots;
        let times: Vec<_> = slots.iter().map(|it| it.slot_ms).collect();
        // 28 March, the gap of 29 March, 30 March.
        assert_eq!(
            times,
            [1_774_661_400_000, 1_774_747_800_000, 1_774_830_600_000]
        );
        assert!(
            slots
                .iter()
                .all(|it| (0..=60_000).contains(&(it.due_ms - it.slot_ms)))
        );
    }
}
