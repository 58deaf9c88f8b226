//! Tools: make, read, list, change, delete. Their secrets come in and never go out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::registry::{
    CreateToolRequest, DeleteToolRequest, GetToolRequest, ListToolsRequest, ToolRef,
    TransferToolRequest, UpdateToolRequest,
};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::custody::TransferBody;
use super::tool_view::{Properties, ToolView, on_wire};
use super::{PageQuery, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;

/// Tools that are asked for at a time.
const CHUNK: u32 = 100;
/// Answers of the registry that are put together for a page, at most.
const MAX_CHUNKS: usize = 50;

/// A page of tools, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolPage {
    tools: Vec<ToolView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the tools that the caller may see. A page may have fewer than were asked for.
#[utoipa::path(get, path = "/api/v2/tools", operation_id = "listTools", tag = "tools",
    params(PageQuery), responses((status = 200, body = ToolPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<ToolPage>, Problem> {
    let (limit, mut cursor) = PageQuery::of(&uri)?;
    let mut tools = Vec::new();
    for _ in 0..MAX_CHUNKS {
        let left = limit.saturating_sub(u32::try_from(tools.len()).unwrap_or(limit));
        let request = ListToolsRequest {
            caller: Some(who.caller()),
            limit: left.min(CHUNK),
            cursor,
            latest_first: false,
        };
        let page = gateway
            .peers
            .tools()
            .list_tools(request)
            .await?
            .into_inner();
        tools.extend(page.tools.into_iter().map(ToolView::of));
        cursor = page.next_cursor;
        if cursor.is_empty() || tools.len() >= limit as usize {
            break;
        }
    }
    Ok(Json(ToolPage {
        tools,
        next: some(cursor),
    }))
}

/// Makes a tool. The caller is its owner.
#[utoipa::path(post, path = "/api/v2/tools", operation_id = "createTool", tag = "tools",
    request_body(content((Properties = "application/json"), (Properties = "application/yaml"))),
    responses((status = 201, body = ToolView, description = "It was made",
        headers(("Location" = String, description = "Where it is")))))]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let request = CreateToolRequest {
        caller: Some(who.caller()),
        document_json: said(&content)?,
    };
    let tool = gateway.peers.tools().create_tool(request).await?;
    let view = ToolView::of(tool.into_inner());
    let location = [(header::LOCATION, format!("/api/v2/tools/{}", view.id()))];
    Ok((StatusCode::CREATED, location, Json(view)))
}

/// Reads a tool.
#[utoipa::path(get, path = "/api/v2/tools/{t}", operation_id = "readTool", tag = "tools",
    responses((status = 200, body = ToolView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
) -> Result<Json<ToolView>, Problem> {
    let request = GetToolRequest {
        caller: Some(who.caller()),
        tool: Some(ToolRef { text: t }),
    };
    let tool = gateway.peers.tools().get_tool(request).await?;
    Ok(Json(ToolView::of(tool.into_inner())))
}

/// Replaces a tool. What is not said goes; a secret that is said by its reference stays.
#[utoipa::path(put, path = "/api/v2/tools/{t}", operation_id = "replaceTool", tag = "tools",
    request_body(content((Properties = "application/json"), (Properties = "application/yaml"))),
    responses((status = 200, body = ToolView)))]
pub(crate) async fn replace(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
    content: Content,
) -> Result<Json<ToolView>, Problem> {
    change(&gateway, &who, t, &content, true).await
}

/// Changes a tool at its root: each property that is said replaces the one that is there as a
/// whole, null removes it.
#[utoipa::path(patch, path = "/api/v2/tools/{t}", operation_id = "updateTool", tag = "tools",
    request_body(content((Object = "application/json"), (Object = "application/yaml"))),
    responses((status = 200, body = ToolView)))]
pub(crate) async fn update(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
    content: Content,
) -> Result<Json<ToolView>, Problem> {
    change(&gateway, &who, t, &content, false).await
}

/// Deletes a tool and its secrets.
#[utoipa::path(delete, path = "/api/v2/tools/{t}", operation_id = "deleteTool", tag = "tools",
    responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeleteToolRequest {
        caller: Some(who.caller()),
        tool: Some(ToolRef { text: t }),
    };
    gateway.peers.tools().delete_tool(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a tool to another owner.
#[utoipa::path(post, path = "/api/v2/tools/{t}/transfer", operation_id = "transferTool", tag = "tools",
    request_body = TransferBody, responses((status = 200, body = ToolView)))]
pub(crate) async fn transfer(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(t): Path<String>,
    content: Content,
) -> Result<Json<ToolView>, Problem> {
    let TransferBody { owner } = content.json()?;
    let request = TransferToolRequest {
        caller: Some(who.caller()),
        tool: Some(ToolRef { text: t }),
        owner,
    };
    let tool = gateway.peers.tools().transfer_tool(request).await?;
    Ok(Json(ToolView::of(tool.into_inner())))
}

async fn change(
    gateway: &Gateway,
    who: &Who,
    text: String,
    content: &Content,
    replace: bool,
) -> Result<Json<ToolView>, Problem> {
    let request = UpdateToolRequest {
        caller: Some(who.caller()),
        tool: Some(ToolRef { text }),
        changes_json: said(content)?,
        replace,
    };
    let tool = gateway.peers.tools().update_tool(request).await?;
    Ok(Json(ToolView::of(tool.into_inner())))
}

/// What a body says of a tool, in YAML or JSON. What it says is not quoted: it may hold a secret.
fn said(content: &Content) -> Result<String, Problem> {
    let text = std::str::from_utf8(&content.bytes)
        .map_err(|_| Problem::invalid("the body is not UTF-8 text"))?;
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) => steps::json_of(text)
            .map_err(|fault| Problem::invalid(format!("the body can't be used: {fault}")))?,
    };
    let Value::Object(said) = value else {
        return Err(Problem::invalid("the body must be an object: send a tool"));
    };
    let wire: Map<String, Value> = on_wire(said)?;
    Ok(Value::Object(wire).to_string())
}
