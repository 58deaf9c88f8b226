//! Schedules that follow runs.

use contracts::message::{RunChanged, RunState};
use contracts::pipeline::{EndedRun, ScheduledStart};
use contracts::scheduler::{ScheduleSpec, SkipReason, SlotState};
use runtime::clock;

use crate::testing::{LONG, World, after, id, minutely};

/// That a run of a pipeline ended, by the start of it if a schedule asked for it.
fn ended(run: u32, pipeline: u32, to: RunState, start: Option<&ScheduledStart>) -> RunChanged {
    RunChanged {
        run_id: id(run),
        pipeline_id: id(pipeline),
        to: to.into(),
        at_ms: clock::now_ms(),
        schedule_id: start.map(|it| it.schedule_id.clone()).unwrap_or_default(),
        slot: start.map(|it| it.slot.clone()).unwrap_or_default(),
        silent: start.is_none(),
        ..RunChanged::default()
    }
}

#[tokio::test]
async fn a_follower_fires_once_for_each_run_that_a_schedule_started_and_that_ended_well() {
    for world in World::each(LONG).await {
        let follower = world.scheduler.create(0xB, after(0xA)).await.unwrap();
        let any = ScheduleSpec {
            after_any_start: true,
            ..after(0xA)
        };
        let any = world.scheduler.create(0xC, any).await.unwrap();
        let start = ScheduledStart {
            schedule_id: id(0x77),
            slot: "1".into(),
            ..ScheduledStart::default()
        };
        for (message, identity) in [
            (ended(1, 0xA, RunState::Failed, Some(&start)), "failed"),
            (
                ended(2, 0xA, RunState::Cancelled, Some(&start)),
                "cancelled",
            ),
            (ended(3, 0xA, RunState::Succeeded, None), "by hand"),
            (ended(4, 0xA, RunState::Warned, Some(&start)), "warned"),
            (ended(4, 0xA, RunState::Warned, Some(&start)), "again"),
            (ended(5, 0xD, RunState::Succeeded, Some(&start)), "another"),
        ] {
            world.tell(&message, identity).await;
        }
        let slots = world.has_slots(&any, SlotState::Fired, 2).await;
        let follows: Vec<_> = slots.iter().map(|it| it.upstream_run_id.clone()).collect();
        assert_eq!(follows, [id(4), id(3)], "by hand as well");
        let slots = world.has_slots(&follower, SlotState::Fired, 1).await;
        assert_eq!((slots.len(), &slots[0].upstream_run_id), (1, &id(4)));
        let starts = world.pipeline.starts();
        assert!(
            starts
                .iter()
                .all(|it| !it.upstream_run_id.is_empty() && !it.unless_active)
        );
        assert_eq!(world.pipeline.asked_for(), 3);
    }
}

#[tokio::test]
async fn followers_make_a_chain_and_a_circle_ends() {
    for world in World::each(LONG).await {
        // A is due, B follows A, C follows B, and A follows C.
        let due = ScheduleSpec {
            just_once: true,
            ..minutely(clock::now_ms())
        };
        world.scheduler.create(0xA, due).await.unwrap();
        let to_b = world.scheduler.create(0xB, after(0xA)).await.unwrap();
        world.scheduler.create(0xC, after(0xB)).await.unwrap();
        world.scheduler.create(0xA, after(0xC)).await.unwrap();
        // Each run that is asked for ends well.
        let mut told = 0;
        world
            .until("the circle has ended", async || {
                let starts = world.pipeline.starts();
                for (index, start) in starts.iter().enumerate().skip(told) {
                    let pipeline = u32::from_str_radix(&start.pipeline_id[16..], 16).unwrap();
                    let run = u32::try_from(0x1000 + index).unwrap();
                    let message = ended(run, pipeline, RunState::Succeeded, Some(start));
                    world.tell(&message, &format!("ended-{index}")).await;
                }
                told = starts.len();
                let slots = world.scheduler.slots(&to_b).await;
                slots.iter().any(|it| it.reason() == SkipReason::Cycle)
            })
            .await;
        let pipelines: Vec<_> = world
            .pipeline
            .accepted()
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(pipelines, [id(0xA), id(0xB), id(0xC), id(0xA)]);
    }
}

#[tokio::test]
async fn runs_whose_end_was_not_heard_are_found() {
    for world in World::each(LONG).await {
        let follower = world.scheduler.create(0xB, after(0xA)).await.unwrap();
        let run = |number: u32, silent: bool| EndedRun {
            number: number.into(),
            run_id: id(number),
            pipeline_id: id(0xA),
            ended_at_ms: clock::now_ms(),
            silent,
            ..EndedRun::default()
        };
        let early = EndedRun {
            ended_at_ms: clock::now_ms() - 60_000,
            ..run(4, false)
        };
        let runs = vec![run(1, false), run(2, true), run(3, false), early];
        world.pipeline.has_ended(runs);
        // A scheduler that starts looks for them.
        let _other = world.another();
        let slots = world.has_slots(&follower, SlotState::Fired, 2).await;
        let mut follows: Vec<_> = slots.into_iter().map(|it| it.upstream_run_id).collect();
        follows.sort_unstable();
        assert_eq!(
            follows,
            [id(1), id(3)],
            "not what ended before it was there"
        );
    }
}
