//! The services behind the gateway that this matrix is not about: they know everybody and do as asked.
//! What a token says is made up here; all else of the registry is the real one's.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use contracts::audit::audit_log_server::AuditLog;
use contracts::audit::{
    ExportAuditRequest, ExportAuditResponse, LatestActivityRequest, LatestActivityResponse,
    ListActionsRequest, ListActionsResponse, ListAuditKeysRequest, ListAuditKeysResponse,
    ListTokenUsesRequest, ListTokenUsesResponse, QueryActivityRequest, QueryActivityResponse,
};
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::registry_server::Registry;
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, NameUserRequest, NameUserResponse, PutSecretRequest,
    PutSecretResponse, RevealSecretsRequest, RevealSecretsResponse,
};
use futures::Stream;
use tonic::{Request, Response, Status};

use super::people::Person;
use super::world::ACCOUNT;

/// All of them. A token is `scope.user`, and is good for what it says.
#[derive(Clone)]
pub(crate) struct Others {
    /// Of the real registry.
    pub(crate) registry: RegistryClient<runtime::Route>,
    /// The ids of users, by what stands before the `@` of their e-mail addresses.
    pub(crate) users: Arc<BTreeMap<String, String>>,
}

type Answer<T> = Result<Response<T>, Status>;
type Told<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[allow(clippy::unnecessary_wraps, reason = "what the calls answer")]
fn answer<T: Default>() -> Answer<T> {
    Ok(Response::new(T::default()))
}

#[async_trait::async_trait]
impl Registry for Others {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Answer<AuthenticateResponse> {
        let token = request.into_inner().token;
        let nobody = || Status::unauthenticated("nobody has this token");
        let (scope, id) = token.split_once('.').ok_or_else(nobody)?;
        let person = Person::of_id(id).ok_or_else(nobody)?;
        let user_id = self.users.get(id).ok_or_else(nobody)?.clone();
        let roles = Some(person.site_role).filter(|it| !it.is_empty());
        Ok(Response::new(AuthenticateResponse {
            token_id: "61043b2bbcb6d95b55adc5fd".into(),
            user_id,
            user_name: person.name.into(),
            user_email: format!("{id}@example.org"),
            account: ACCOUNT.into(),
            scopes: vec![scope.into()],
            roles: roles.into_iter().map(str::to_owned).collect(),
            ..Default::default()
        }))
    }

    async fn name_user(&self, asked: Request<NameUserRequest>) -> Answer<NameUserResponse> {
        self.registry.clone().name_user(asked).await
    }

    async fn put_secret(&self, asked: Request<PutSecretRequest>) -> Answer<PutSecretResponse> {
        self.registry.clone().put_secret(asked).await
    }

    async fn delete_secret(
        &self,
        asked: Request<DeleteSecretRequest>,
    ) -> Answer<DeleteSecretResponse> {
        self.registry.clone().delete_secret(asked).await
    }

    async fn list_secrets(
        &self,
        asked: Request<ListSecretsRequest>,
    ) -> Answer<ListSecretsResponse> {
        self.registry.clone().list_secrets(asked).await
    }

    async fn reveal_secrets(
        &self,
        _: Request<RevealSecretsRequest>,
    ) -> Answer<RevealSecretsResponse> {
        Err(Status::permission_denied(
            "nothing of the gateway asks for a secret",
        ))
    }
}

#[async_trait::async_trait]
impl AuditLog for Others {
    type TailActivityStream = Told<QueryActivityResponse>;

    async fn query_activity(
        &self,
        _: Request<QueryActivityRequest>,
    ) -> Answer<QueryActivityResponse> {
        answer()
    }

    async fn tail_activity(
        &self,
        _: Request<QueryActivityRequest>,
    ) -> Answer<Self::TailActivityStream> {
        Ok(Response::new(Box::pin(futures::stream::empty())))
    }

    async fn latest_activity(
        &self,
        _: Request<LatestActivityRequest>,
    ) -> Answer<LatestActivityResponse> {
        answer()
    }

    async fn list_actions(&self, _: Request<ListActionsRequest>) -> Answer<ListActionsResponse> {
        answer()
    }

    async fn list_token_uses(
        &self,
        _: Request<ListTokenUsesRequest>,
    ) -> Answer<ListTokenUsesResponse> {
        answer()
    }

    type ExportAuditStream = Told<ExportAuditResponse>;

    async fn export_audit(
        &self,
        _: Request<ExportAuditRequest>,
    ) -> Answer<Self::ExportAuditStream> {
        Ok(Response::new(Box::pin(futures::stream::empty())))
    }

    async fn list_audit_keys(
        &self,
        _: Request<ListAuditKeysRequest>,
    ) -> Answer<ListAuditKeysResponse> {
        answer()
    }
}
