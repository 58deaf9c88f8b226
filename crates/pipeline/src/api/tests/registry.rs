//! A registry to which no name is one, and which has two tools.

use contracts::registry as wire;
use tonic::{Request, Response, Status};

/// Refuses whatever it is asked.
pub(super) struct NoSuchName;

fn refusal() -> Status {
    Status::invalid_argument("no name of a secret")
}

#[tonic::async_trait]
impl wire::registry_server::Registry for NoSuchName {
    async fn authenticate(
        &self,
        _: Request<wire::AuthenticateRequest>,
    ) -> Result<Response<wire::AuthenticateResponse>, Status> {
        Err(refusal())
    }

    async fn name_user(
        &self,
        request: Request<wire::NameUserRequest>,
    ) -> Result<Response<wire::NameUserResponse>, Status> {
        match request.into_inner().user.as_str() {
            "bob@example.org" => Ok(Response::new(wire::NameUserResponse {
                id: "bob".into(),
                name: "user bob".into(),
            })),
            _ => Err(Status::not_found("there is no such user")),
        }
    }

    async fn put_secret(
        &self,
        _: Request<wire::PutSecretRequest>,
    ) -> Result<Response<wire::PutSecretResponse>, Status> {
        Err(refusal())
    }

    async fn delete_secret(
        &self,
        _: Request<wire::DeleteSecretRequest>,
    ) -> Result<Response<wire::DeleteSecretResponse>, Status> {
        Err(refusal())
    }

    async fn list_secrets(
        &self,
        _: Request<wire::ListSecretsRequest>,
    ) -> Result<Response<wire::ListSecretsResponse>, Status> {
        Err(refusal())
    }

    async fn reveal_secrets(
        &self,
        _: Request<wire::RevealSecretsRequest>,
    ) -> Result<Response<wire::RevealSecretsResponse>, Status> {
        Err(refusal())
    }
}

fn no_such_call() -> Status {
    Status::unimplemented("pipeline doesn't ask this")
}

/// A tool that an outside consumer serves.
fn farm() -> wire::ResolveToolResponse {
    wire::ResolveToolResponse {
        id: "1123456789abcdef01234567".into(),
        name: "farm".into(),
        tool_identifier: "field".into(),
        configuration_json: r#"{"token": {"name": "Vault Secured Key", "vaultKey": "k"}}"#.into(),
        connector: "kafka".into(),
        ..Default::default()
    }
}

/// One tool is called `ci`, and only who started a run may use it: user `u` of `acme`.
#[tonic::async_trait]
impl wire::tools_server::Tools for NoSuchName {
    async fn resolve_tool(
        &self,
        request: Request<wire::ResolveToolRequest>,
    ) -> Result<Response<wire::ResolveToolResponse>, Status> {
        let request = request.into_inner();
        let tool = request.tool.unwrap_or_default().text;
        if tool == "farm" {
            return Ok(Response::new(farm()));
        }
        if tool != "ci" {
            return Err(Status::not_found("there is no such tool"));
        }
        let caller = request.caller.unwrap_or_default();
        assert!(!caller.account.is_empty() && !request.run_id.is_empty());
        assert_eq!(caller.actor.unwrap_or_default().user_id, "u");
        Ok(Response::new(wire::ResolveToolResponse {
            id: "0123456789abcdef01234567".into(),
            name: "ci".into(),
            tool_identifier: "jenkins".into(),
            configuration_json: r#"{"url": "https://ci", "token": "hunter2"}"#.into(),
            secrets: vec!["hunter2".into()],
            ..Default::default()
        }))
    }

    async fn create_tool(
        &self,
        _: Request<wire::CreateToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        Err(no_such_call())
    }

    async fn get_tool(
        &self,
        _: Request<wire::GetToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        Err(no_such_call())
    }

    async fn list_tools(
        &self,
        _: Request<wire::ListToolsRequest>,
    ) -> Result<Response<wire::ListToolsResponse>, Status> {
        Err(no_such_call())
    }

    async fn update_tool(
        &self,
        _: Request<wire::UpdateToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        Err(no_such_call())
    }

    async fn transfer_tool(
        &self,
        _: Request<wire::TransferToolRequest>,
    ) -> Result<Response<wire::Tool>, Status> {
        Err(no_such_call())
    }

    async fn delete_tool(
        &self,
        _: Request<wire::DeleteToolRequest>,
    ) -> Result<Response<wire::DeleteToolResponse>, Status> {
        Err(no_such_call())
    }
}
