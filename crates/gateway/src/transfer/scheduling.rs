//! Schedules that come with a pipeline.

use ::transfer::schedules::{Schedule, Trigger};
use contracts::message::{Actor, Caller};
use contracts::pipeline::{DeletePipelineRequest, PipelineRef};
use contracts::scheduler::{
    CreateScheduleRequest, OverlapPolicy, PeriodUnit, Priority, ScheduleKind, ScheduleSpec,
};
use tonic::{Code, Status};

use crate::Gateway;

const MINUTE_MS: i64 = 60_000;

/// Makes the schedules of a pipeline that was just imported. Of one that waits for pipelines which
/// aren't here the rest is made, disabled. Answers how many those are.
///
/// If one can't be made, none is left, nor is the pipeline.
pub(crate) async fn schedule(
    gateway: &Gateway,
    caller: &Caller,
    owner: Option<Actor>,
    (pipeline, schedules): (&str, &[Schedule]),
) -> Result<usize, Status> {
    let mut orphans = 0;
    for schedule in schedules {
        let request = CreateScheduleRequest {
            caller: Some(caller.clone()),
            pipeline: pipeline.to_owned(),
            owner: owner.clone(),
            spec: Some(spec(schedule)),
        };
        match made(gateway, request).await {
            Ok(is_whole) => orphans += usize::from(!is_whole),
            Err(status) => {
                undo(gateway, caller, pipeline).await;
                return Err(status);
            }
        }
    }
    Ok(orphans)
}

/// Whether the schedule was made as it is said.
async fn made(gateway: &Gateway, mut request: CreateScheduleRequest) -> Result<bool, Status> {
    let mut schedules = gateway.peers.schedules();
    match schedules.create_schedule(request.clone()).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::NotFound => {
            let spec = request
                .spec
                .as_mut()
                .filter(|it| !it.after_pipelines.is_empty());
            let Some(spec) = spec else {
                return Err(status);
            };
            spec.after_pipelines.clear();
            spec.enabled = false;
            schedules.create_schedule(request).await.map(|_| false)
        }
        Err(status) => Err(status),
    }
}

/// Removes a pipeline whose schedules can't be made, and with it those that were.
async fn undo(gateway: &Gateway, caller: &Caller, pipeline: &str) {
    let request = DeletePipelineRequest {
        caller: Some(caller.clone()),
        pipeline: Some(PipelineRef {
            text: pipeline.to_owned(),
        }),
    };
    if let Err(status) = gateway.peers.pipelines().delete_pipeline(request).await {
        tracing::warn!(
            pipeline.id = pipeline,
            "a pipeline stays whose schedules can't be made: {status}"
        );
    }
}

fn spec(schedule: &Schedule) -> ScheduleSpec {
    let mut spec = ScheduleSpec {
        description: schedule.description.clone(),
        enabled: schedule.enabled,
        just_once: schedule.just_once,
        catch_up_ms: schedule
            .tolerance_minutes
            .map(|it| it.max(0).saturating_mul(MINUTE_MS)),
        priority: schedule.priority.map(|value| Priority { value }),
        ..ScheduleSpec::default()
    };
    match &schedule.trigger {
        Trigger::Time {
            first_ms,
            period,
            unit,
        } => {
            let unit = unit_of(unit);
            let is_periodic = unit != PeriodUnit::Unspecified;
            spec.set_kind(ScheduleKind::Periodic);
            spec.set_overlap(OverlapPolicy::Wait);
            spec.set_period_unit(unit);
            spec.period = period.filter(|it| is_periodic && *it > 0);
            if spec.period.is_none() {
                spec.set_period_unit(PeriodUnit::Unspecified);
            }
            spec.first_ms = *first_ms;
        }
        Trigger::After(names) => {
            spec.set_kind(ScheduleKind::After);
            spec.after_pipelines = names.iter().map(|it| format!("name:{it}")).collect();
        }
    }
    spec
}

fn unit_of(name: &str) -> PeriodUnit {
    match name {
        "MINUTE" => PeriodUnit::Minute,
        "HOUR" => PeriodUnit::Hour,
        "DAY" => PeriodUnit::Day,
        "WEEK" => PeriodUnit::Week,
        "MONTH" => PeriodUnit::Month,
        "YEAR" => PeriodUnit::Year,
        _ => PeriodUnit::Unspecified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(trigger: Trigger) -> Schedule {
        Schedule {
            description: "d".into(),
            enabled: true,
            trigger,
            just_once: false,
            priority: Some(3),
            tolerance_minutes: Some(5),
        }
    }

    #[test]
    fn schedules_say_the_same_here() {
        let time = spec(&schedule(Trigger::Time {
            first_ms: Some(7),
            period: Some(2),
            unit: "DAY".into(),
        }));
        assert_eq!(time.kind(), ScheduleKind::Periodic);
        assert_eq!(
            (time.period, time.period_unit()),
            (Some(2), PeriodUnit::Day)
        );
        assert_eq!((time.first_ms, time.catch_up_ms), (Some(7), Some(300_000)));
        assert_eq!(time.priority, Some(Priority { value: 3 }));
        let after = spec(&schedule(Trigger::After(vec!["first".into()])));
        assert_eq!(
            (after.kind(), &*after.after_pipelines[0]),
            (ScheduleKind::After, "name:first")
        );
    }

    #[test]
    fn a_period_without_a_unit_is_none() {
        for (period, unit) in [
            (Some(2), ""),
            (None, "DAY"),
            (Some(0), "DAY"),
            (Some(1), "AEON"),
        ] {
            let time = spec(&schedule(Trigger::Time {
                first_ms: None,
                period,
                unit: unit.into(),
            }));
            assert_eq!(
                (time.period, time.period_unit()),
                (None, PeriodUnit::Unspecified)
            );
        }
    }
}
