//! The key that secrets are sealed with: which it is, and changing it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use contracts::registry::{GetVaultStatusRequest, RotateKeyRequest, VaultStatus};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// Which key seals secrets, and what earlier ones sealed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Vault)]
pub(crate) struct VaultView {
    /// What the key that seals is called; nothing follows from it about the key.
    key_id: String,
    /// The same for earlier keys, which open what is not sealed again yet.
    earlier_key_ids: Vec<String>,
    /// Values that are still sealed under an earlier key.
    left: u64,
}

/// Says which key seals secrets, and how far a change of it is.
#[utoipa::path(get, path = "/api/v2/vault", operation_id = "readVault", tag = "secrets",
    responses((status = 200, body = VaultView)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
) -> Result<Json<VaultView>, Problem> {
    let request = GetVaultStatusRequest {
        caller: Some(who.caller()),
    };
    let status = gateway.peers.vault().get_vault_status(request).await?;
    Ok(Json(VaultView::of(status.into_inner())))
}

/// Begins to seal under a new key. Everything goes on meanwhile; while one change is under way
/// asking again begins no other.
#[utoipa::path(post, path = "/api/v2/vault/rotate-key", operation_id = "rotateKey", tag = "secrets",
    responses((status = 202, body = VaultView)))]
pub(crate) async fn rotate_key(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
) -> Result<impl IntoResponse, Problem> {
    let request = RotateKeyRequest {
        caller: Some(who.caller()),
    };
    let status = gateway.peers.vault().rotate_key(request).await?;
    let view = VaultView::of(status.into_inner());
    Ok((StatusCode::ACCEPTED, Json(view)))
}

impl VaultView {
    fn of(status: VaultStatus) -> Self {
        Self {
            key_id: status.key_id,
            earlier_key_ids: status.earlier_key_ids,
            left: status.left,
        }
    }
}
