//! Pipelines: define, read, list, delete; stop and reset as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use contracts::pipeline::{
    DefineRequest, DeletePipelineRequest, GetPipelineRequest, ListPipelinesRequest,
    ListPipelinesResponse, Pipeline, ResetRequest, StopRunsRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::pipeline_view::PipelineView;
use super::run_view::RunView;
use super::runs::StopBody;
use super::{PageQuery, pipeline_ref, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::{self, Content};
use crate::problem::Problem;

/// Pipelines that are asked for at a time, since each may have a definition of up to 1 MiB.
pub(crate) const CHUNK: u32 = 100;
/// Chunks that are asked for to fill a page, at most: one with much that is hidden may stay shorter.
const MAX_CHUNKS: usize = 100;

/// A page of pipelines, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PipelinePage {
    pipelines: Vec<PipelineView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How a definition is taken.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct CreateQuery {
    /// Replace the pipeline of the same name, if there is one.
    upsert: bool,
}

/// The runs that were stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stopped {
    runs: Vec<RunView>,
    /// How many of them had never begun.
    queued_runs_cancelled: u32,
}

/// How a pipeline is reset.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct ResetBody {
    /// Stop a running run first.
    force: bool,
}

/// Lists the pipelines that the caller may see.
#[utoipa::path(get, path = "/api/v2/pipelines", operation_id = "listPipelines", tag = "pipelines",
    params(PageQuery), responses((status = 200, body = PipelinePage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<PipelinePage>, Problem> {
    let (limit, mut cursor) = PageQuery::of(&uri)?;
    let mut pipelines = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let left = limit - u32::try_from(pipelines.len()).unwrap_or(limit);
        let page = chunk(&gateway, &who, left.min(CHUNK), cursor, Order::Oldest).await?;
        pipelines.extend(page.pipelines.into_iter().map(PipelineView::in_list));
        cursor = page.next_cursor;
        if cursor.is_empty() || pipelines.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(PipelinePage {
        pipelines,
        next: some(cursor),
    }))
}

/// How pipelines are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The oldest first, without what is long.
    Oldest,
    /// The most recently updated first, with everything.
    LatestInFull,
}

/// A page of at most [`CHUNK`] pipelines.
pub(crate) async fn chunk(
    gateway: &Gateway,
    who: &Who,
    limit: u32,
    cursor: String,
    order: Order,
) -> Result<ListPipelinesResponse, Problem> {
    let request = ListPipelinesRequest {
        caller: Some(who.caller()),
        limit,
        cursor,
        latest_first: order == Order::LatestInFull,
        brief: order == Order::Oldest,
        ..Default::default()
    };
    Ok(gateway
        .peers
        .pipelines()
        .list_pipelines(request)
        .await?
        .into_inner())
}

/// Makes a pipeline from a definition in YAML or JSON.
#[utoipa::path(post, path = "/api/v2/pipelines", operation_id = "createPipeline", tag = "pipelines",
    params(CreateQuery),
    request_body(description = "A definition, see /api/v2/schemas/pipeline.json",
        content((Object = "application/yaml"), (Object = "application/json"))),
    responses((status = 201, body = PipelineView, description = "It was made",
            headers(("Location" = String, description = "Where it is"))),
        (status = 200, body = PipelineView, description = "The one of the same name was replaced")))]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let query: CreateQuery = body::query(&uri)?;
    let request = DefineRequest {
        caller: Some(who.caller()),
        pipeline: None,
        source: source(content)?,
        upsert: query.upsert,
        ..Default::default()
    };
    Ok(defined(
        gateway
            .peers
            .pipelines()
            .define(request)
            .await?
            .into_inner(),
    ))
}

/// Reads a pipeline and its definition.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}", operation_id = "readPipeline", tag = "pipelines",
    responses((status = 200, body = PipelineView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let request = GetPipelineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        ..Default::default()
    };
    let pipeline = gateway
        .peers
        .pipelines()
        .get_pipeline(request)
        .await?
        .into_inner();
    Ok(Json(PipelineView::whole(pipeline)))
}

/// Gives a pipeline a new version. Runs that were accepted keep theirs.
#[utoipa::path(put, path = "/api/v2/pipelines/{p}", operation_id = "replacePipeline", tag = "pipelines",
    request_body(description = "A definition, see /api/v2/schemas/pipeline.json",
        content((Object = "application/yaml"), (Object = "application/json"))),
    responses((status = 200, body = PipelineView)))]
pub(crate) async fn replace(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let request = DefineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        source: source(content)?,
        upsert: false,
        ..Default::default()
    };
    let pipeline = gateway
        .peers
        .pipelines()
        .define(request)
        .await?
        .into_inner();
    Ok(Json(PipelineView::whole(pipeline)))
}

/// Deletes a pipeline that has no unfinished runs.
#[utoipa::path(delete, path = "/api/v2/pipelines/{p}", operation_id = "deletePipeline",
    tag = "pipelines", responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeletePipelineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
    };
    gateway.peers.pipelines().delete_pipeline(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops all unfinished runs of a pipeline.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/stop", operation_id = "stopPipeline",
    tag = "pipelines", request_body = StopBody, responses((status = 202, body = Stopped)))]
pub(crate) async fn stop(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: StopBody = content.json()?;
    let request = StopRunsRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        run_count: 0,
        mode: body.mode.on_wire(),
        reason: body.reason,
        keep_queue: false,
    };
    let answer = gateway
        .peers
        .pipelines()
        .stop_runs(request)
        .await?
        .into_inner();
    let stopped = Stopped {
        runs: answer.runs.into_iter().map(RunView::of).collect(),
        queued_runs_cancelled: answer.queued_runs_cancelled,
    };
    Ok((StatusCode::ACCEPTED, Json(stopped)))
}

/// Clears the position that a pipeline shows after a failed or stopped run.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/reset", operation_id = "resetPipeline",
    tag = "pipelines", request_body = ResetBody,
    responses((status = 204, description = "It is at its start again")))]
pub(crate) async fn reset(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<StatusCode, Problem> {
    let ResetBody { force } = content.json()?;
    let request = ResetRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        force,
    };
    gateway.peers.pipelines().reset(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn source(content: Content) -> Result<String, Problem> {
    if content.is_blank() {
        return Err(Problem::invalid(
            "the body is empty: send a definition in YAML or JSON",
        ));
    }
    content.text()
}

fn defined(pipeline: Pipeline) -> Response {
    if !pipeline.created {
        return Json(PipelineView::whole(pipeline)).into_response();
    }
    let location = [(
        header::LOCATION,
        format!("/api/v2/pipelines/{}", pipeline.id),
    )];
    let shown = Json(PipelineView::whole(pipeline));
    (StatusCode::CREATED, location, shown).into_response()
}
