//! Runs: start, read, list, stop.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::pipeline::{GetRunRequest, ListRunsRequest, Run, StopRunsRequest};
use runtime::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::run_view::RunView;
use super::words::StopMode;
use super::{PageQuery, pipeline_ref, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::start::{self, Start};

/// What a run is given.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct StartBody {
    /// By name; what is not a string is taken as its JSON text.
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
}

/// A run that was accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    #[serde(flatten)]
    run: RunView,
    /// The key was known: this is the run that it started before.
    repeated: bool,
}

/// How runs are stopped.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StopBody {
    /// `graceful` unless said. A second stop may only be harder.
    pub(super) mode: StopMode,
    /// Why; it is kept with the run.
    pub(super) reason: String,
}

impl Default for StopBody {
    fn default() -> Self {
        Self {
            mode: StopMode::Graceful,
            reason: String::new(),
        }
    }
}

/// A page of runs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunPage {
    runs: Vec<RunView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Accepts a run. It waits if the pipeline has no free place.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/runs", operation_id = "startRun", tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Repeating the same key within 24 hours starts no second run")),
    request_body = StartBody,
    responses((status = 202, body = Accepted, headers(("Location" = String, description = "Where it is")))))]
pub(crate) async fn start(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    headers: HeaderMap,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: StartBody = content.json()?;
    let start = Start {
        pipeline: p,
        parameters: start::parameters(body.parameters)?,
        key: start::key(&headers)?,
        unless_paused: false,
        resume: None,
        ..Default::default()
    };
    accepted(&gateway, &who, start).await
}

/// Goes on where a run ended: a new run of its plan in its workspace, in which the steps that ran count as finished.
///
/// Only the latest run of a pipeline can be resumed, within a day, if it has failed or was stopped. A gate that was not
/// approved opens again.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/runs/{runCount}/resume", operation_id = "resumeRun", tag = "runs",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Repeating the same key within 24 hours starts no second run")),
    responses((status = 202, body = Accepted, headers(("Location" = String, description = "Where it is")))))]
pub(crate) async fn resume(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let start = Start {
        pipeline: p,
        parameters: HashMap::new(),
        key: start::key(&headers)?,
        unless_paused: false,
        resume: Some(number(&run_count)?),
        ..Default::default()
    };
    accepted(&gateway, &who, start).await
}

async fn accepted(
    gateway: &Gateway,
    who: &Who,
    start: Start,
) -> Result<impl IntoResponse + use<>, Problem> {
    let answer = start::run(gateway, who, start).await?;
    let run = answer.run.ok_or_else(Problem::internal)?;
    let location = format!(
        "/api/v2/pipelines/{}/runs/{}",
        run.pipeline_id, run.run_count
    );
    let accepted = Accepted {
        run: RunView::of(run),
        repeated: answer.repeated,
    };
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, location)],
        Json(accepted),
    ))
}

/// Lists the runs of a pipeline.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/runs", operation_id = "listRuns", tag = "runs",
    params(PageQuery), responses((status = 200, body = RunPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    uri: Uri,
) -> Result<Json<RunPage>, Problem> {
    let (limit, cursor) = PageQuery::of(&uri)?;
    let request = ListRunsRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        limit,
        cursor,
        ..Default::default()
    };
    let answer = gateway
        .peers
        .pipelines()
        .list_runs(request)
        .await?
        .into_inner();
    let runs = answer.runs.into_iter().map(RunView::of).collect();
    Ok(Json(RunPage {
        runs,
        next: some(answer.next_cursor),
    }))
}

/// Reads a run and its steps.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/runs/{runCount}", operation_id = "readRun",
    tag = "runs", responses((status = 200, body = RunView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    Ok(Json(RunView::of(run(&gateway, &who, p, &run_count).await?)))
}

/// Stops a run. Answers once the stop is accepted, not when the run has ended.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/runs/{runCount}/stop", operation_id = "stopRun",
    tag = "runs", request_body = StopBody, responses((status = 202, body = RunView)))]
pub(crate) async fn stop(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: StopBody = content.json()?;
    let mut run_count = number(&run_count)?;
    if run_count == 0 {
        run_count = asked(&gateway, &who, p.clone(), 0).await?.run_count;
    }
    let request = StopRunsRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        run_count,
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
    let run = answer
        .runs
        .into_iter()
        .find(|run| run.run_count == run_count);
    let run = run.ok_or_else(|| no_run(run_count))?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(run))))
}

/// The run that a path names.
pub(super) async fn run(
    gateway: &Gateway,
    who: &Who,
    p: String,
    run_count: &str,
) -> Result<Run, Problem> {
    asked(gateway, who, p, number(run_count)?).await
}

async fn asked(gateway: &Gateway, who: &Who, p: String, run_count: i64) -> Result<Run, Problem> {
    let request = GetRunRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        run_count,
        ..Default::default()
    };
    Ok(gateway
        .peers
        .pipelines()
        .get_run(request)
        .await?
        .into_inner())
}

/// A run count as a path says it; 0 is the latest.
pub(super) fn number(text: &str) -> Result<i64, Problem> {
    if text == "latest" {
        return Ok(0);
    }
    text.parse::<i64>()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| {
            Problem::invalid(format!(
                "\"{text}\" is not a run count: say 1 or more, or latest"
            ))
        })
}

fn no_run(run_count: i64) -> Problem {
    Problem::new(
        Kind::NotFound,
        "NO_RUN",
        format!("the pipeline has no run {run_count}"),
    )
}
