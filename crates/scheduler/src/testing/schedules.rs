//! The service of schedules as a test asks it.

use contracts::message::{Actor, Caller};
use contracts::scheduler::{
    CreateScheduleRequest, DeleteScheduleRequest, GetScheduleRequest, ListSlotsRequest,
    PauseScheduleRequest, PeriodUnit, ResumeScheduleRequest, Schedule, ScheduleKind, ScheduleRef,
    ScheduleSpec, Slot, SlotState, UpdateScheduleRequest,
};
use tonic::Status;

use super::{Scheduler, World, id};

/// Who asks in tests.
pub(crate) fn caller() -> Caller {
    Caller {
        actor: Some(Actor {
            user_id: "u".into(),
            name: "Una".into(),
            ..Actor::default()
        }),
        account: "a".into(),
        ..Caller::default()
    }
}

/// A pattern that is due every second.
pub(crate) fn secondly() -> ScheduleSpec {
    ScheduleSpec {
        kind: ScheduleKind::Cron.into(),
        cron: "* * * * * *".into(),
        enabled: true,
        ..ScheduleSpec::default()
    }
}

/// Every minute from a time on.
pub(crate) fn minutely(first_ms: i64) -> ScheduleSpec {
    ScheduleSpec {
        kind: ScheduleKind::Periodic.into(),
        enabled: true,
        first_ms: Some(first_ms),
        period: Some(1),
        period_unit: PeriodUnit::Minute.into(),
        ..ScheduleSpec::default()
    }
}

/// After runs of a pipeline.
pub(crate) fn after(pipeline: u32) -> ScheduleSpec {
    ScheduleSpec {
        kind: ScheduleKind::After.into(),
        enabled: true,
        after_pipelines: vec![id(pipeline)],
        ..ScheduleSpec::default()
    }
}

pub(crate) fn named(schedule: &Schedule) -> ScheduleRef {
    ScheduleRef {
        text: schedule.id.clone(),
    }
}

impl Scheduler {
    pub(crate) async fn create(
        &self,
        pipeline: u32,
        spec: ScheduleSpec,
    ) -> Result<Schedule, Status> {
        let request = CreateScheduleRequest {
            caller: Some(caller()),
            pipeline: id(pipeline),
            owner: None,
            spec: Some(spec),
        };
        let made = self.schedules.clone().create_schedule(request).await?;
        Ok(made.into_inner())
    }

    pub(crate) async fn read(&self, schedule: &Schedule) -> Result<Schedule, Status> {
        let request = GetScheduleRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
        };
        let read = self.schedules.clone().get_schedule(request).await?;
        Ok(read.into_inner())
    }

    /// Changes what `said` says, with the caller and the schedule put in.
    pub(crate) async fn update(
        &self,
        schedule: &Schedule,
        said: UpdateScheduleRequest,
    ) -> Result<Schedule, Status> {
        let request = UpdateScheduleRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
            ..said
        };
        let updated = self.schedules.clone().update_schedule(request).await?;
        Ok(updated.into_inner())
    }

    pub(crate) async fn pause(&self, schedule: &Schedule, note: &str) -> Schedule {
        let request = PauseScheduleRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
            note: note.into(),
        };
        let paused = self.schedules.clone().pause_schedule(request).await;
        paused.unwrap().into_inner()
    }

    pub(crate) async fn resume(&self, schedule: &Schedule) -> Schedule {
        let request = ResumeScheduleRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
        };
        let resumed = self.schedules.clone().resume_schedule(request).await;
        resumed.unwrap().into_inner()
    }

    pub(crate) async fn delete(&self, schedule: &Schedule) {
        let request = DeleteScheduleRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
        };
        let deleted = self.schedules.clone().delete_schedule(request).await;
        deleted.unwrap();
    }

    /// A schedule's slots, the latest first.
    pub(crate) async fn slots(&self, schedule: &Schedule) -> Vec<Slot> {
        let request = ListSlotsRequest {
            caller: Some(caller()),
            schedule: Some(named(schedule)),
            limit: 1000,
            cursor: String::new(),
        };
        let slots = self.schedules.clone().list_slots(request).await;
        slots.unwrap().into_inner().slots
    }
}

impl World {
    /// Waits until a schedule has so many slots in this state.
    pub(crate) async fn has_slots(
        &self,
        schedule: &Schedule,
        state: SlotState,
        count: usize,
    ) -> Vec<Slot> {
        let mut found = Vec::new();
        let what = format!("{count} slots {state:?}");
        self.until(&what, async || {
            found = self.scheduler.slots(schedule).await;
            found.retain(|it| it.state() == state);
            found.len() >= count
        })
        .await;
        found
    }
}
