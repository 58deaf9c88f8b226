//! Pipelines: define, read, list, delete; stop and reset as a whole.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::pipeline::{
    DefineRequest, DeletePipelineRequest, GetPipelineRequest, ListPipelinesRequest,
    ListPipelinesResponse, Pipeline, ResetRequest, Step, StopRunsRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::run_view::RunView;
use super::runs::StopBody;
use super::{PageQuery, Person, pipeline_ref, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::{self, Content};
use crate::problem::Problem;
use crate::time::Time;

/// Pipelines that are asked for at a time, since each may have a definition of up to 1 MiB.
pub(crate) const CHUNK: u32 = 100;

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pipeline)]
struct PipelineView {
    /// 24 hex digits.
    id: String,
    number: i64,
    name: String,
    account: String,
    owner: Person,
    /// Of the definition; counts from 1.
    version: u32,
    /// The number of the latest run, 0 before the first.
    run_count: i64,
    created_at: Time,
    updated_at: Time,
    /// As it was defined, normalised; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    definition: Option<Box<RawValue>>,
    /// The permanent ids of its steps; absent in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepIds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_run: Option<RunView>,
}

/// A step under its permanent ids, which it keeps as long as its `id` stays.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepIds {
    /// As the definition calls it.
    id: String,
    name: String,
    /// 24 hex digits.
    object_id: String,
    number: i64,
}

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
    while pipelines.len() < limit as usize {
        let left = limit - u32::try_from(pipelines.len()).unwrap_or(limit);
        let page = chunk(&gateway, &who, left.min(CHUNK), cursor, false).await?;
        pipelines.extend(page.pipelines.into_iter().map(PipelineView::in_list));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    Ok(Json(PipelinePage {
        pipelines,
        next: some(cursor),
    }))
}

/// A page of at most [`CHUNK`] pipelines.
pub(crate) async fn chunk(
    gateway: &Gateway,
    who: &Who,
    limit: u32,
    cursor: String,
    latest_first: bool,
) -> Result<ListPipelinesResponse, Problem> {
    let request = ListPipelinesRequest {
        caller: who.caller(),
        limit,
        cursor,
        latest_first,
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
        caller: who.caller(),
        pipeline: None,
        source: source(content)?,
        upsert: query.upsert,
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
        caller: who.caller(),
        pipeline: pipeline_ref(p),
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
        caller: who.caller(),
        pipeline: pipeline_ref(p),
        source: source(content)?,
        upsert: false,
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
        caller: who.caller(),
        pipeline: pipeline_ref(p),
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
        caller: who.caller(),
        pipeline: pipeline_ref(p),
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
        caller: who.caller(),
        pipeline: pipeline_ref(p),
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

fn defined(pipeline: Pipeline) -> impl IntoResponse {
    let location = format!("/api/v2/pipelines/{}", pipeline.id);
    let (status, headers): (_, Option<[(HeaderName, String); 1]>) = if pipeline.created {
        (StatusCode::CREATED, Some([(header::LOCATION, location)]))
    } else {
        (StatusCode::OK, None)
    };
    let mut response = (status, Json(PipelineView::whole(pipeline))).into_response();
    for (name, value) in headers.into_iter().flatten() {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

impl PipelineView {
    fn whole(mut pipeline: Pipeline) -> Self {
        let definition = RawValue::from_string(std::mem::take(&mut pipeline.definition_json));
        let steps = std::mem::take(&mut pipeline.steps);
        Self {
            definition: definition.ok(),
            steps: steps.into_iter().map(StepIds::of).collect(),
            ..Self::in_list(pipeline)
        }
    }

    fn in_list(pipeline: Pipeline) -> Self {
        Self {
            id: pipeline.id,
            number: pipeline.number,
            name: pipeline.name,
            account: pipeline.account,
            owner: Person {
                id: pipeline.owner,
                name: pipeline.owner_name,
            },
            version: pipeline.version,
            run_count: pipeline.run_count,
            created_at: Time::at(pipeline.created_at_ms),
            updated_at: Time::at(pipeline.updated_at_ms),
            definition: None,
            steps: Vec::new(),
            latest_run: pipeline.latest_run.map(RunView::of),
        }
    }
}

impl StepIds {
    fn of(step: Step) -> Self {
        Self {
            id: step.slug,
            name: step.name,
            object_id: step.id,
            number: step.number,
        }
    }
}
