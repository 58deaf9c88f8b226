//! What clients say of a schedule.

use contracts::scheduler::{OverlapPolicy, PeriodUnit, Priority, ScheduleKind, ScheduleSpec};
use serde_json::Value;

use crate::Gateway;
use crate::auth::Who;
use crate::unifiedviews::dates::{Date, FORMAT};
use crate::unifiedviews::fault::Fault;
use crate::unifiedviews::lenient::{Fields, unusable};
use crate::unifiedviews::messages::Message;
use crate::unifiedviews::pipelines;

/// The priority of a schedule that says none: HIGHEST.
pub(super) const PRIORITY: u32 = 3;
/// Pipelines that a schedule may follow.
const MOST_FOLLOWED: usize = 100;

/// What units of a period are called.
pub(super) const UNITS: [(PeriodUnit, &str); 6] = [
    (PeriodUnit::Minute, "MINUTE"),
    (PeriodUnit::Hour, "HOUR"),
    (PeriodUnit::Day, "DAY"),
    (PeriodUnit::Week, "WEEK"),
    (PeriodUnit::Month, "MONTH"),
    (PeriodUnit::Year, "YEAR"),
];

/// What is said of a new schedule.
pub(super) async fn spec(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    message: Message,
) -> Result<ScheduleSpec, Fault> {
    let after_pipelines = predecessors(gateway, who, fields, message).await?;
    let kind = match fields.filled("scheduleType")?.as_deref() {
        Some("PERIODICALLY") => ScheduleKind::Periodic,
        None if after_pipelines.is_empty() => ScheduleKind::Periodic,
        Some("AFTER_PIPELINE") | None => ScheduleKind::After,
        Some(_) => {
            return Err(unusable(
                "scheduleType",
                "is neither PERIODICALLY nor AFTER_PIPELINE",
            ));
        }
    };
    let priority = fields.number("scheduledJobsPriority")?;
    let priority = priority.map_or(Ok(PRIORITY), u32::try_from);
    let priority = priority.map_err(|_| unusable("scheduledJobsPriority", "is not 0 to 3"))?;
    Ok(ScheduleSpec {
        kind: kind.into(),
        description: fields.text("description")?.unwrap_or_default(),
        enabled: fields.truth("enabled")?,
        first_ms: date(fields, "firstExecution")?,
        last_ms: date(fields, "lastExecution")?,
        just_once: fields.truth("justOnce")?,
        period: fields.number("period")?,
        period_unit: unit(fields)?.unwrap_or_default().into(),
        overlap: match kind {
            ScheduleKind::After => OverlapPolicy::Queue.into(),
            ScheduleKind::Unspecified | ScheduleKind::Periodic | ScheduleKind::Cron => {
                OverlapPolicy::Wait.into()
            }
        },
        priority: Some(Priority { value: priority }),
        after_pipelines,
        ..ScheduleSpec::default()
    })
}

/// The pipelines after which a schedule is due, each of which is there.
pub(super) async fn predecessors(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    message: Message,
) -> Result<Vec<String>, Fault> {
    let said = match fields.value("afterPipelines") {
        None => return Ok(Vec::new()),
        Some(Value::Array(said)) => said,
        Some(_) => return Err(unusable("afterPipelines", "is not a list")),
    };
    if said.len() > MOST_FOLLOWED {
        return Err(unusable("afterPipelines", "has more than 100"));
    }
    let mut found = Vec::new();
    for id in said {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let pipeline = pipelines::find(gateway, who, &id, message.clone()).await?;
        found.push(pipeline.id);
    }
    Ok(found)
}

/// The unit of a period, if one is said.
pub(super) fn unit(fields: &Fields) -> Result<Option<PeriodUnit>, Fault> {
    let Some(said) = fields.filled("periodUnit")? else {
        return Ok(None);
    };
    let unit = UNITS.iter().find(|(_, name)| *name == said);
    let unit = unit.ok_or_else(|| unusable("periodUnit", "is no unit"))?;
    Ok(Some(unit.0))
}

/// A date; a blank one is none.
pub(super) fn date(fields: &Fields, name: &str) -> Result<Option<i64>, Fault> {
    let said = fields.text(name)?.filter(|it| !it.trim().is_empty());
    let Some(said) = said else { return Ok(None) };
    if let Some(date) = Date::parse(&said) {
        return Ok(Some(date.ms()));
    }
    let technical = format!("Problem parsing date={said}. Correct date format is: {FORMAT}");
    Err(Fault::bad(Message::Date, technical))
}
