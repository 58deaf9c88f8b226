//! Secrets that steps can name. Their values come in and never go out.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use contracts::registry::{DeleteSecretRequest, ListSecretsRequest, PutSecretRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PageQuery;
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Secret)]
struct SecretView {
    name: String,
    created_at: Time,
    updated_at: Time,
}

/// A page of secrets, by name.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretPage {
    secrets: Vec<SecretView>,
    /// The `cursor` of the page after this; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A secret's value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SecretBody {
    /// Up to 64 KiB.
    value: String,
}

/// What became of a secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SecretSet {
    name: String,
    /// It wasn't there before.
    created: bool,
}

/// Lists the names of the account's secrets.
#[utoipa::path(get, path = "/api/v2/secrets", operation_id = "listSecrets", tag = "secrets",
    params(PageQuery), responses((status = 200, body = SecretPage)))]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Json<SecretPage>, Problem> {
    let (limit, after) = PageQuery::of(&uri)?;
    let request = ListSecretsRequest {
        account: who.account(),
        after,
        limit,
    };
    let answer = gateway
        .peers
        .registry()
        .list_secrets(request)
        .await?
        .into_inner();
    let is_full = answer.secrets.len() >= limit as usize;
    let secrets: Vec<_> = answer
        .secrets
        .into_iter()
        .map(|secret| SecretView {
            name: secret.name,
            created_at: Time::at(secret.created_at_ms),
            updated_at: Time::at(secret.updated_at_ms),
        })
        .collect();
    let next = secrets
        .last()
        .filter(|_| is_full)
        .map(|last| last.name.clone());
    Ok(Json(SecretPage { secrets, next }))
}

/// Sets a secret: to `value` of a JSON body, or to the body itself if it is called
/// `text/plain` or `application/octet-stream`.
#[utoipa::path(put, path = "/api/v2/secrets/{name}", operation_id = "setSecret", tag = "secrets",
    request_body(content((SecretBody = "application/json"), (String = "text/plain"),
        (Vec<u8> = "application/octet-stream"))),
    responses((status = 201, body = SecretSet, description = "It was made"),
        (status = 200, body = SecretSet, description = "It has a new value")))]
pub(crate) async fn set(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(name): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let request = PutSecretRequest {
        account: who.account(),
        name: name.clone(),
        value: value(&content)?,
        actor: who.actor(),
        caller: Some(who.caller()),
    };
    let created = gateway
        .peers
        .registry()
        .put_secret(request)
        .await?
        .into_inner()
        .created;
    let status = if created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(SecretSet { name, created })))
}

/// Removes a secret.
#[utoipa::path(delete, path = "/api/v2/secrets/{name}", operation_id = "deleteSecret",
    tag = "secrets", responses((status = 204, description = "It is gone")))]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let request = DeleteSecretRequest {
        account: who.account(),
        name,
        actor: who.actor(),
        caller: Some(who.caller()),
    };
    gateway.peers.registry().delete_secret(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn value(content: &Content) -> Result<Vec<u8>, Problem> {
    match content.media_type.as_str() {
        "text/plain" | "application/octet-stream" => Ok(content.bytes.to_vec()),
        // What the parser would quote may be the secret: it isn't told.
        _ => serde_json::from_slice::<SecretBody>(&content.bytes)
            .map(|body| body.value.into_bytes())
            .map_err(|_| {
                Problem::invalid(
                    "the body can't be used: send {\"value\": \"…\"}, or the value itself with \
                     Content-Type: text/plain",
                )
            }),
    }
}
