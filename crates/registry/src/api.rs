//! What the registry is asked: parse, act, answer.

use contracts::registry::registry_server::Registry;
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, NameUserRequest, NameUserResponse, PutSecretRequest,
    PutSecretResponse, RevealSecretsRequest, RevealSecretsResponse, Secret,
};
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use crate::keeper::Keeper;
use crate::secret::{Place, checked_account};
use crate::store::{Asked, Bearer, Listed, Presented, Store};
use crate::uses::Uses;
use crate::{Error, token};

mod identities;
mod keys;
mod people;
mod plugins;
#[cfg(test)]
mod tests;
mod tokens;
mod tools;
mod view;

pub(crate) use identities::Identities;
pub(crate) use keys::Keys;
pub(crate) use tools::Tools;

pub(crate) use people::People;
pub(crate) use plugins::Plugins;
pub(crate) use tokens::Tokens;

/// What a page holds, at most.
const LONGEST_PAGE: u32 = 1000;

/// Answers the registry's calls.
#[derive(Debug)]
pub(crate) struct Api {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
    uses: Uses,
}

impl Api {
    /// Answers from `store`, rings `bell` after what is announced, and notes `uses` of tokens.
    pub(crate) fn new(store: Store, bell: Bell, uses: Uses) -> Self {
        Self { store, bell, uses }
    }

    async fn bearer(&self, token: &str) -> Result<Bearer, Error> {
        let hash = token::hash_of_presented(token).ok_or(Error::Unauthenticated)?;
        let now_ms = clock::now_ms();
        match self.store.presented(hash, now_ms).await? {
            Presented::Good(bearer) => {
                self.uses
                    .note(&bearer.token_id, bearer.last_used_at_ms, now_ms);
                Ok(*bearer)
            }
            Presented::Refused => Err(Error::Unauthenticated),
            Presented::Reused(id) => {
                self.store.revoke_family(&id, now_ms).await?;
                self.bell.ring();
                Err(Error::Unauthenticated)
            }
        }
    }
}

/// Refuses a page of no or too many.
fn checked_limit(limit: u32) -> Result<u64, Error> {
    if (1..=LONGEST_PAGE).contains(&limit) {
        return Ok(limit.into());
    }
    Err(Error::Limit(limit))
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

    async fn name_user(
        &self,
        request: Request<NameUserRequest>,
    ) -> Result<Response<NameUserResponse>, Status> {
        let NameUserRequest { account, user } = request.into_inner();
        let (id, name) = self.store.owner(&account, &user).await?;
        Ok(Response::new(NameUserResponse { id, name }))
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
            caller,
        } = request.into_inner();
        let place = Place::new(account, name)?;
        let keeper = Keeper::of(&place, actor, caller)?;
        let created = self
            .store
            .set_secret(&place, &value, &keeper, clock::now_ms())
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
            caller,
        } = request.into_inner();
        let place = Place::new(account, name)?;
        let keeper = Keeper::of(&place, actor, caller)?;
        self.store
            .remove_secret(&place, &keeper, clock::now_ms())
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
        let limit = checked_limit(limit)?;
        let listed = self.store.listed(&account, &after, limit).await?;
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
            actor,
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
        let asked = Asked {
            account,
            actor,
            run_id,
            step_id,
        };
        let values = self.store.revealed(&asked, names, clock::now_ms()).await?;
        self.bell.ring();
        Ok(Response::new(RevealSecretsResponse { values }))
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
