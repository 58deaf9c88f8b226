//! A run and its steps, as answers show them.

use std::collections::BTreeMap;

use contracts::pipeline::{ChildRun, Run, RunStep};
use serde::Serialize;
use utoipa::ToSchema;

use super::gates::GateView;
use super::words::{EndCause, RunState, StepState, StopMode};
use super::{Person, some};
use crate::time::Time;

/// A run of a pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub(crate) struct RunView {
    /// 24 hex digits.
    id: String,
    number: i64,
    pipeline_id: String,
    pipeline_name: String,
    /// Counts the runs of the pipeline from 1, without gap.
    run_count: i64,
    /// Of the pipeline's definition.
    version: u32,
    #[schema(required)]
    state: Option<RunState>,
    /// Once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_cause: Option<EndCause>,
    /// When somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_by: Option<Person>,
    /// Why it ended or is being stopped, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Assignments to an executor so far.
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    executor: Option<String>,
    requested_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
    /// The stop that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_mode: Option<StopMode>,
    /// Of a queued run: unfinished runs of the pipeline before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_position: Option<u32>,
    /// The run that it goes on from, by its count.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed_from: Option<i64>,
    /// The id of the run whose step it is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// The schedule that started it, or the run whose step it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_number: Option<i64>,
    /// Runs of the pipeline at a time; 0 is no limit.
    concurrency: u32,
    parameters: BTreeMap<String, String>,
    /// In the order of the definition; absent in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepView>,
}

/// A step of a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunStep)]
struct StepView {
    /// As the definition calls it.
    id: String,
    name: String,
    #[schema(required)]
    state: Option<StepState>,
    /// Starts so far.
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Time>,
    /// What went wrong or was warned of.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Of a step that people decide on; of an open child step the gate that its run waits at.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<GateView>,
    /// Of a step that is the run of another pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<ChildView>,
}

/// The run that a step is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChildRun)]
struct ChildView {
    run_id: String,
    pipeline_id: String,
    pipeline_name: String,
    run_count: i64,
    #[schema(required)]
    state: Option<RunState>,
}

impl ChildView {
    fn of(child: ChildRun) -> Self {
        Self {
            run_id: child.run_id,
            pipeline_id: child.pipeline_id,
            pipeline_name: child.pipeline_name,
            run_count: child.run_count,
            state: RunState::of(child.state),
        }
    }
}

impl RunView {
    pub(super) fn of(run: Run) -> Self {
        let state = RunState::of(run.state);
        let is_queued = state == Some(RunState::Queued);
        Self {
            id: run.id,
            number: run.number,
            pipeline_id: run.pipeline_id,
            pipeline_name: run.pipeline_name,
            run_count: run.run_count,
            version: run.version,
            state,
            end_cause: EndCause::of(run.end_cause),
            ended_by: run.ended_by.map(Person::of),
            started_by: run.started_by.map(Person::of),
            reason: some(run.reason),
            attempt: run.attempt,
            executor: some(run.executor),
            requested_at: Time::at(run.requested_at_ms),
            started_at: Time::of(run.started_at_ms),
            ended_at: Time::of(run.ended_at_ms),
            stop_mode: StopMode::of(run.stop_mode),
            queue_position: is_queued.then_some(run.queue_position),
            resumed_from: Some(run.resumed_from).filter(|it| *it > 0),
            parent_id: some(run.parent_id),
            schedule_number: Some(run.schedule_number).filter(|it| *it != 0),
            concurrency: run.concurrency,
            parameters: run.parameters.into_iter().collect(),
            steps: run.steps.into_iter().map(StepView::of).collect(),
        }
    }
}

impl StepView {
    fn of(step: RunStep) -> Self {
        Self {
            id: step.slug,
            name: step.name,
            state: StepState::of(step.state),
            tries: step.tries,
            exit_code: step.exit_code,
            started_at: Time::of(step.started_at_ms),
            ended_at: Time::of(step.ended_at_ms),
            message: some(step.message),
            gate: step.gate.map(GateView::of),
            child: step.child.map(ChildView::of),
        }
    }
}
