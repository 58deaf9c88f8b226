//! The registry's tools, as far as a test says.

use contracts::registry::tools_server::Tools;
use contracts::registry::{
    CreateToolRequest, DeleteToolRequest, DeleteToolResponse, GetToolRequest, ListToolsRequest,
    ListToolsResponse, ResolveToolRequest, ResolveToolResponse, Tool, ToolRef, TransferToolRequest,
    UpdateToolRequest,
};
use tonic::{Code, Request, Response, Status};

use super::{Fake, fault};

pub(crate) const TOOL: &str = "5fc7a12ebed9dd3a622f5d22";

pub(crate) fn tool(document: &serde_json::Value) -> Tool {
    Tool {
        id: TOOL.into(),
        number: 3,
        account: "org".into(),
        owner: "5e1cbf251c26d68f7ce6361e".into(),
        owner_name: "Ada".into(),
        document_json: document.to_string(),
        role_access_level: "manager".into(),
        revision: 4,
        created_at_ms: 1_600_000_000_000,
        updated_at_ms: 1_600_000_001_000,
        ..Default::default()
    }
}

fn known(reference: Option<ToolRef>) -> Result<(), Status> {
    match reference {
        Some(reference) if reference.text == TOOL => Ok(()),
        _ => Err(fault(Code::NotFound, "NO_TOOL", "there is no such tool")),
    }
}

#[async_trait::async_trait]
impl Tools for Fake {
    async fn create_tool(
        &self,
        request: Request<CreateToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        self.answer(|behind| {
            let said = request.into_inner().document_json;
            behind.tool = tool(&serde_json::from_str(&said).unwrap_or_default());
            Ok(behind.tool.clone())
        })
    }

    async fn get_tool(&self, request: Request<GetToolRequest>) -> Result<Response<Tool>, Status> {
        known(request.into_inner().tool)?;
        self.answer(|behind| Ok(behind.tool.clone()))
    }

    async fn list_tools(
        &self,
        request: Request<ListToolsRequest>,
    ) -> Result<Response<ListToolsResponse>, Status> {
        let first = request.into_inner().cursor.is_empty();
        self.answer(|behind| {
            Ok(ListToolsResponse {
                tools: vec![behind.tool.clone(); 2],
                next_cursor: if first { "more".into() } else { String::new() },
            })
        })
    }

    async fn transfer_tool(
        &self,
        request: Request<TransferToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        let request = request.into_inner();
        known(request.tool)?;
        self.answer(|behind| {
            behind.tool.owner = request.owner;
            Ok(behind.tool.clone())
        })
    }

    async fn update_tool(
        &self,
        request: Request<UpdateToolRequest>,
    ) -> Result<Response<Tool>, Status> {
        let request = request.into_inner();
        known(request.tool.clone())?;
        self.answer(|behind| {
            if let Some(failure) = behind.failures.pop_front() {
                return Err(failure);
            }
            behind.tool_changes.push(request);
            Ok(behind.tool.clone())
        })
    }

    async fn delete_tool(
        &self,
        request: Request<DeleteToolRequest>,
    ) -> Result<Response<DeleteToolResponse>, Status> {
        known(request.into_inner().tool)?;
        Ok(Response::new(DeleteToolResponse {}))
    }

    async fn resolve_tool(
        &self,
        _: Request<ResolveToolRequest>,
    ) -> Result<Response<ResolveToolResponse>, Status> {
        Err(Status::permission_denied("not the gateway"))
    }
}
