//! Personal access tokens. A token's text is in the answer that makes it and in no other.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use contracts::registry::{
    CreateTokenRequest, ListTokensRequest, ReadTokenRequest, RevokeTokenRequest,
    RotateTokenRequest, Token,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{limit, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::{self, Content};
use crate::problem::Problem;
use crate::time::Time;

/// A token, without its text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Token)]
pub(crate) struct TokenView {
    id: String,
    name: String,
    /// Whose it is.
    user: Owner,
    /// One or several of the nine scopes, with a space between.
    scope: String,
    /// Where it may be used from, as blocks of addresses; empty: from anywhere.
    cidrs: Vec<String>,
    /// Whether it is good now.
    live: bool,
    /// Set by the configuration of the server.
    installed: bool,
    created_at: Time,
    /// Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
    /// To the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Time>,
    /// The id of the token that it was rotated to.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<String>,
    /// How long it stays good since.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_until: Option<Time>,
    /// The id of the first token that it descends from.
    family_id: String,
}

/// Whose a token is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenOwner)]
struct Owner {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewToken {
    /// What to send as `Authorization: Bearer …`. It can't be had again.
    token: String,
    #[serde(flatten)]
    view: TokenView,
}

/// A page of tokens, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenPage {
    tokens: Vec<TokenView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Which tokens.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TokensQuery {
    /// How many at most, 1 to 1000; 100 unless said.
    limit: Option<u32>,
    /// Goes on where an earlier page ended: its `next`.
    cursor: String,
    /// Whose: an id or e-mail address; the caller's unless said.
    user: String,
    /// Also those that are good no more.
    ended: bool,
}

/// A token to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct TokenBody {
    /// 1 to 50 characters, unique among the owner's tokens that are good.
    name: String,
    /// One of the nine scopes, or several with a space between; `api` unless said.
    scope: String,
    /// `1d`, `1w`, `1mo`, `2mo`, `3mo`, or a time within a year; `1mo` unless said.
    expiration: String,
    /// At most 20 blocks of addresses, or addresses; from anywhere unless said.
    cidrs: Vec<String>,
    /// Whose: an id or e-mail address; the caller's unless said.
    user: String,
    /// The user's account, where it is not the caller's; for an `opsera_administrator`.
    account: String,
}

/// How a token is to be replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RotateBody {
    /// How long the old one stays good: 0 to 604800; 0 unless said.
    overlap_seconds: u32,
    /// As of a new token; as long as the old one was to last unless said.
    expiration: String,
}

/// Lists the caller's tokens, or another user's.
#[utoipa::path(get, path = "/api/v2/tokens", operation_id = "listTokens", tag = "tokens",
    params(TokensQuery), responses((status = 200, body = TokenPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<TokenPage>, Problem> {
    let query: TokensQuery = body::query(&uri)?;
    let limit = limit(query.limit)?;
    let request = ListTokensRequest {
        caller: Some(who.caller()),
        user: query.user,
        before: query.cursor,
        limit,
        ended: query.ended,
    };
    let answer = gateway.peers.tokens().list_tokens(request).await?;
    let tokens = answer.into_inner().tokens;
    let is_full = tokens.len() >= limit as usize;
    let next = tokens.last().filter(|_| is_full).map(|it| it.id.clone());
    let tokens = tokens.into_iter().map(TokenView::of).collect();
    Ok(Json(TokenPage { tokens, next }))
}

/// Makes a token for the caller, or for another user.
#[utoipa::path(post, path = "/api/v2/tokens", operation_id = "createToken", tag = "tokens",
    request_body = TokenBody, responses((status = 201, body = NewToken)))]
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: TokenBody = content.json()?;
    let request = CreateTokenRequest {
        caller: Some(who.caller()),
        user: body.user,
        name: body.name,
        scopes: body.scope.split_whitespace().map(str::to_owned).collect(),
        expiration: body.expiration,
        cidrs: body.cidrs,
        account: body.account,
    };
    let answer = gateway.peers.tokens().create_token(request).await?;
    let answer = answer.into_inner();
    made(answer.token, answer.text)
}

/// Reads a token.
#[utoipa::path(get, path = "/api/v2/tokens/{token}", operation_id = "readToken", tag = "tokens",
    responses((status = 200, body = TokenView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(token): Path<String>,
) -> Result<Json<TokenView>, Problem> {
    let request = ReadTokenRequest {
        caller: Some(who.caller()),
        token,
    };
    let answer = gateway.peers.tokens().read_token(request).await?;
    let token = answer.into_inner().token.ok_or_else(Problem::internal)?;
    Ok(Json(TokenView::of(token)))
}

/// Revokes a token: it is refused from now on.
#[utoipa::path(delete, path = "/api/v2/tokens/{token}", operation_id = "revokeToken",
    tag = "tokens", responses((status = 204, description = "It is good no more")))]
pub(crate) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(token): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = RevokeTokenRequest {
        caller: Some(who.caller()),
        token,
    };
    gateway.peers.tokens().revoke_token(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a token by a new one of the same name, scope and addresses. When the old one is shown
/// after its time, all that descend from the same first one are revoked.
#[utoipa::path(post, path = "/api/v2/tokens/{token}/rotate", operation_id = "rotateToken",
    tag = "tokens", request_body = RotateBody, responses((status = 201, body = NewToken)))]
pub(crate) async fn rotate(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(token): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let body: RotateBody = content.json()?;
    let request = RotateTokenRequest {
        caller: Some(who.caller()),
        token,
        overlap_ms: i64::from(body.overlap_seconds) * 1000,
        expiration: body.expiration,
    };
    let answer = gateway.peers.tokens().rotate_token(request).await?;
    let answer = answer.into_inner();
    made(answer.token, answer.text)
}

fn made(token: Option<Token>, text: String) -> Result<impl IntoResponse, Problem> {
    let view = TokenView::of(token.ok_or_else(Problem::internal)?);
    let location = [(header::LOCATION, format!("/api/v2/tokens/{}", view.id))];
    let shown = Json(NewToken { token: text, view });
    Ok((StatusCode::CREATED, location, shown))
}

impl TokenView {
    fn of(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            user: Owner {
                id: token.user_id,
                name: token.user_name,
                email: some(token.user_email),
            },
            scope: token.scopes.join(" "),
            cidrs: token.cidrs,
            live: token.live,
            installed: token.installed,
            created_at: Time::at(token.created_at_ms),
            expires_at: Time::of(token.expires_at_ms),
            last_used_at: Time::of(token.last_used_at_ms),
            revoked_at: Time::of(token.revoked_at_ms),
            replaced_by: some(token.replaced_by),
            replaced_until: Time::of(token.replaced_until_ms),
            family_id: token.family_id,
        }
    }
}
