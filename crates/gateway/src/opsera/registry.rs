//! The tool registry: the list of tools, one tool, and changing it at its root.
//!
//! A tool's properties stand at the root of its document, those that the contract doesn't know among
//! them. Secrets are references. What only the server can say is ignored when a client says it.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse as _, Response};
use contracts::registry::{GetToolRequest, ListToolsRequest, Tool, ToolRef, UpdateToolRequest};
use contracts::tool::{ATTRIBUTES, CONNECTOR, Shape};
use futures::stream;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::listing::{JSON, List, broken};
use super::{hidden, input};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// The most tools that a list answers.
const MAX_TOOLS: usize = 1000;
/// Tools that are asked for at a time.
const CHUNK: usize = 100;
/// Chunks of tools that are read for a list, at most.
const MAX_CHUNKS: usize = 500;

/// A tool as the contract has it.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    id: String,
    #[serde(flatten)]
    said: Map<String, Value>,
    account: String,
    owner: String,
    owner_name: String,
    role_access_level: String,
    #[serde(rename = "createdAt")]
    created_at: Time,
    #[serde(rename = "updatedAt")]
    updated_at: Time,
    #[serde(rename = "__v")]
    revision: u32,
}

/// Which tool is meant, and what is said of it.
#[derive(Debug)]
pub(crate) struct Input {
    /// 24 hex digits.
    id: String,
    fields: Map<String, Value>,
}

impl FromRequest<Arc<Gateway>> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let content = Content::from_request(request, gateway).await?;
        let fields = input::fields(&content.bytes)?;
        let id = input::id(&fields, "toolId")?;
        Ok(Self { id, fields })
    }
}

impl Input {
    fn reference(&self) -> ToolRef {
        ToolRef {
            text: self.id.clone(),
        }
    }
}

/// Every tool that the caller may see, the last updated first, written as they are read.
pub(crate) async fn tools(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
) -> Result<Response, Problem> {
    let mut walk = Walk {
        gateway,
        who,
        cursor: String::new(),
        left: MAX_TOOLS,
        chunks: 0,
    };
    let mut text = List::begin();
    text.add(&walk.next().await?);
    let pieces = stream::try_unfold(Some((walk, text)), |state| async move {
        let Some((mut walk, mut text)) = state else {
            return Ok::<_, io::Error>(None);
        };
        if walk.is_over() {
            return Ok(Some((text.end(), None)));
        }
        let piece = text.take();
        text.add(&walk.next().await.map_err(|it| broken(&it))?);
        Ok(Some((piece, Some((walk, text)))))
    });
    Ok((JSON, Body::from_stream(pieces)).into_response())
}

pub(crate) async fn summary(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Document>, Problem> {
    let request = GetToolRequest {
        caller: Some(who.caller()),
        tool: Some(input.reference()),
    };
    let answer = gateway.peers.tools().get_tool(request).await;
    let answer = answer.map_err(|status| hidden(&who, status.into()))?;
    Ok(Json(Document::of(answer.into_inner())))
}

pub(crate) async fn update(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    mut input: Input,
) -> Result<Json<Document>, Problem> {
    let Some(Value::Object(changes)) = input.fields.remove("tool") else {
        let detail = "tool is missing: send {\"toolId\": \"…\", \"tool\": {…}}";
        return Err(Problem::invalid(detail));
    };
    let request = UpdateToolRequest {
        caller: Some(who.caller()),
        tool: Some(input.reference()),
        changes_json: Value::Object(changes).to_string(),
        replace: false,
    };
    let answer = gateway.peers.tools().update_tool(request).await;
    let answer = answer.map_err(|status| hidden(&who, status.into()))?;
    Ok(Json(Document::of(answer.into_inner())))
}

impl Document {
    fn of(tool: Tool) -> Self {
        let mut said = properties(&tool);
        // The documented attributes; what is ours alone is shown where it is said.
        for attribute in ATTRIBUTES.iter().filter(|it| it.name != CONNECTOR) {
            let absent = match attribute.shape {
                Shape::Text(_) | Shape::Id => json!(""),
                Shape::Flag => json!(true),
                Shape::Object => json!({}),
                Shape::Objects | Shape::List | Shape::Rules => json!([]),
            };
            said.entry(attribute.name).or_insert(absent);
        }
        Self {
            id: tool.id,
            said,
            account: tool.account,
            owner: tool.owner,
            owner_name: tool.owner_name,
            role_access_level: tool.role_access_level,
            created_at: Time::at(tool.created_at_ms),
            updated_at: Time::at(tool.updated_at_ms),
            revision: 0,
        }
    }
}

/// What was said about a tool.
pub(crate) fn properties(tool: &Tool) -> Map<String, Value> {
    serde_json::from_str(&tool.document_json).unwrap_or_else(|error| {
        tracing::error!(tool.id = tool.id, "a tool can't be read: {error}");
        Map::new()
    })
}

/// A way through the tools, chunk by chunk.
struct Walk {
    gateway: Arc<Gateway>,
    who: Who,
    cursor: String,
    left: usize,
    chunks: usize,
}

impl Walk {
    fn is_over(&self) -> bool {
        self.left == 0 || self.chunks == MAX_CHUNKS || (self.chunks > 0 && self.cursor.is_empty())
    }

    async fn next(&mut self) -> Result<Vec<String>, Problem> {
        let request = ListToolsRequest {
            caller: Some(self.who.caller()),
            limit: u32::try_from(self.left.min(CHUNK)).unwrap_or(1),
            cursor: std::mem::take(&mut self.cursor),
            latest_first: true,
        };
        let answer = self.gateway.peers.tools().list_tools(request).await?;
        let page = answer.into_inner();
        self.cursor = page.next_cursor;
        self.chunks += 1;
        self.left = self.left.saturating_sub(page.tools.len());
        let written = |tool| serde_json::to_string(&Document::of(tool));
        let documents = page.tools.into_iter().map(written);
        documents.collect::<Result<_, _>>().map_err(|error| {
            tracing::error!("a tool can't be written: {error}");
            Problem::internal()
        })
    }
}
