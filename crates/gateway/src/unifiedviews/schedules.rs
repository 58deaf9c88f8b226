//! Schedules of a pipeline, and when they will start it next.

mod said;
mod view;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use contracts::message::Actor;
use contracts::scheduler::{
    CreateScheduleRequest, DeleteScheduleRequest, GetScheduleRequest, ListSchedulesRequest,
    Names as List, Schedule, ScheduleRef, ScheduleSpec, UpdateScheduleRequest,
};

use super::acting::{Named, Names};
use super::fault::Fault;
use super::lenient::Fields;
use super::messages::Message;
use super::{ids, pipelines};
use crate::Gateway;
use crate::auth::Who;
use crate::front::Whole;
use crate::problem::Problem;

use said::{date, predecessors, spec, unit};
use view::{Next, View};

/// Schedules that are asked for at once, and how often.
const PAGE: u32 = 1000;
const MOST_PAGES: usize = 10;

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
) -> Result<Response, Fault> {
    let pipeline = pipelines::find(&gateway, &who, &id, Message::ScheduleRead).await?;
    let all = listed(&gateway, &who, &pipeline.id).await;
    let strict = gateway.config.unifiedviews.strict_document;
    let mut next: Vec<Next> = all
        .map_err(not_read)?
        .iter()
        .filter_map(|it| Next::of(it, strict))
        .collect();
    view::sort(&mut next);
    Ok(told(next, strict))
}

/// What one schedule will start next.
pub(crate) async fn next_of_one(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, schedule)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let number = ids::schedule(&schedule)?;
    let named = (id.as_str(), schedule.as_str());
    let found = find(&gateway, &who, named, number, Message::ScheduleRead).await?;
    let strict = gateway.config.unifiedviews.strict_document;
    let next: Vec<Next> = Next::of(&found, strict).into_iter().collect();
    Ok(told(next, strict))
}

/// By the document there is nothing where nothing is started; clients fail if that isn't 200.
fn told(next: Vec<Next>, strict: bool) -> Response {
    if next.is_empty() && strict {
        return (StatusCode::NOT_FOUND, Extension(Whole), Json(next)).into_response();
    }
    Json(next).into_response()
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

/// The ids of the schedules that a pipeline has.
pub(super) async fn numbers(
    gateway: &Gateway,
    who: &Who,
    pipeline_id: &str,
) -> Result<HashSet<i64>, Problem> {
    let all = listed(gateway, who, pipeline_id).await?;
    Ok(all.iter().map(|it| it.number).collect())
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
