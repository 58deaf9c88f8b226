//! Executors: their slots, leases and draining.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use contracts::scheduler::{DrainRequest, Executor, ListExecutorsRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// An executor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Executor)]
struct ExecutorView {
    name: String,
    /// Greater at each of its starts.
    boot: u64,
    /// Runs that it takes at a time.
    slots: u32,
    /// Slots that are taken.
    busy: u32,
    /// It gets no new work.
    draining: bool,
    /// When it counts as lost, unless it renews its lease before.
    lease_expires_at: Time,
}

/// All executors.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Executors {
    executors: Vec<ExecutorView>,
}

/// Whether an executor is to drain.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct DrainBody {
    /// False gives it work again.
    drain: bool,
}

impl Default for DrainBody {
    fn default() -> Self {
        Self { drain: true }
    }
}

/// Lists the executors.
#[utoipa::path(get, path = "/api/v2/executors", operation_id = "listExecutors", tag = "executors",
    responses((status = 200, body = Executors)))]
pub(crate) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Executors>, Problem> {
    let answer = gateway
        .peers
        .scheduler()
        .list_executors(ListExecutorsRequest {})
        .await?;
    let executors = answer
        .into_inner()
        .executors
        .into_iter()
        .map(ExecutorView::of)
        .collect();
    Ok(Json(Executors { executors }))
}

/// Gives an executor no new work, or work again.
#[utoipa::path(post, path = "/api/v2/executors/{name}/drain", operation_id = "drainExecutor",
    tag = "executors", request_body = DrainBody,
    responses((status = 204, description = "It was told")))]
pub(crate) async fn drain(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(executor): Path<String>,
    content: Content,
) -> Result<StatusCode, Problem> {
    let DrainBody { drain } = content.json()?;
    let request = DrainRequest {
        executor,
        drain,
        caller: Some(who.caller()),
    };
    gateway.peers.scheduler().drain(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl ExecutorView {
    fn of(executor: Executor) -> Self {
        Self {
            name: executor.name,
            boot: executor.boot,
            slots: executor.slots,
            busy: executor.busy,
            draining: executor.draining,
            lease_expires_at: Time::at(executor.lease_expires_at_ms),
        }
    }
}
