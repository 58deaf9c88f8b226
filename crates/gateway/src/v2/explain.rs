//! Why a run waits, runs or has ended: sentences, each with its facts.
//!
//! Here the run and the scheduler are asked; what is said of it is decided in [`fn@sentences`].

mod sentences;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contracts::scheduler::ExplainRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::{runs, words};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;
use sentences::{Queue, Sentence, sentences};

/// What there is to say about a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Explanation {
    #[schema(required)]
    state: Option<words::RunState>,
    sentences: Vec<Sentence>,
}

/// Explains a run.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/runs/{runCount}/explain",
    operation_id = "explainRun", tag = "runs", responses((status = 200, body = Explanation)))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
) -> Result<Json<Explanation>, Problem> {
    let run = runs::run(&gateway, &who, p, &run_count).await?;
    let queue = if run.state().is_final() {
        Queue::Silent
    } else {
        let request = ExplainRequest {
            run_id: run.id.clone(),
        };
        match gateway.peers.scheduler().explain(request).await {
            Ok(answer) if answer.get_ref().unknown => Queue::Silent,
            Ok(answer) => Queue::Says(answer.into_inner()),
            Err(status) => {
                tracing::warn!("the scheduler can't explain: {status}");
                Queue::Away
            }
        }
    };
    let state = words::RunState::of(run.state);
    Ok(Json(Explanation {
        state,
        sentences: sentences(&run, &queue),
    }))
}
