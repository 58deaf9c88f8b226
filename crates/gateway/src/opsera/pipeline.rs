//! Run, status, reset, stop and summary.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use contracts::message::{RunState, StepState, StopMode};
use contracts::pipeline::{ResetRequest, Run, RunStep, StopRunsRequest};
use serde::Serialize;
use serde_json::Map;

use super::asking::{self, pipeline_ref};
use super::document::{Document, definition};
use super::hidden;
use super::input::Input;
use super::messages::{self, Status};
use super::settings;
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;
use crate::start::{self, Ask, Start, Wishes};
use crate::time::Time;

/// What an action came to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_count: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    queued: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_runs_cancelled: Option<u32>,
}

/// Where a run is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunStatus {
    status: &'static str,
    message: String,
    pipeline_id: String,
    run_count: i64,
    /// A stop was accepted, and the operation that runs has not ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<StepPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_step: Option<StepPlace>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_approval: Option<PendingApproval>,
}

/// What a paused run waits for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PendingApproval {
    step_id: String,
    message: String,
}

/// A step and where it stands in the plan, from 0.
#[derive(Debug, Serialize)]
struct StepPlace {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    index: usize,
}

pub(crate) async fn run(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Json<Outcome>, Problem> {
    let mut parameters = Map::new();
    let said = input.take_object("settings");
    if !said.is_empty() {
        let pipeline = asking::pipeline(&gateway, &who, &input.pipeline_id).await?;
        if !settings::are_allowed(&definition(&pipeline)) {
            let message = messages::refused(&input.pipeline_id, settings::NOT_DYNAMIC);
            return Ok(Json(Outcome::failed(message)));
        }
        parameters.extend(settings::parameters(&said));
    }
    parameters.extend(input.take_object("parameters"));
    let start = Start {
        pipeline: input.pipeline_id.clone(),
        parameters: start::parameters(parameters)?,
        key: start::key(&headers)?,
        unless_paused: true,
        resume: None,
        wishes: Wishes {
            ask: Ask {
                gate: input.text("stepId").trim().to_owned(),
                message: input.text("message").trim().to_owned(),
            },
            ..Wishes::default()
        },
    };
    submitted(&gateway, &who, &input.pipeline_id, start).await
}

/// A new run that goes on where the latest one ended.
pub(crate) async fn resume(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    headers: HeaderMap,
    input: Input,
) -> Result<Json<Outcome>, Problem> {
    let start = Start {
        pipeline: input.pipeline_id.clone(),
        parameters: HashMap::new(),
        key: start::key(&headers)?,
        unless_paused: true,
        resume: Some(input.run_count()?.unwrap_or(0)),
        ..Default::default()
    };
    submitted(&gateway, &who, &input.pipeline_id, start).await
}

async fn submitted(
    gateway: &Gateway,
    who: &Who,
    id: &str,
    start: Start,
) -> Result<Json<Outcome>, Problem> {
    let answer = match start::run(gateway, who, start).await {
        Ok(answer) => answer,
        Err(problem) => return refused_start(who, id, problem).map(Json),
    };
    let waits = answer.queue_position > 0;
    Ok(Json(Outcome {
        status: "executed",
        message: messages::submitted(id),
        run_count: answer.run.map(|run| run.run_count),
        queued: waits,
        queue_position: waits.then_some(answer.queue_position),
        ..Outcome::default()
    }))
}

pub(crate) async fn status(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<RunStatus>, Problem> {
    let run = asking::run(&gateway, &who, &input.pipeline_id, input.run_count()?).await?;
    Ok(Json(RunStatus::of(run)))
}

pub(crate) async fn reset(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Outcome>, Problem> {
    let request = ResetRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(&input.pipeline_id)),
        force: input.flag("force"),
    };
    match gateway
        .peers
        .pipelines()
        .reset(request)
        .await
        .map_err(Problem::from)
    {
        Ok(_) => Ok(Json(Outcome::success(messages::RESET))),
        Err(problem) if problem.status().as_u16() == 409 => {
            Ok(Json(Outcome::failed(messages::running(&input.pipeline_id))))
        }
        Err(problem) => Err(hidden(&who, problem)),
    }
}

pub(crate) async fn stop(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Outcome>, Problem> {
    let request = StopRunsRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(&input.pipeline_id)),
        run_count: input.run_count()?.unwrap_or(0),
        mode: mode(input.text("mode"))?.into(),
        reason: input.text("reason").to_owned(),
        keep_queue: input.flag("keepQueue"),
    };
    let answer = gateway.peers.pipelines().stop_runs(request).await;
    let answer = answer
        .map_err(|status| hidden(&who, status.into()))?
        .into_inner();
    let cancelled = answer.queued_runs_cancelled;
    Ok(Json(Outcome {
        queued_runs_cancelled: (cancelled > 0).then_some(cancelled),
        ..Outcome::success(messages::STOPPED)
    }))
}

pub(crate) async fn summary(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Document>, Problem> {
    let pipeline = asking::pipeline(&gateway, &who, &input.pipeline_id).await?;
    Ok(Json(Document::of(pipeline)))
}

/// What the domain refuses is an answer; all else stays a failure.
fn refused_start(who: &Who, id: &str, problem: Problem) -> Result<Outcome, Problem> {
    let message = match (problem.reason(), problem.status().as_u16()) {
        ("NOTHING_TO_RESUME", _) => messages::not_resumed(id, problem.detail()),
        ("PAUSED", _) => messages::paused(id),
        ("LOCKED", _) => messages::locked(id),
        ("NO_STEP", _) => messages::nothing_to_run(id),
        ("KEY_REUSED", _) => return Err(problem),
        (_, 409) => messages::refused(id, problem.detail()),
        _ => return Err(hidden(who, problem)),
    };
    Ok(Outcome::failed(message))
}

fn mode(said: &str) -> Result<StopMode, Problem> {
    match said {
        "" | "graceful" => Ok(StopMode::Graceful),
        "cancel" | "force" => Ok(StopMode::Cancel),
        "kill" => Ok(StopMode::Kill),
        _ => Err(Problem::invalid("mode must be graceful, cancel or kill")),
    }
}

impl Outcome {
    pub(super) fn success(message: &str) -> Self {
        Self {
            status: "success",
            message: message.to_owned(),
            ..Self::default()
        }
    }

    /// The same about a run.
    pub(super) fn of_run(self, run_count: Option<i64>) -> Self {
        Self { run_count, ..self }
    }

    pub(super) fn failed(message: String) -> Self {
        Self {
            status: "failed",
            message,
            ..Self::default()
        }
    }
}

impl RunStatus {
    fn of(run: Run) -> Self {
        let status = asking::status(&run);
        let started_at = Time::of(run.started_at_ms);
        let completed_at = Time::of(run.ended_at_ms);
        let duration = completed_at
            .zip(started_at)
            .map(|(end, start)| end.ms() - start.ms());
        let in_state = |state| StepPlace::first(&run.steps, state);
        let current = match status {
            Status::Running => {
                in_state(StepState::Running).or_else(|| in_state(StepState::Waiting))
            }
            Status::Paused => in_state(StepState::Waiting),
            Status::Queued | Status::Stopped | Status::Failed | Status::Success => None,
        };
        let gate = asking::open_gate(&run).filter(|_| status == Status::Paused);
        Self {
            status: status.word(),
            message: status.message(&run.pipeline_name, run.run_count),
            run_count: run.run_count,
            stopping: run.state() == RunState::Cancelling,
            started_at,
            completed_at,
            duration_ms: duration,
            current_step: current,
            failed_step: in_state(StepState::Failed),
            pending_approval: gate.map(PendingApproval::of),
            pipeline_id: run.pipeline_id,
        }
    }
}

impl PendingApproval {
    fn of(step: &RunStep) -> Self {
        let gate = step.gate.as_ref();
        Self {
            step_id: step.id.clone(),
            message: gate.map(|gate| gate.message.clone()).unwrap_or_default(),
        }
    }
}

impl StepPlace {
    fn first(steps: &[RunStep], state: StepState) -> Option<Self> {
        let (index, step) = steps
            .iter()
            .enumerate()
            .find(|(_, step)| step.state() == state)?;
        Some(Self {
            id: step.id.clone(),
            name: step.name.clone(),
            index,
        })
    }
}
