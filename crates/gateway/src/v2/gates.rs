//! Gates: what steps ask of people, and what people decide.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contracts::pipeline::{DecideRequest, Gate, GateDecision};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::run_view::RunView;
use super::{Person, pipeline_ref, runs, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;
use crate::time::Time;

/// The run count of the run that waits for a decision.
const WAITING: &str = "waiting";
/// The step that is open, where only one is.
const OPEN: &str = "_";

/// What somebody says about their decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct DecisionBody {
    /// Up to 1000 characters; kept with the run.
    message: String,
}

/// What a step asks of people, and what they have decided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Gate)]
pub(super) struct GateView {
    /// What they are told.
    message: String,
    /// Whom to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    /// How many different people must approve. One who rejects is enough.
    approvers: u32,
    /// Whether who started the run may be one of them.
    self_approval: bool,
    /// Oldest first.
    decisions: Vec<DecisionView>,
    /// When it fails, if nobody has decided before.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
}

/// What somebody decided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GateDecision)]
struct DecisionView {
    approved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    at: Time,
}

impl GateView {
    pub(super) fn of(gate: Gate) -> Self {
        Self {
            message: gate.message,
            contact: some(gate.contact),
            approvers: gate.approvers,
            self_approval: gate.self_approval,
            decisions: gate.decisions.into_iter().map(DecisionView::of).collect(),
            until: Time::of(gate.until_ms),
        }
    }
}

impl DecisionView {
    fn of(decision: GateDecision) -> Self {
        Self {
            approved: decision.approved,
            by: decision.actor.map(Person::of),
            message: some(decision.message),
            at: Time::at(decision.at_ms),
        }
    }
}

/// Approves an open gate. The run goes on once as many people have as the gate asks for.
///
/// `waiting` as the run count is the run that waits for a decision, `_` as the step its only open gate.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/approve",
    operation_id = "approveStep", tag = "runs", request_body = DecisionBody,
    responses((status = 200, body = RunView)))]
pub(crate) async fn approve(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(path): Path<(String, String, String)>,
    content: Content,
) -> Result<Json<RunView>, Problem> {
    decide(&gateway, &who, path, &content, true).await
}

/// Rejects an open gate: the run fails.
///
/// `waiting` as the run count is the run that waits for a decision, `_` as the step its only open gate.
#[utoipa::path(post, path = "/api/v2/pipelines/{p}/runs/{runCount}/steps/{step}/reject",
    operation_id = "rejectStep", tag = "runs", request_body = DecisionBody,
    responses((status = 200, body = RunView)))]
pub(crate) async fn reject(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path(path): Path<(String, String, String)>,
    content: Content,
) -> Result<Json<RunView>, Problem> {
    decide(&gateway, &who, path, &content, false).await
}

async fn decide(
    gateway: &Gateway,
    who: &Who,
    (p, run_count, step): (String, String, String),
    content: &Content,
    approve: bool,
) -> Result<Json<RunView>, Problem> {
    let body: DecisionBody = content.json()?;
    let run_count = match run_count.as_str() {
        WAITING => 0,
        text => match runs::number(text)? {
            0 => runs::run(gateway, who, p.clone(), text).await?.run_count,
            named => named,
        },
    };
    let request = DecideRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(p)),
        run_count,
        step: if step == OPEN { String::new() } else { step },
        approve,
        message: body.message,
    };
    let answer = gateway.peers.pipelines().decide(request).await?;
    let run = answer.into_inner().run.ok_or_else(Problem::internal)?;
    Ok(Json(RunView::of(run)))
}
