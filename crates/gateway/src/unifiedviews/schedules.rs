//! Schedules of a pipeline, and when they will start it next.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use contracts::message::Actor;
use contracts::scheduler::{
    CreateScheduleRequest, DeleteScheduleRequest, GetScheduleRequest, ListSchedulesRequest,
    Names as List, OverlapPolicy, PeriodUnit, Priority, Schedule, ScheduleKind, ScheduleRef,
    ScheduleSpec, UpdateScheduleRequest,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::acting::{Named, Names, filled};
use super::dates::{Date, FORMAT};
use super::fault::Fault;
use super::lenient::{Fields, unusable};
use super::messages::Message;
use super::{ids, pipelines};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// Schedules that are asked for at once, and how often.
const PAGE: u32 = 1000;
const MOST_PAGES: usize = 10;
/// The priority of a schedule that says none: HIGHEST.
const PRIORITY: u32 = 3;

const UNITS: [(PeriodUnit, &str); 6] = [
    (PeriodUnit::Minute, "MINUTE"),
    (PeriodUnit::Hour, "HOUR"),
    (PeriodUnit::Day, "DAY"),
    (PeriodUnit::Week, "WEEK"),
    (PeriodUnit::Month, "MONTH"),
    (PeriodUnit::Year, "YEAR"),
];

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
    fn of(schedule: &Schedule, names: &Names) -> Self {
        let spec = schedule.spec.clone().unwrap_or_default();
        let after: Vec<i64> = schedule.predecessors.iter().map(|it| it.number).collect();
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

pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<Json<Vec<View>>, Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ScheduleRead).await?;
    let shown = async {
        let all = listed(&gateway, &who, &pipeline.id).await?;
        views(&gateway, &who, &all).await
    };
    shown.await.map(Json).map_err(not_read)
}

pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, schedule)): Path<(String, String)>,
) -> Result<Json<View>, Fault> {
    let number = ids::schedule(&schedule)?;
    let named = (id.as_str(), schedule.as_str());
    let found = find(&gateway, &who, named, number, Message::ScheduleRead).await?;
    shown(&gateway, &who, &found, Message::ScheduleRead).await
}

pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Json<View>, Fault> {
    let message = Message::ScheduleCreate;
    let failed = |problem: Problem| Fault::failed(Message::ScheduleCreate, &problem);
    let pipeline = pipelines::find(&gateway, &who, &id, message.clone()).await?;
    let named = Named::of_body(&fields)?;
    let said = named.user.clone().unwrap_or_default();
    let acting = named.acting(&gateway, &who).await.map_err(failed)?;
    let Some(acting) = acting else {
        let technical = format!("User '{said}' could not be found! Pipeline could not be created.");
        return Err(Fault::missing(Message::NoUserForSchedule, technical));
    };
    let owner = acting.owner();
    let spec = ScheduleSpec {
        on_behalf_of: owner.actor,
        ..spec(&gateway, &who, &fields, message.clone()).await?
    };
    let request = CreateScheduleRequest {
        caller: Some(who.caller()),
        pipeline: pipeline.id,
        owner: Some(Actor {
            user_id: owner.user_id,
            name: owner.name,
            ..Actor::default()
        }),
        spec: Some(spec),
    };
    let made = gateway.peers.schedules().create_schedule(request).await;
    let made = made.map_err(|status| failed(status.into()))?.into_inner();
    shown(&gateway, &who, &made, message).await
}

pub(crate) async fn update(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, schedule)): Path<(String, String)>,
    fields: Fields,
) -> Result<Json<View>, Fault> {
    let message = Message::ScheduleUpdate;
    let number = ids::schedule(&schedule)?;
    let named = (id.as_str(), schedule.as_str());
    let found = find(&gateway, &who, named, number, message.clone()).await?;
    let (period, unit) = (fields.number("period")?, unit(&fields)?);
    let both = period.zip(unit);
    let names = predecessors(&gateway, &who, &fields, message.clone()).await?;
    let request = UpdateScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(ScheduleRef { text: found.id }),
        description: fields.text("description")?,
        enabled: Some(fields.truth("enabled")?),
        first_ms: date(&fields, "firstExecution")?,
        last_ms: date(&fields, "lastExecution")?,
        just_once: Some(fields.truth("justOnce")?),
        period: both.map(|(period, _)| period),
        period_unit: both.map(|(_, unit)| unit.into()),
        after_pipelines: Some(List { names }),
        ..Default::default()
    };
    let changed = gateway.peers.schedules().update_schedule(request).await;
    let failed = |status: tonic::Status| Fault::failed(message.clone(), &status.into());
    let changed = changed.map_err(failed)?.into_inner();
    shown(&gateway, &who, &changed, message).await
}

pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, schedule)): Path<(String, String)>,
) -> Result<StatusCode, Fault> {
    let number = ids::schedule_to_delete(&schedule)?;
    let named = (id.as_str(), schedule.as_str());
    let found = find(&gateway, &who, named, number, Message::ScheduleCreate).await?;
    let request = DeleteScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(ScheduleRef { text: found.id }),
    };
    let deleted = gateway.peers.schedules().delete_schedule(request).await;
    deleted.map_err(|status| Fault::failed(Message::ScheduleCreate, &status.into()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// What all schedules of a pipeline will start next.
pub(crate) async fn next_of_all(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Vec<Next>>), Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ScheduleRead).await?;
    let all = listed(&gateway, &who, &pipeline.id).await;
    let strict = gateway.config.unifiedviews.strict_document;
    let mut next: Vec<Next> = all
        .map_err(not_read)?
        .iter()
        .filter_map(|it| Next::of(it, strict))
        .collect();
    next.sort_by_key(|it| (it.start.is_none(), it.start, it.schedule));
    Ok((told_of(&next, strict), Json(next)))
}

/// What one schedule will start next.
pub(crate) async fn next_of_one(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, schedule)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Vec<Next>>), Fault> {
    let number = ids::schedule(&schedule)?;
    let named = (id.as_str(), schedule.as_str());
    let found = find(&gateway, &who, named, number, Message::ScheduleRead).await?;
    let strict = gateway.config.unifiedviews.strict_document;
    let next: Vec<Next> = Next::of(&found, strict).into_iter().collect();
    Ok((told_of(&next, strict), Json(next)))
}

/// The document has no list that is empty, and its clients fail without one.
fn told_of(next: &[Next], strict: bool) -> StatusCode {
    if next.is_empty() && strict {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    }
}

impl Next {
    /// None for a schedule that will start nothing.
    fn of(schedule: &Schedule, strict: bool) -> Option<Self> {
        let spec = schedule.spec.as_ref()?;
        if spec.kind() != ScheduleKind::After {
            return Some(Self {
                start: Some(Date::at(schedule.next_ms?)),
                schedule: schedule.number,
                after_pipelines: None,
            });
        }
        if schedule.predecessors.is_empty() {
            return None;
        }
        let each = schedule.predecessors.iter();
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

/// What is said of a new schedule.
async fn spec(
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
async fn predecessors(
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
    let mut found = Vec::new();
    for id in said.iter().take(100) {
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let pipeline = pipelines::find(gateway, who, &id, message.clone()).await?;
        found.push(pipeline.id);
    }
    Ok(found)
}

fn unit(fields: &Fields) -> Result<Option<PeriodUnit>, Fault> {
    let Some(said) = fields.filled("periodUnit")? else {
        return Ok(None);
    };
    let unit = UNITS.iter().find(|(_, name)| *name == said);
    let unit = unit.ok_or_else(|| unusable("periodUnit", "is no unit"))?;
    Ok(Some(unit.0))
}

fn date(fields: &Fields, name: &str) -> Result<Option<i64>, Fault> {
    let said = fields.text(name)?.filter(|it| !it.trim().is_empty());
    let Some(said) = said else { return Ok(None) };
    if let Some(date) = Date::parse(&said) {
        return Ok(Some(date.ms()));
    }
    let technical = format!("Problem parsing date={said}. Correct date format is: {FORMAT}");
    Err(Fault::bad(Message::Date, technical))
}

/// A schedule of a pipeline; `message` is the route's own.
async fn find(
    gateway: &Gateway,
    who: &Who,
    (id, schedule): (&str, &str),
    number: i64,
    message: Message,
) -> Result<Schedule, Fault> {
    let pipeline = pipelines::find(gateway, who, id, message.clone()).await?;
    let request = GetScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(ScheduleRef {
            text: number.to_string(),
        }),
    };
    match gateway.peers.schedules().get_schedule(request).await {
        Ok(found) if found.get_ref().pipeline_id == pipeline.id => Ok(found.into_inner()),
        Ok(_) => {
            let technical =
                format!("Schedule with id={schedule} is not schedule of pipeline with id={id}!");
            let (schedule, pipeline) = (schedule.to_owned(), id.to_owned());
            Err(Fault::bad(
                Message::OtherSchedule { schedule, pipeline },
                technical,
            ))
        }
        Err(status) => match Problem::from(status) {
            problem if problem.is_not_found() => Err(ids::no_schedule(schedule)),
            problem => Err(Fault::failed(message, &problem)),
        },
    }
}

async fn listed(gateway: &Gateway, who: &Who, id: &str) -> Result<Vec<Schedule>, Problem> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..MOST_PAGES {
        let request = ListSchedulesRequest {
            caller: Some(who.caller()),
            pipeline: id.to_owned(),
            limit: PAGE,
            cursor,
        };
        let page = gateway.peers.schedules().list_schedules(request).await?;
        let page = page.into_inner();
        all.extend(page.schedules);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    Ok(all)
}

async fn shown(
    gateway: &Gateway,
    who: &Who,
    schedule: &Schedule,
    message: Message,
) -> Result<Json<View>, Fault> {
    let shown = views(gateway, who, std::slice::from_ref(schedule)).await;
    let mut shown = shown.map_err(|problem| Fault::failed(message.clone(), &problem))?;
    let view = shown.pop();
    view.map(Json)
        .ok_or_else(|| Fault::failed(message, &Problem::internal()))
}

async fn views(gateway: &Gateway, who: &Who, all: &[Schedule]) -> Result<Vec<View>, Problem> {
    let owner = |it: &'_ Schedule| it.owner.clone().unwrap_or_default().user_id;
    let owners: Vec<String> = all.iter().map(owner).collect();
    let names = Names::of(gateway, who, owners.iter().map(String::as_str)).await?;
    Ok(all.iter().map(|it| View::of(it, &names)).collect())
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn not_read(problem: Problem) -> Fault {
    Fault::failed(Message::ScheduleRead, &problem)
}
