//! Where a tool is used: the pipelines that name it, and what steps have done with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use contracts::pipeline::{ListToolPipelinesRequest, ListToolRunsRequest, ToolPipeline, ToolRun};
use contracts::registry::{GetToolRequest, Tool, ToolRef};
use serde::Serialize;
use utoipa::ToSchema;

use super::words::StepState;
use super::{PageQuery, some};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;
use crate::time::Time;

/// Entries of an answer of the pipelines' service.
const CHUNK: u32 = 100;
/// Answers that are put together for a page, at most.
const MAX_CHUNKS: usize = 20;

/// The pipelines that use a tool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolPipelinePage {
    pipelines: Vec<ToolPipelineView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A pipeline that uses a tool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ToolPipeline)]
struct ToolPipelineView {
    /// 24 hex digits.
    id: String,
    number: i64,
    name: String,
    /// The ids of the steps that name the tool.
    steps: Vec<String>,
}

/// What has become of a tool's operations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolLog {
    /// Newest first.
    entries: Vec<ToolLogEntry>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A try of a step that worked with a tool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ToolLogEntry {
    /// The operation's name; `custom` for one that the step describes itself.
    action: String,
    #[schema(required)]
    status: Option<StepState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
    pipeline_id: String,
    pipeline_name: String,
    run_id: String,
    run_count: i64,
    /// As the definition calls it.
    step: String,
    /// From 1.
    r#try: u32,
}

/// Lists the pipelines whose definitions name a tool, by its id, number or name, as far as the caller
/// may see them.
#[utoipa::path(get, path = "/api/v2/tools/{t}/pipelines", operation_id = "listToolPipelines",
    tag = "tools", params(PageQuery), responses((status = 200, body = ToolPipelinePage)))]
pub(crate) async fn pipelines(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
    uri: Uri,
) -> Result<Json<ToolPipelinePage>, Problem> {
    let (limit, mut cursor) = PageQuery::of(&uri)?;
    let tool = found(&gateway, &who, t).await?;
    let names = vec![
        tool.id,
        tool.number.to_string(),
        format!("name:{}", tool.name),
        tool.name,
    ];
    let mut pipelines = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let left = limit.saturating_sub(u32::try_from(pipelines.len()).unwrap_or(limit));
        let request = ListToolPipelinesRequest {
            caller: Some(who.caller()),
            names: names.clone(),
            limit: left.min(CHUNK),
            cursor,
        };
        let mut client = gateway.peers.pipelines();
        let page = client.list_tool_pipelines(request).await?.into_inner();
        pipelines.extend(page.pipelines.into_iter().map(ToolPipelineView::of));
        cursor = page.next_cursor;
        if cursor.is_empty() || pipelines.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(ToolPipelinePage {
        pipelines,
        next: some(cursor),
    }))
}

/// Reads what steps of runs have done with a tool, the newest first, as far as the caller may see
/// their pipelines.
#[utoipa::path(get, path = "/api/v2/tools/{t}/logs", operation_id = "readToolLog", tag = "tools",
    params(PageQuery), responses((status = 200, body = ToolLog)))]
pub(crate) async fn logs(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
    uri: Uri,
) -> Result<Json<ToolLog>, Problem> {
    let (limit, mut cursor) = PageQuery::of(&uri)?;
    let tool_id = found(&gateway, &who, t).await?.id;
    let mut entries = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let left = limit.saturating_sub(u32::try_from(entries.len()).unwrap_or(limit));
        let request = ListToolRunsRequest {
            caller: Some(who.caller()),
            tool_id: tool_id.clone(),
            limit: left.min(CHUNK),
            cursor,
        };
        let mut client = gateway.peers.pipelines();
        let page = client.list_tool_runs(request).await?.into_inner();
        entries.extend(page.runs.into_iter().map(ToolLogEntry::of));
        cursor = page.next_cursor;
        if cursor.is_empty() || entries.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(ToolLog {
        entries,
        next: some(cursor),
    }))
}

/// The tool that is meant, if the caller may see it.
async fn found(gateway: &Gateway, who: &Who, text: String) -> Result<Tool, Problem> {
    let request = GetToolRequest {
        caller: Some(who.caller()),
        tool: Some(ToolRef { text }),
    };
    let tool = gateway.peers.tools().get_tool(request).await?;
    Ok(tool.into_inner())
}

impl ToolPipelineView {
    fn of(found: ToolPipeline) -> Self {
        Self {
            id: found.id,
            number: found.number,
            name: found.name,
            steps: found.steps,
        }
    }
}

impl ToolLogEntry {
    fn of(run: ToolRun) -> Self {
        Self {
            status: StepState::of(run.state),
            action: run.operation,
            message: some(run.message),
            created_at: Time::at(run.at_ms),
            ended_at: Time::of(run.ended_at_ms),
            pipeline_id: run.pipeline_id,
            pipeline_name: run.pipeline_name,
            run_id: run.run_id,
            run_count: run.run_count,
            step: run.step_id,
            r#try: run.r#try,
        }
    }
}
