//! Whose a pipeline is and whether it may be run: duplicate, transfer, lock and unlock.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use contracts::pipeline::{DuplicateRequest, SetLockRequest, TransferRequest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::pipeline_ref;
use super::pipeline_view::PipelineView;
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;

/// What a copy is called.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct DuplicateBody {
    /// No other pipeline of the account has it.
    name: String,
}

/// Who is to own something.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TransferBody {
    /// The 24-hex id or the e-mail address of an active user of the account.
    pub(super) owner: String,
}

/// Why a pipeline is locked.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct LockBody {
    /// Up to 1000 characters, for people.
    reason: String,
}

/// Makes a pipeline with the definition of another. The caller owns it, and its runs count from 1.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/duplicate", operation_id = "duplicatePipeline",
    tag = "pipelines", request_body = DuplicateBody,
    responses((status = 201, body = PipelineView, description = "It was made",
        headers(("Location" = String, description = "Where it is")))))]
pub(crate) async fn duplicate(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<impl IntoResponse, Problem> {
    let DuplicateBody { name } = content.json()?;
    let request = DuplicateRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        name,
    };
    let made = gateway.peers.pipelines().duplicate(request).await?;
    let made = made.into_inner();
    let location = [(header::LOCATION, format!("/api/v2/pipelines/{}", made.id))];
    let view = Json(PipelineView::whole(made));
    Ok((StatusCode::CREATED, location, view))
}

/// Gives a pipeline to another owner.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/transfer", operation_id = "transferPipeline",
    tag = "pipelines", request_body = TransferBody, responses((status = 200, body = PipelineView)))]
pub(crate) async fn transfer(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<Json<PipelineView>, Problem> {
    let TransferBody { owner } = content.json()?;
    let request = TransferRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        owner,
    };
    let given = gateway.peers.pipelines().transfer(request).await?;
    Ok(Json(PipelineView::whole(given.into_inner())))
}

/// Locks a pipeline none of whose runs is unfinished: no run of it is accepted until it is unlocked.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/lock", operation_id = "lockPipeline",
    tag = "pipelines", request_body = LockBody, responses((status = 200, body = PipelineView)))]
pub(crate) async fn lock(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
    content: Content,
) -> Result<Json<PipelineView>, Problem> {
    let LockBody { reason } = content.json()?;
    set(&gateway, &who, p, Some(reason)).await
}

/// Unlocks a pipeline.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/unlock", operation_id = "unlockPipeline",
    tag = "pipelines", responses((status = 200, body = PipelineView)))]
pub(crate) async fn unlock(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(p): Path<String>,
) -> Result<Json<PipelineView>, Problem> {
    set(&gateway, &who, p, None).await
}

async fn set(
    gateway: &Gateway,
    who: &Who,
    p: String,
    reason: Option<String>,
) -> Result<Json<PipelineView>, Problem> {
    let request = SetLockRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        locked: reason.is_some(),
        reason: reason.unwrap_or_default(),
    };
    let set = gateway.peers.pipelines().set_lock(request).await?;
    Ok(Json(PipelineView::whole(set.into_inner())))
}
