//! What is asked about users as systems outside know them: parse, act, answer.

use contracts::registry::identities_server::Identities as Service;
use contracts::registry::{
    FindIdentityRequest, FindIdentityResponse, Identity, InstallIdentitiesRequest,
    ListIdentitiesRequest, ListIdentitiesResponse, PutIdentityRequest, PutIdentityResponse,
};
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::caller::Caller;
use crate::entity::user;
use crate::identity::Provisioned;
use crate::role::Roles;
use crate::secret::checked_account;
use crate::store::{Store, names};

/// Users that are installed at once.
const MOST_INSTALLED: usize = 10;

/// Answers calls about users as systems outside know them.
#[derive(Debug)]
pub(crate) struct Identities {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
}

impl Identities {
    /// Answers from `store` and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, bell: Bell) -> Self {
        Self { store, bell }
    }
}

#[tonic::async_trait]
impl Service for Identities {
    async fn find_identity(
        &self,
        request: Request<FindIdentityRequest>,
    ) -> Result<Response<FindIdentityResponse>, Status> {
        let FindIdentityRequest {
            account,
            user,
            actor,
        } = request.into_inner();
        let account = checked_account(account)?;
        let (row, knows_actor) = self.store.identity(&account, &user, &actor).await?;
        let identity = Some(identity(row, Vec::new())?);
        let actor = if knows_actor { actor } else { String::new() };
        Ok(Response::new(FindIdentityResponse { identity, actor }))
    }

    async fn list_identities(
        &self,
        request: Request<ListIdentitiesRequest>,
    ) -> Result<Response<ListIdentitiesResponse>, Status> {
        let ListIdentitiesRequest { account, user_ids } = request.into_inner();
        let account = checked_account(account)?;
        let rows = self.store.identities(&account, user_ids).await?;
        let identities = rows.into_iter().map(|row| identity(row, Vec::new()));
        let identities = identities.collect::<Result<_, Error>>()?;
        Ok(Response::new(ListIdentitiesResponse { identities }))
    }

    async fn install_identities(
        &self,
        request: Request<InstallIdentitiesRequest>,
    ) -> Result<Response<ListIdentitiesResponse>, Status> {
        let request = request.into_inner();
        let account = checked_account(request.account)?;
        let now_ms = clock::now_ms();
        let mut identities = Vec::new();
        for new in request.identities.into_iter().take(MOST_INSTALLED) {
            let new = Provisioned {
                roles: Roles::parse(&new.roles)?,
                email: None,
                ..Provisioned::of(&new.name, "", &[])?
            };
            let (row, groups) = self.store.install_identity(&account, new, now_ms).await?;
            identities.push(identity(row, groups)?);
        }
        self.bell.ring();
        Ok(Response::new(ListIdentitiesResponse { identities }))
    }

    async fn put_identity(
        &self,
        request: Request<PutIdentityRequest>,
    ) -> Result<Response<PutIdentityResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let said = Provisioned::of(&request.external_id, &request.full_name, &request.roles)?
            .with_actor(&request.actor_external_id, &request.actor_name)?;
        let now_ms = clock::now_ms();
        let (row, created) = self.store.provision(&caller, said, now_ms).await?;
        self.bell.ring();
        let identity = Some(identity(row, Vec::new())?);
        Ok(Response::new(PutIdentityResponse { identity, created }))
    }
}

fn identity(row: user::Model, groups: Vec<String>) -> Result<Identity, Error> {
    Ok(Identity {
        roles: names(&row.roles)?,
        external_id: row.external_id.unwrap_or_else(|| row.name.clone()),
        user_id: row.id,
        name: row.name,
        actor_external_id: row.actor_external_id.unwrap_or_default(),
        active: row.active,
        email: row.email.unwrap_or_default(),
        groups,
    })
}
