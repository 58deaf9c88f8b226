//! Approve and deny: how people let a paused pipeline go on, or fail it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contracts::pipeline::DecideRequest;

use super::asking::pipeline_ref;
use super::input::Input;
use super::pipeline::Outcome;
use super::{hidden, messages};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

pub(crate) async fn approve(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Outcome>, Problem> {
    decide(&gateway, &who, &input, true).await
}

pub(crate) async fn deny(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Outcome>, Problem> {
    decide(&gateway, &who, &input, false).await
}

async fn decide(
    gateway: &Gateway,
    who: &Who,
    input: &Input,
    approve: bool,
) -> Result<Json<Outcome>, Problem> {
    let request = DecideRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(&input.pipeline_id)),
        run_count: input.run_count()?.unwrap_or(0),
        step: input.text("stepId").trim().to_owned(),
        approve,
        message: input.text("message").to_owned(),
    };
    let problem = match gateway.peers.pipelines().decide(request).await {
        Ok(answer) => {
            let run = answer.into_inner().run;
            let message = if approve {
                messages::APPROVED
            } else {
                messages::DENIED
            };
            let run_count = run.map(|run| run.run_count);
            return Ok(Json(Outcome::success(message).of_run(run_count)));
        }
        Err(status) => Problem::from(status),
    };
    match problem.reason() {
        // What the domain refuses is an answer; all else stays a failure.
        "NOT_OPEN" | "SEVERAL_OPEN" | "DECIDED" | "OWN_RUN" => {
            let message = messages::undecided(&input.pipeline_id, approve, problem.detail());
            Ok(Json(Outcome::failed(message)))
        }
        _ => Err(hidden(who, problem)),
    }
}
