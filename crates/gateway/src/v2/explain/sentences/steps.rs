//! What a step does, waits for, or ended with.

use std::fmt::Write as _;

use contracts::access::Right;
use contracts::message::StepState;
use contracts::pipeline::{Gate, Run, RunStep};
use serde_json::json;

use super::{Sentence, sentence};
use crate::time::Time;
use crate::v2::words;

/// Steps that are spoken of, at most.
const MAX_STEPS: usize = 20;

/// The steps that decide now, or decided.
pub(super) fn steps(run: &Run) -> impl Iterator<Item = Sentence> + '_ {
    run.steps.iter().filter_map(step).take(MAX_STEPS)
}

fn step(step: &RunStep) -> Option<Sentence> {
    let id = &step.slug;
    let tries = step.tries;
    let text = match step.state() {
        StepState::Running => match Time::of(step.started_at_ms) {
            Some(since) => format!("The step {id} is running since {since} (try {tries})."),
            None => format!("The step {id} is running (try {tries})."),
        },
        StepState::Retrying => format!(
            "Try {tries} of the step {id} failed{}; another one is due.",
            why(step)
        ),
        StepState::Waiting => match &step.gate {
            Some(gate) => at_gate(id, gate),
            None => match &step.child {
                Some(child) => {
                    let (run_count, name) = (child.run_count, &child.pipeline_name);
                    format!("The step {id} waits for run {run_count} of {name}.")
                }
                None => format!("The step {id} waits for what is outside{}.", why(step)),
            },
        },
        StepState::Failed => format!("The step {id} failed{}.", why(step)),
        StepState::Warned => format!("The step {id} warned{}.", why(step)),
        StepState::Unspecified
        | StepState::Pending
        | StepState::Succeeded
        | StepState::Cancelled
        | StepState::Skipped => return None,
    };
    let facts = json!({
        "step": id,
        "state": words::StepState::of(step.state),
        "tries": tries,
        "exitCode": step.exit_code,
        "message": (!step.message.is_empty()).then_some(&step.message),
        "startedAt": Time::of(step.started_at_ms),
    });
    Some(sentence(text, facts))
}

/// Who may decide at a gate, and who has.
fn at_gate(id: &str, gate: &Gate) -> String {
    let approved = gate.decisions.iter().filter(|it| it.approved);
    let names = approved.filter_map(|it| it.actor.as_ref());
    let names: Vec<&str> = names.map(|it| it.name.as_str()).collect();
    let asked = match gate.message.as_str() {
        "" => String::new(),
        message => format!(": {message}"),
    };
    let mut text = format!("The step {id} waits for people to decide{asked}");
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    if gate.approvers > 1 {
        let _ = write!(
            text,
            " {} of {} have approved it",
            names.len(),
            gate.approvers
        );
        if !names.is_empty() {
            text.push_str(": ");
            text += &names.join(", ");
        }
        text.push('.');
    }
    let _ = write!(
        text,
        " Whoever may approve the pipeline may: {}, or everyone where it has no rules",
        Right::Approve.holders()
    );
    text += if gate.self_approval {
        "."
    } else {
        "; not who started the run."
    };
    if let Some(until) = Time::of(gate.until_ms) {
        let _ = write!(text, " It fails at {until}.");
    }
    text
}

fn why(step: &RunStep) -> String {
    match (step.message.is_empty(), step.exit_code) {
        (false, _) => format!(": {}", step.message.trim_end_matches('.')),
        (true, Some(code)) => format!(" with exit code {code}"),
        (true, None) => String::new(),
    }
}
