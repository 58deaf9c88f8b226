//! Between the messages of executors and what a run knows. Pure.

use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{self as wire, BeginAttemptResponse, Grant};

use crate::Error;
use crate::news;
use crate::record::from_json;
use crate::run::{Outcome, Run, StepReport};
use crate::state::State;
use crate::store::Answer;

pub(super) fn verdict(verdict: Verdict) -> BeginAttemptResponse {
    BeginAttemptResponse {
        verdict: verdict.into(),
        ..Default::default()
    }
}

pub(super) fn begun_message(
    answer: &Answer,
    grants: Vec<Grant>,
    pipeline_name: String,
) -> Result<BeginAttemptResponse, Error> {
    let outputs = answer.run.outputs();
    let workspace_id = answer.row.workspace_id.as_ref();
    let workspace_id = workspace_id.unwrap_or(&answer.row.id);
    Ok(BeginAttemptResponse {
        verdict: Verdict::Begun.into(),
        pipeline_id: answer.row.pipeline_id.clone(),
        pipeline_name,
        run_count: answer.row.run_count,
        plan_json: crate::record::to_json(&*answer.run.plan),
        parameters: from_json(&answer.row.parameters)?,
        grants,
        outputs,
        stop: stop(&answer.run).into(),
        debugging: answer.row.debugging,
        wake_after_ms: wake_after_ms(answer),
        waits_for: String::new(),
        workspace_id: workspace_id.clone(),
        workspace_base: answer.row.workspace_base.cast_unsigned(),
    })
}

pub(super) fn stop(run: &Run) -> contracts::message::StopMode {
    news::stop_mode(run.stop.as_ref().map(|stop| stop.mode))
}

pub(super) fn wake_after_ms(answer: &Answer) -> u32 {
    let is_over = answer.run.state == State::Waiting || answer.run.state.is_final();
    match answer.wake_ms {
        Some(due_ms) if !is_over => {
            u32::try_from((due_ms - answer.now_ms).max(1)).unwrap_or(u32::MAX)
        }
        Some(_) | None => 0,
    }
}

pub(super) fn step_report(run: &Run, step: &wire::StepReport) -> Result<StepReport, Error> {
    let outcome = match step.outcome() {
        wire::Outcome::Succeeded => Outcome::Succeeded,
        wire::Outcome::Warned => Outcome::Warned,
        wire::Outcome::Failed => Outcome::Failed,
        wire::Outcome::TimedOut => Outcome::TimedOut,
        wire::Outcome::Cancelled => Outcome::Cancelled,
        wire::Outcome::Unspecified => {
            return Err(Error::Invalid("a step's report needs an outcome".into()));
        }
    };
    let unknown = || Error::Invalid(format!("the plan has no step \"{}\"", step.step_id));
    Ok(StepReport {
        position: run.plan.index_of(&step.step_id).ok_or_else(unknown)?,
        of_try: step.r#try,
        outcome,
        exit_code: step.exit_code,
        message: step.message.chars().take(4096).collect(),
        outputs: step.outputs.clone().into_iter().collect(),
        ended_at_ms: step.ended_at_ms,
    })
}
