//! What is asked about tokens: parse, act, answer.

use contracts::registry::tokens_server::Tokens as Service;
use contracts::registry::{
    CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse,
    ReadTokenRequest, ReadTokenResponse, RevokeTokenRequest, RevokeTokenResponse,
    RevokeTokensRequest, RevokeTokensResponse, RotateTokenRequest, RotateTokenResponse,
};
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use super::{checked_limit, view};
use crate::Error;
use crate::caller::Caller;
use crate::store::{NewToken, Store};
use crate::token::terms;

/// Answers calls about tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
}

impl Tokens {
    /// Answers from `store` and rings `bell` after what is announced.
    pub(crate) fn new(store: Store, bell: Bell) -> Self {
        Self { store, bell }
    }
}

#[tonic::async_trait]
impl Service for Tokens {
    async fn create_token(
        &self,
        request: Request<CreateTokenRequest>,
    ) -> Result<Response<CreateTokenResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let now_ms = clock::now_ms();
        let new = NewToken {
            account: caller.account_or(request.account)?,
            user: request.user,
            name: terms::checked_name(&request.name)?,
            scopes: terms::checked_scopes(&request.scopes)?,
            expires_at_ms: terms::end(&request.expiration, now_ms)?,
            cidrs: terms::checked_blocks(&request.cidrs)?,
        };
        let (owned, text) = self.store.create_token(&caller, new, now_ms).await?;
        self.bell.ring();
        Ok(Response::new(CreateTokenResponse {
            token: Some(view::token(owned, now_ms)?),
            text: text.expose().to_owned(),
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<ListTokensRequest>,
    ) -> Result<Response<ListTokensResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let page = (request.before.as_str(), checked_limit(request.limit)?);
        let now_ms = clock::now_ms();
        let live_at = (!request.ended).then_some(now_ms);
        let all = self.store.tokens(&caller, &request.user, page, live_at);
        let tokens = all.await?.into_iter().map(|it| view::token(it, now_ms));
        let tokens = tokens.collect::<Result<_, Error>>()?;
        Ok(Response::new(ListTokensResponse { tokens }))
    }

    async fn read_token(
        &self,
        request: Request<ReadTokenRequest>,
    ) -> Result<Response<ReadTokenResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let owned = self.store.token(&caller, &request.token).await?;
        let token = Some(view::token(owned, clock::now_ms())?);
        Ok(Response::new(ReadTokenResponse { token }))
    }

    async fn revoke_token(
        &self,
        request: Request<RevokeTokenRequest>,
    ) -> Result<Response<RevokeTokenResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let revoked = self
            .store
            .revoke_token(&caller, &request.token, clock::now_ms());
        revoked.await?;
        self.bell.ring();
        Ok(Response::new(RevokeTokenResponse {}))
    }

    async fn revoke_tokens(
        &self,
        request: Request<RevokeTokensRequest>,
    ) -> Result<Response<RevokeTokensResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let revoked = self
            .store
            .revoke_tokens(&caller, &request.user, clock::now_ms());
        let revoked = u32::try_from(revoked.await?).unwrap_or(u32::MAX);
        self.bell.ring();
        Ok(Response::new(RevokeTokensResponse { revoked }))
    }

    async fn rotate_token(
        &self,
        request: Request<RotateTokenRequest>,
    ) -> Result<Response<RotateTokenResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let now_ms = clock::now_ms();
        let how = (request.overlap_ms, request.expiration.as_str());
        let rotated = self
            .store
            .rotate_token(&caller, &request.token, how, now_ms);
        let (owned, text) = rotated.await?;
        self.bell.ring();
        Ok(Response::new(RotateTokenResponse {
            token: Some(view::token(owned, now_ms)?),
            text: text.expose().to_owned(),
        }))
    }
}
