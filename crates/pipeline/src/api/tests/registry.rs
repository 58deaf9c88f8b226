//! A registry to which no name is one.

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
