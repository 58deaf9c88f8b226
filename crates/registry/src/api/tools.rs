//! What is asked about tools: parse, act, answer.

use contracts::access::ToolRight;
use contracts::message::Caller;
use contracts::registry::tools_server::Tools as Service;
use contracts::registry::{
    CreateToolRequest, DeleteToolRequest, DeleteToolResponse, GetToolRequest, ListToolsRequest,
    ListToolsResponse, ResolveToolRequest, ResolveToolResponse, Tool, ToolRef, TransferToolRequest,
    UpdateToolRequest,
};
use runtime::{Bell, clock};
use serde_json::Value;
use tonic::{Request, Response, Status};

use crate::Error;
use crate::store::{Asked, Page, Seen, Store};
use crate::tool::{self, Refused};

/// Tools a page, at most.
const LONGEST_PAGE: u32 = 1000;

/// Answers calls about tools.
#[derive(Debug)]
pub(crate) struct Tools {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
}

impl Tools {
    /// Answers from `store` and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, bell: Bell) -> Self {
        Self { store, bell }
    }

    async fn answer(&self, caller: &Caller, tool: tool::Tool) -> Result<Response<Tool>, Status> {
        self.bell.ring();
        let seen = self.store.seen_one(caller, tool).await?;
        Ok(Response::new(seen.into()))
    }
}

#[tonic::async_trait]
impl Service for Tools {
    async fn create_tool(
        &self,
        request: Request<CreateToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        let request = request.into_inner();
        let caller = request.caller.unwrap_or_default();
        let said = tool::read(&request.document_json).map_err(Error::from)?;
        let made = self.store.make_tool(&caller, said, clock::now_ms()).await?;
        self.answer(&caller, made).await
    }

    async fn get_tool(&self, request: Request<GetToolRequest>) -> Result<Response<Tool>, Status> {
        let GetToolRequest { caller, tool } = request.into_inner();
        let caller = caller.unwrap_or_default();
        let seen = self
            .store
            .tool(&caller, &text(tool), ToolRight::View)
            .await?;
        Ok(Response::new(seen.into()))
    }

    async fn list_tools(
        &self,
        request: Request<ListToolsRequest>,
    ) -> Result<Response<ListToolsResponse>, Status> {
        let request = request.into_inner();
        let page = page(&request)?;
        let caller = request.caller.unwrap_or_default();
        let (tools, next) = self.store.tools(&caller, page).await?;
        Ok(Response::new(ListToolsResponse {
            tools: tools.into_iter().map(Tool::from).collect(),
            next_cursor: next.map_or_else(String::new, |(updated, number)| {
                format!("{updated}-{number}")
            }),
        }))
    }

    async fn update_tool(
        &self,
        request: Request<UpdateToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        let request = request.into_inner();
        let caller = request.caller.unwrap_or_default();
        let changes = tool::read(&request.changes_json).map_err(Error::from)?;
        let change = (changes, request.replace);
        let reference = text(request.tool);
        let changed = self
            .store
            .change_tool(&caller, &reference, change, clock::now_ms())
            .await?;
        self.answer(&caller, changed).await
    }

    async fn delete_tool(
        &self,
        request: Request<DeleteToolRequest>,
    ) -> Result<Response<DeleteToolResponse>, Status> {
        let DeleteToolRequest { caller, tool } = request.into_inner();
        let caller = caller.unwrap_or_default();
        self.store
            .remove_tool(&caller, &text(tool), clock::now_ms())
            .await?;
        self.bell.ring();
        Ok(Response::new(DeleteToolResponse {}))
    }

    async fn transfer_tool(
        &self,
        request: Request<TransferToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        let request = request.into_inner();
        let caller = request.caller.unwrap_or_default();
        let reference = text(request.tool);
        let given = self
            .store
            .transfer_tool(&caller, &reference, &request.owner, clock::now_ms())
            .await?;
        self.answer(&caller, given).await
    }

    async fn resolve_tool(
        &self,
        request: Request<ResolveToolRequest>,
    ) -> Result<Response<ResolveToolResponse>, Status> {
        let request = request.into_inner();
        let caller = request.caller.unwrap_or_default();
        let caller = self.store.with_rights(caller).await?;
        let asked = Asked {
            account: caller.account.clone(),
            actor: caller.actor.clone(),
            run_id: request.run_id,
            step_id: request.step_id,
        };
        let reference = text(request.tool);
        let wanted = (reference.as_str(), request.connector.as_str());
        let resolved = self
            .store
            .resolved(&caller, wanted, &asked, clock::now_ms())
            .await?;
        self.bell.ring();
        let document = resolved.tool.document;
        Ok(Response::new(ResolveToolResponse {
            id: resolved.tool.id,
            document_json: Value::Object(document.properties()).to_string(),
            name: document.name,
            tool_identifier: document.identifier,
            configuration_json: resolved.configuration.to_string(),
            secrets: resolved.secrets,
            connector: resolved.connector,
        }))
    }
}

fn text(reference: Option<ToolRef>) -> String {
    reference.unwrap_or_default().text
}

fn page(request: &ListToolsRequest) -> Result<Page, Error> {
    if !(1..=LONGEST_PAGE).contains(&request.limit) {
        return Err(Error::Limit(request.limit));
    }
    let after = match request.cursor.as_str() {
        "" => None,
        cursor => {
            let numbers = cursor.split_once('-');
            let numbers = numbers.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
            Some(numbers.ok_or(Refused::Cursor)?)
        }
    };
    Ok(Page {
        limit: request.limit as usize,
        latest_first: request.latest_first,
        after,
    })
}

impl From<Seen> for Tool {
    fn from(seen: Seen) -> Self {
        let Seen {
            tool,
            standing,
            owner_name,
        } = seen;
        let document = tool.document;
        Self {
            id: tool.id,
            number: tool.number,
            account: tool.account,
            owner: tool.owner,
            owner_name,
            active: document.active,
            document_json: Value::Object(document.properties()).to_string(),
            name: document.name,
            tool_identifier: document.identifier,
            role_access_level: standing.role_name().to_owned(),
            revision: tool.revision,
            created_at_ms: tool.created_at_ms,
            updated_at_ms: tool.updated_at_ms,
        }
    }
}
