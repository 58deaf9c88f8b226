//! Schedules and what they start next, as the face shows them: every field, in its order.

use contracts::scheduler::{Predecessor, Schedule, ScheduleKind};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::said::{PRIORITY, UNITS};
use crate::unifiedviews::acting::{Names, filled};
use crate::unifiedviews::dates::Date;

/// A schedule as the face shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    id: i64,
    description: String,
    enabled: bool,
    schedule_type: Option<&'static str>,
    first_execution: Option<Date>,
    last_execution: Option<Date>,
    next_execution: Option<Date>,
    after_pipelines: Option<Vec<i64>>,
    just_once: bool,
    period: Option<i64>,
    period_unit: Option<&'static str>,
    scheduled_jobs_priority: u32,
    user_external_id: Option<String>,
    user_actor_external_id: Option<String>,
}

/// When a schedule will start its pipeline next, or after which others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Next {
    start: Option<Date>,
    schedule: i64,
    after_pipelines: Option<Value>,
}

impl View {
    pub(super) fn of(schedule: &Schedule, names: &Names) -> Self {
        let spec = schedule.spec.clone().unwrap_or_default();
        let after: Vec<i64> = predecessors(schedule).map(|it| it.number).collect();
        let owner = schedule.owner.as_ref().map_or("", |it| it.user_id.as_str());
        let unit = UNITS.iter().find(|(it, _)| *it == spec.period_unit());
        Self {
            id: schedule.number,
            enabled: spec.enabled,
            schedule_type: match spec.kind() {
                ScheduleKind::Unspecified => None,
                ScheduleKind::After => Some("AFTER_PIPELINE"),
                ScheduleKind::Periodic | ScheduleKind::Cron => Some("PERIODICALLY"),
            },
            first_execution: spec.first_ms.map(Date::at),
            last_execution: spec.last_ms.map(Date::at),
            next_execution: schedule.next_ms.map(Date::at),
            after_pipelines: (!after.is_empty()).then_some(after),
            just_once: spec.just_once,
            period: spec.period,
            period_unit: unit.map(|(_, name)| *name),
            scheduled_jobs_priority: spec.priority.map_or(PRIORITY, |it| it.value),
            user_external_id: names.name(owner),
            user_actor_external_id: filled(&spec.on_behalf_of),
            description: spec.description,
        }
    }
}

impl Next {
    /// None for a schedule that will start nothing.
    pub(super) fn of(schedule: &Schedule, strict: bool) -> Option<Self> {
        let spec = schedule.spec.as_ref()?;
        if spec.kind() != ScheduleKind::After {
            return Some(Self {
                start: Some(Date::at(schedule.next_ms?)),
                schedule: schedule.number,
                after_pipelines: None,
            });
        }
        let mut each = predecessors(schedule).peekable();
        each.peek()?;
        let after = if strict {
            each.map(|it| json!({it.number.to_string(): it.name}))
                .collect()
        } else {
            let named = each.map(|it| (it.number.to_string(), Value::from(it.name.clone())));
            Value::Object(named.collect::<Map<_, _>>())
        };
        Some(Self {
            start: None,
            schedule: schedule.number,
            after_pipelines: Some(after),
        })
    }
}

/// The pipelines that a schedule follows, but for those that the caller may not see, or that are
/// just being deleted.
fn predecessors(schedule: &Schedule) -> impl Iterator<Item = &Predecessor> {
    schedule.predecessors.iter().filter(|it| it.number > 0)
}

/// The order in which they are told: by their starts, then those that follow others.
pub(super) fn sort(next: &mut [Next]) {
    next.sort_by_key(|it| (it.start.is_none(), it.start, it.schedule));
}

#[cfg(test)]
mod tests {
    use contracts::scheduler::ScheduleSpec;

    use super::*;

    fn after(names: &[(i64, &str)]) -> Schedule {
        let predecessor = |(number, name): &(i64, &str)| Predecessor {
            number: *number,
            name: (*name).into(),
            ..Predecessor::default()
        };
        Schedule {
            number: 12,
            spec: Some(ScheduleSpec {
                kind: ScheduleKind::After.into(),
                ..ScheduleSpec::default()
            }),
            predecessors: names.iter().map(predecessor).collect(),
            ..Schedule::default()
        }
    }

    #[test]
    fn what_is_followed_is_one_object_or_a_list_of_them() {
        let schedule = after(&[(1, "a"), (2, "b"), (0, "")]);
        for (strict, expected) in [
            (false, r#"{"1":"a","2":"b"}"#),
            (true, r#"[{"1":"a"},{"2":"b"}]"#),
        ] {
            let next = serde_json::to_string(&Next::of(&schedule, strict)).unwrap();
            let whole = format!(r#"{{"start":null,"schedule":12,"afterPipelines":{expected}}}"#);
            assert_eq!(next, whole);
        }
        assert!(Next::of(&after(&[]), false).is_none());
    }

    #[test]
    fn what_starts_by_the_clock_comes_first() {
        let at = |start: Option<i64>, schedule| Next {
            start: start.map(Date::at),
            schedule,
            after_pipelines: None,
        };
        let mut all = [at(None, 1), at(Some(9), 2), at(Some(5), 3)];
        sort(&mut all);
        assert_eq!(all.map(|it| it.schedule), [3, 2, 1]);
    }
}
