//! What the registry is asked: parse, act, answer.

use contracts::registry::registry_server::Registry;
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, PutSecretRequest, PutSecretResponse,
    RevealSecretsRequest, RevealSecretsResponse, Secret,
};
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use crate::secret::{Place, checked_account};
use crate::store::{Bearer, Listed, Store};
use crate::{Error, token};

#[cfg(test)]
mod tests;

/// Names a page, at most.
const LONGEST_PAGE: u32 = 1000;

/// Answers the registry's calls.
#[derive(Debug)]
pub(crate) struct Api {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
}

impl Api {
    /// Answers from `store` and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, bell: Bell) -> Self {
        Self { store, bell }
    }

    async fn bearer(&self, token: &str) -> Result<Bearer, Error> {
        let hash = token::hash_of_presented(token).ok_or(Error::Unauthenticated)?;
        self.store
            .bearer(hash, clock::now_ms())
            .await?
            .ok_or(Error::Unauthenticated)
    }
}

#[tonic::async_trait]
impl Registry for Api {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let bearer = self.bearer(&request.get_ref().token).await?;
        Ok(Response::new(bearer.into()))
    }

    async fn put_secret(
        &self,
        request: Request<PutSecretRequest>,
    ) -> Result<Response<PutSecretResponse>, Status> {
        let PutSecretRequest {
            account,
            name,
            value,
            actor,
        } = request.into_inner();
        let place = Place::new(account, name)?;
        let created = self
            .store
            .set_secret(&place, &value, actor, clock::now_ms())
            .await?;
        self.bell.ring();
        Ok(Response::new(PutSecretResponse { created }))
    }

    async fn delete_secret(
        &self,
        request: Request<DeleteSecretRequest>,
    ) -> Result<Response<DeleteSecretResponse>, Status> {
        let DeleteSecretRequest {
            account,
            name,
            actor,
        } = request.into_inner();
        let place = Place::new(account, name)?;
        self.store
            .remove_secret(&place, actor, clock::now_ms())
            .await?;
        self.bell.ring();
        Ok(Response::new(DeleteSecretResponse {}))
    }

    async fn list_secrets(
        &self,
        request: Request<ListSecretsRequest>,
    ) -> Result<Response<ListSecretsResponse>, Status> {
        let ListSecretsRequest {
            account,
            after,
            limit,
        } = request.into_inner();
        let account = checked_account(account)?;
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(Error::Limit(limit).into());
        }
        let listed = self.store.listed(&account, &after, limit.into()).await?;
        let secrets = listed.into_iter().map(Secret::from).collect();
        Ok(Response::new(ListSecretsResponse { secrets }))
    }

    async fn reveal_secrets(
        &self,
        request: Request<RevealSecretsRequest>,
    ) -> Result<Response<RevealSecretsResponse>, Status> {
        let RevealSecretsRequest {
            account,
            names,
            run_id,
            step_id,
        } = request.into_inner();
        let places: Result<Vec<Place>, Error> = names
            .into_iter()
            .map(|name| Place::new(account.clone(), name))
            .collect();
        let names = places?
            .iter()
            .map(|place| place.name().to_owned())
            .collect();
        tracing::info!(
            account,
            run.id = run_id,
            step.id = step_id,
            secrets = ?names,
            "secrets are revealed to step {step_id}"
        );
        let values = self.store.revealed(&account, names).await?;
        Ok(Response::new(RevealSecretsResponse { values }))
    }
}

impl From<Bearer> for AuthenticateResponse {
    fn from(bearer: Bearer) -> Self {
        Self {
            token_id: bearer.token_id,
            user_id: bearer.user_id,
            user_name: bearer.user_name,
            account: bearer.account,
            scopes: bearer.scopes,
            roles: bearer.roles,
            expires_at_ms: bearer.expires_at_ms.unwrap_or_default(),
            user_email: String::new(),
            groups: Vec::new(),
        }
    }
}

impl From<Listed> for Secret {
    fn from(listed: Listed) -> Self {
        let Listed {
            name,
            created_at_ms,
            updated_at_ms,
        } = listed;
        Self {
            name,
            created_at_ms,
            updated_at_ms,
        }
    }
}
