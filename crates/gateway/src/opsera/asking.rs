//! What the routes of `/api/v1` ask of the services, and where runs are in the words of this face.

use contracts::message::{RunState, StepState};
use contracts::pipeline::{GetPipelineRequest, GetRunRequest, Pipeline, PipelineRef, Run, RunStep};
use runtime::Kind;

use super::messages::{self, Status};
use super::{envelope, hidden};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

pub(super) fn pipeline_ref(id: &str) -> PipelineRef {
    PipelineRef {
        text: id.to_owned(),
    }
}

pub(super) async fn pipeline(gateway: &Gateway, who: &Who, id: &str) -> Result<Pipeline, Problem> {
    let request = GetPipelineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(id)),
        ..Default::default()
    };
    let answer = gateway.peers.pipelines().get_pipeline(request).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| hidden(who, status.into()))
}

/// A run of a pipeline, the latest if none is named. That there is no such run is told in a way
/// that no poller takes for a failed run.
pub(super) async fn run(
    gateway: &Gateway,
    who: &Who,
    id: &str,
    run_count: Option<i64>,
) -> Result<Run, Problem> {
    let request = GetRunRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(id)),
        run_count: run_count.unwrap_or(0),
        ..Default::default()
    };
    let problem = match gateway.peers.pipelines().get_run(request).await {
        Ok(answer) => return Ok(answer.into_inner()),
        Err(status) => Problem::from(status),
    };
    if !problem.is_not_found() {
        return Err(problem);
    }
    // Either the pipeline or the run isn't there.
    let pipeline = pipeline(gateway, who, id).await?;
    let message = messages::unknown_run(&pipeline.name, run_count);
    Err(Problem::new(Kind::NotFound, envelope::UNKNOWN_RUN, message))
}

/// Where a run is.
pub(super) fn status(run: &Run) -> Status {
    match run.state() {
        RunState::Queued if run.started_at_ms == 0 => Status::Queued,
        RunState::Waiting if open_gate(run).is_some() => Status::Paused,
        RunState::Unspecified
        | RunState::Queued
        | RunState::Running
        | RunState::Waiting
        | RunState::Cancelling
        | RunState::Failing => Status::Running,
        RunState::Succeeded | RunState::Warned => Status::Success,
        RunState::Failed => Status::Failed,
        RunState::Cancelled => Status::Stopped,
    }
}

/// The open step of a run that waits for a person.
pub(super) fn open_gate(run: &Run) -> Option<&RunStep> {
    let is_open = |step: &&RunStep| step.state() == StepState::Waiting && step.gate.is_some();
    run.steps.iter().find(is_open)
}

#[cfg(test)]
mod tests {
    use contracts::pipeline::Gate;

    use super::*;

    #[test]
    fn states_are_told_in_the_words_of_the_contract() {
        let expected = [
            (RunState::Queued, "queued"),
            (RunState::Running, "running"),
            (RunState::Waiting, "running"),
            (RunState::Cancelling, "running"),
            (RunState::Failing, "running"),
            (RunState::Succeeded, "success"),
            (RunState::Warned, "success"),
            (RunState::Failed, "failed"),
            (RunState::Cancelled, "stopped"),
        ];
        for (state, word) in expected {
            let run = Run {
                state: state.into(),
                ..Default::default()
            };
            assert_eq!(status(&run).word(), word);
        }
        let waiting = Run {
            state: RunState::Waiting.into(),
            steps: vec![RunStep {
                state: StepState::Waiting.into(),
                gate: Some(Gate::default()),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(status(&waiting).word(), "paused");
        let again = Run {
            state: RunState::Queued.into(),
            started_at_ms: 1,
            ..Default::default()
        };
        assert_eq!(status(&again).word(), "running");
    }
}
