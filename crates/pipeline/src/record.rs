//! Between rows and the plain types of the rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use sea_orm::ActiveValue::{Set, Unchanged};
use serde::{Deserialize, Serialize};
use steps::Plan;
use steps::flow::{Progress, StepState};

use crate::Error;
use crate::entity::{run, run_step};
use crate::run::{Actor, AttemptEnd, EndCause, Holder, Run, Served, StepRun, Stop, StopMode};
use crate::state::State;

/// A stop as its row holds it.
#[derive(Serialize, Deserialize)]
struct StoredStop {
    mode: String,
    reason: String,
    actor: Actor,
    cause: String,
    #[serde(default)]
    at_ms: Option<i64>,
}

/// Reads a run and its steps.
pub(crate) fn read(
    row: &run::Model,
    rows: Vec<run_step::Model>,
    plan: Arc<Plan>,
) -> Result<Run, Error> {
    let mut steps: Vec<StepRun> = plan.steps.iter().map(|_| pending()).collect();
    for row in rows {
        let position = usize::try_from(row.position).unwrap_or(usize::MAX);
        match steps.get_mut(position) {
            Some(step) => *step = step_of(row)?,
            None => return Err(Error::Row(format!("step {position} is not in the plan"))),
        }
    }
    let holder = match (&row.executor, row.boot) {
        (Some(executor), Some(boot)) => Some(Holder {
            executor: executor.clone(),
            boot: boot.cast_unsigned(),
        }),
        _ => None,
    };
    let mut run = Run {
        plan,
        state: row.state.parse().map_err(Error::Row)?,
        attempt: row.attempt.cast_unsigned(),
        holder,
        lost_in_a_row: row.lost_in_a_row.cast_unsigned(),
        parked: false,
        asked: row.asked.as_deref().map(from_json).transpose()?,
        stop: stop_of_row(row)?,
        cause: cause_of_row(row)?,
        reason: row.reason.clone(),
        ended_by: row.ended_by.as_deref().map(from_json).transpose()?,
        started_at_ms: row.started_at_ms,
        ended_at_ms: row.ended_at_ms,
        last_seq: row.last_seq.cast_unsigned(),
        steps,
        waited: false,
        news: Vec::new(),
    };
    run.parked = is_parked(&run);
    Ok(run)
}

/// Whether a run as it was read wants no executor.
fn is_parked(run: &Run) -> bool {
    match run.state {
        State::Waiting => true,
        State::Cancelling | State::Failing => run.holder.is_none() && !run.works(),
        State::Queued
        | State::Running
        | State::Succeeded
        | State::Warned
        | State::Failed
        | State::Cancelled => false,
    }
}

/// What of a run's row its rules may change.
pub(crate) fn changes(row: &run::Model, run: &Run, queued_at_ms: i64) -> run::ActiveModel {
    run::ActiveModel {
        number: Unchanged(row.number),
        state: Set(run.state.name().to_owned()),
        attempt: Set(run.attempt.cast_signed()),
        executor: Set(run.holder.as_ref().map(|it| it.executor.clone())),
        boot: Set(run.holder.as_ref().map(|it| it.boot.cast_signed())),
        lost_in_a_row: Set(run.lost_in_a_row.cast_signed()),
        stop: Set(run.stop.as_ref().map(stop_text)),
        cause: Set(run.cause.map(|it| cause_name(it).to_owned())),
        reason: Set(run.reason.clone()),
        ended_by: Set(run.ended_by.as_ref().map(to_json)),
        last_seq: Set(run.last_seq.cast_signed()),
        queued_at_ms: Set(queued_at_ms),
        started_at_ms: Set(run.started_at_ms),
        ended_at_ms: Set(run.ended_at_ms),
        ..Default::default()
    }
}

/// The rows of the steps that changed.
pub(crate) fn changed_steps(run_id: &str, run: &Run) -> Vec<run_step::ActiveModel> {
    let changed = run
        .steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.changed);
    changed
        .map(|(position, step)| row_of(run_id, position, step))
        .collect()
}

/// A step that has not been touched.
pub(crate) fn pending() -> StepRun {
    StepRun {
        progress: Progress::default(),
        exit_code: None,
        message: String::new(),
        started_at_ms: None,
        ended_at_ms: None,
        outputs: BTreeMap::new(),
        served: Served::default(),
        changed: false,
    }
}

fn row_of(run_id: &str, position: usize, step: &StepRun) -> run_step::ActiveModel {
    let due_ms = match step.progress.state {
        StepState::Retrying { due_ms } => Some(due_ms),
        StepState::Waiting { until_ms } => until_ms,
        StepState::Pending
        | StepState::Running
        | StepState::Succeeded
        | StepState::Warned
        | StepState::Failed
        | StepState::Cancelled
        | StepState::Skipped => None,
    };
    run_step::ActiveModel {
        run_id: Set(run_id.to_owned()),
        position: Set(i32::try_from(position).unwrap_or(i32::MAX)),
        state: Set(step_state_name(step.progress.state).to_owned()),
        due_ms: Set(due_ms),
        tries: Set(step.progress.tries.cast_signed()),
        failures: Set(step.progress.failures.cast_signed()),
        exit_code: Set(step.exit_code),
        message: Set(step.message.clone()),
        outputs: Set(to_json(&step.outputs)),
        started_at_ms: Set(step.started_at_ms),
        ended_at_ms: Set(step.ended_at_ms),
        served_heard: Set(step.served.heard.cast_signed()),
        served_lines: Set(step.served.lines.cast_signed()),
    }
}

/// Reads a step.
pub(crate) fn step_of(row: run_step::Model) -> Result<StepRun, Error> {
    Ok(StepRun {
        progress: Progress {
            state: step_state_of(&row.state, row.due_ms)?,
            tries: row.tries.cast_unsigned(),
            failures: row.failures.cast_unsigned(),
        },
        exit_code: row.exit_code,
        message: row.message,
        started_at_ms: row.started_at_ms,
        ended_at_ms: row.ended_at_ms,
        outputs: from_json(&row.outputs)?,
        served: Served {
            heard: row.served_heard.cast_unsigned(),
            lines: row.served_lines.cast_unsigned(),
        },
        changed: false,
    })
}

fn step_state_of(name: &str, due_ms: Option<i64>) -> Result<StepState, Error> {
    Ok(match name {
        "pending" => StepState::Pending,
        "running" => StepState::Running,
        "waiting" => StepState::Waiting { until_ms: due_ms },
        "retrying" => StepState::Retrying {
            due_ms: due_ms.unwrap_or_default(),
        },
        "succeeded" => StepState::Succeeded,
        "warned" => StepState::Warned,
        "failed" => StepState::Failed,
        "cancelled" => StepState::Cancelled,
        "skipped" => StepState::Skipped,
        other => return Err(Error::Row(format!("\"{other}\" is no state of a step"))),
    })
}

fn step_state_name(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "pending",
        StepState::Running => "running",
        StepState::Waiting { .. } => "waiting",
        StepState::Retrying { .. } => "retrying",
        StepState::Succeeded => "succeeded",
        StepState::Warned => "warned",
        StepState::Failed => "failed",
        StepState::Cancelled => "cancelled",
        StepState::Skipped => "skipped",
    }
}

const CAUSES: [(EndCause, &str); 7] = [
    (EndCause::Completed, "completed"),
    (EndCause::StepFailed, "step_failed"),
    (EndCause::StepTimedOut, "step_timed_out"),
    (EndCause::ExecutorLost, "executor_lost"),
    (EndCause::Stopped, "stopped"),
    (EndCause::Reset, "reset"),
    (EndCause::Rejected, "rejected"),
];

/// The name of a cause in its row.
pub(crate) fn cause_name(cause: EndCause) -> &'static str {
    CAUSES
        .into_iter()
        .find(|(it, _)| *it == cause)
        .map_or("", |(_, name)| name)
}

fn cause_of(name: &str) -> Result<EndCause, Error> {
    let found = CAUSES
        .into_iter()
        .find(|(_, it)| *it == name)
        .map(|(cause, _)| cause);
    found.ok_or_else(|| Error::Row(format!("\"{name}\" is no cause of an end")))
}

/// The name of an attempt's end in its row.
pub(crate) fn end_name(end: AttemptEnd) -> &'static str {
    match end {
        AttemptEnd::Finished => "finished",
        AttemptEnd::HandedBack => "handed_back",
        AttemptEnd::Lost => "lost",
    }
}

/// The name of a way to stop.
pub(crate) fn stop_mode_name(mode: StopMode) -> &'static str {
    match mode {
        StopMode::Graceful => "graceful",
        StopMode::Cancel => "cancel",
        StopMode::Kill => "kill",
    }
}

fn stop_text(stop: &Stop) -> String {
    to_json(&StoredStop {
        mode: stop_mode_name(stop.mode).into(),
        reason: stop.reason.clone(),
        actor: stop.actor.clone(),
        cause: cause_name(stop.cause).into(),
        at_ms: stop.at_ms,
    })
}

fn stop_of(text: &str) -> Result<Stop, Error> {
    let stored: StoredStop = from_json(text)?;
    let mode = match stored.mode.as_str() {
        "graceful" => StopMode::Graceful,
        "cancel" => StopMode::Cancel,
        "kill" => StopMode::Kill,
        other => return Err(Error::Row(format!("\"{other}\" is no way to stop"))),
    };
    Ok(Stop {
        mode,
        reason: stored.reason,
        actor: stored.actor,
        cause: cause_of(&stored.cause)?,
        at_ms: stored.at_ms,
    })
}

/// The JSON of a value that always has one.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A value from a column of JSON.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Row(error.to_string()))
}

/// The stop that holds for a run.
pub(crate) fn stop_of_row(row: &run::Model) -> Result<Option<Stop>, Error> {
    row.stop.as_deref().map(stop_of).transpose()
}

/// The cause of a run's end, or of the end that is coming.
pub(crate) fn cause_of_row(row: &run::Model) -> Result<Option<EndCause>, Error> {
    row.cause.as_deref().map(cause_of).transpose()
}
