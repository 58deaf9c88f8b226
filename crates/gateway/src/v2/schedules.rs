//! Schedules: make, read, list, change, pause, preview; and what became of their slots.

mod said;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::scheduler::{
    CreateScheduleRequest, DeleteScheduleRequest, GetScheduleRequest, ListSchedulesRequest,
    ListSlotsRequest, PauseScheduleRequest, PreviewScheduleRequest, ResumeScheduleRequest,
    ScheduleRef, UpdateScheduleRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::schedule_view::{ComingSlot, ScheduleView, SlotView};
use super::{MAX_LIMIT, PageQuery, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::{self, Content};
use crate::problem::Problem;

use said::{Changes, Spec, said, time};

/// Answers of the scheduler that are put together for a page, at most.
const MAX_CHUNKS: usize = 50;

/// A page of schedules, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchedulePage {
    schedules: Vec<ScheduleView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A page of a schedule's slots, the latest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlotPage {
    slots: Vec<SlotView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Slots that are to come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    slots: Vec<ComingSlot>,
}

/// Which schedules.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Those of this pipeline: its id, number or name.
    pipeline: String,
    /// How many at most, 1 to 1000; 100 unless said.
    limit: Option<u32>,
    /// Goes on where an earlier page ended: its `next`.
    cursor: String,
}

/// Which slots that are to come.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PreviewQuery {
    /// How many at most, 1 to 1000; 10 unless said.
    count: Option<u32>,
    /// Later than this time (RFC 3339); than now unless said.
    after: Option<String>,
}

/// Why a schedule is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PauseBody {
    /// For those who wonder, up to 1000 characters.
    note: String,
}

/// Lists the schedules of pipelines that the caller may see. A page may have fewer than were asked for.
#[utoipa::path(get, path = "/api/v2/schedules", operation_id = "listSchedules", tag = "schedules",
    params(ListQuery), responses((status = 200, body = SchedulePage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<SchedulePage>, Problem> {
    let query: ListQuery = body::query(&uri)?;
    let (limit, mut cursor) = (super::limit(query.limit)?, query.cursor);
    let mut schedules = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let found = u32::try_from(schedules.len()).unwrap_or(limit);
        let request = ListSchedulesRequest {
            caller: Some(who.caller()),
            pipeline: query.pipeline.clone(),
            limit: limit.saturating_sub(found),
            cursor,
        };
        let page = gateway.peers.schedules().list_schedules(request).await?;
        let page = page.into_inner();
        schedules.extend(page.schedules.into_iter().map(ScheduleView::of));
        cursor = page.next_cursor;
        if cursor.is_empty() || schedules.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(SchedulePage {
        schedules,
        next: some(cursor),
    }))
}

/// Makes a schedule of a pipeline. Its runs are started for the caller.
#[utoipa::path(post, path = "/api/v2/schedules", operation_id = "createSchedule", tag = "schedules",
    request_body(content((Spec = "application/json"), (Spec = "application/yaml"))),
    responses((status = 201, body = ScheduleView, description = "It was made",
        headers(("Location" = String, description = "Where it is")))))]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let mut spec: Spec = said(&content)?;
    let pipeline = std::mem::take(&mut spec.pipeline);
    if pipeline.is_empty() {
        return Err(Problem::invalid("pipeline: say which pipeline is to run"));
    }
    let request = CreateScheduleRequest {
        caller: Some(who.caller()),
        pipeline,
        owner: None,
        spec: Some(spec.on_wire()?),
    };
    let made = gateway.peers.schedules().create_schedule(request).await?;
    let view = ScheduleView::of(made.into_inner());
    let location = [(header::LOCATION, format!("/api/v2/schedules/{}", view.id()))];
    Ok((StatusCode::CREATED, location, Json(view)))
}

/// Reads a schedule, with what became of its latest slot.
#[utoipa::path(get, path = "/api/v2/schedules/{s}", operation_id = "readSchedule", tag = "schedules",
    responses((status = 200, body = ScheduleView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
) -> Result<Json<ScheduleView>, Problem> {
    let request = GetScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
    };
    let told = gateway.peers.schedules().get_schedule(request).await?;
    Ok(Json(ScheduleView::of(told.into_inner())))
}

/// Changes what is said of a schedule, and leaves the rest. Its kind and its pipeline stay.
#[utoipa::path(patch, path = "/api/v2/schedules/{s}", operation_id = "updateSchedule", tag = "schedules",
    request_body(content((Changes = "application/json"), (Changes = "application/yaml"))),
    responses((status = 200, body = ScheduleView)))]
pub(crate) async fn update(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
    content: Content,
) -> Result<Json<ScheduleView>, Problem> {
    let changes: Changes = said(&content)?;
    let request = UpdateScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
        ..changes.on_wire()?
    };
    let told = gateway.peers.schedules().update_schedule(request).await?;
    Ok(Json(ScheduleView::of(told.into_inner())))
}

/// Deletes a schedule. The runs that it started stay.
#[utoipa::path(delete, path = "/api/v2/schedules/{s}", operation_id = "deleteSchedule",
    tag = "schedules", responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeleteScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
    };
    gateway.peers.schedules().delete_schedule(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pauses a schedule: it isn't due until it is resumed.
#[utoipa::path(post, path = "/api/v2/schedules/{s}/pause", operation_id = "pauseSchedule",
    tag = "schedules", request_body = PauseBody, responses((status = 200, body = ScheduleView)))]
pub(crate) async fn pause(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
    content: Content,
) -> Result<Json<ScheduleView>, Problem> {
    let PauseBody { note } = content.json()?;
    let request = PauseScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
        note,
    };
    let told = gateway.peers.schedules().pause_schedule(request).await?;
    Ok(Json(ScheduleView::of(told.into_inner())))
}

/// Resumes a schedule: it is due again from now on.
#[utoipa::path(post, path = "/api/v2/schedules/{s}/resume", operation_id = "resumeSchedule",
    tag = "schedules", responses((status = 200, body = ScheduleView)))]
pub(crate) async fn resume(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
) -> Result<Json<ScheduleView>, Problem> {
    let request = ResumeScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
    };
    let told = gateway.peers.schedules().resume_schedule(request).await?;
    Ok(Json(ScheduleView::of(told.into_inner())))
}

/// Tells when a schedule is due next, whether it is paused or not.
#[utoipa::path(get, path = "/api/v2/schedules/{s}/preview", operation_id = "previewSchedule",
    tag = "schedules", params(PreviewQuery), responses((status = 200, body = Preview)))]
pub(crate) async fn preview(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
    uri: Uri,
) -> Result<Json<Preview>, Problem> {
    let request = PreviewScheduleRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
        ..previewed(&uri)?
    };
    coming(&gateway, request).await
}

/// Tells when a schedule would be due, without making it.
#[utoipa::path(post, path = "/api/v2/schedules/preview", operation_id = "previewNewSchedule",
    tag = "schedules", params(PreviewQuery),
    request_body(content((Spec = "application/json"), (Spec = "application/yaml"))),
    responses((status = 200, body = Preview)))]
pub(crate) async fn preview_new(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
    content: Content,
) -> Result<Json<Preview>, Problem> {
    let spec: Spec = said(&content)?;
    let request = PreviewScheduleRequest {
        caller: Some(who.caller()),
        spec: Some(spec.on_wire()?),
        ..previewed(&uri)?
    };
    coming(&gateway, request).await
}

/// Lists what became of a schedule's slots, the latest first: fired, late by how much, or skipped and why.
#[utoipa::path(get, path = "/api/v2/schedules/{s}/slots", operation_id = "listSlots",
    tag = "schedules", params(PageQuery), responses((status = 200, body = SlotPage)))]
pub(crate) async fn slots(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(s): Path<String>,
    uri: Uri,
) -> Result<Json<SlotPage>, Problem> {
    let (limit, cursor) = PageQuery::of(&uri)?;
    let request = ListSlotsRequest {
        caller: Some(who.caller()),
        schedule: Some(named(s)),
        limit,
        cursor,
    };
    let page = gateway.peers.schedules().list_slots(request).await?;
    let page = page.into_inner();
    Ok(Json(SlotPage {
        slots: page.slots.into_iter().map(SlotView::of).collect(),
        next: some(page.next_cursor),
    }))
}

fn previewed(uri: &Uri) -> Result<PreviewScheduleRequest, Problem> {
    const USUAL: u32 = 10;
    let query: PreviewQuery = body::query(uri)?;
    let count = query.count.unwrap_or(USUAL);
    if !(1..=MAX_LIMIT).contains(&count) {
        let detail = format!("count: {count} is not between 1 and {MAX_LIMIT}");
        return Err(Problem::invalid(detail));
    }
    Ok(PreviewScheduleRequest {
        count,
        after_ms: time("after", query.after)?,
        ..PreviewScheduleRequest::default()
    })
}

async fn coming(
    gateway: &Gateway,
    request: PreviewScheduleRequest,
) -> Result<Json<Preview>, Problem> {
    let told = gateway.peers.schedules().preview_schedule(request).await?;
    let slots = told.into_inner().slots.into_iter().map(ComingSlot::of);
    Ok(Json(Preview {
        slots: slots.collect(),
    }))
}

fn named(text: String) -> ScheduleRef {
    ScheduleRef { text }
}
