//! What there is to say about a run. Pure: it knows the run and what the scheduler says of it.

use std::fmt::Write as _;

use contracts::access::Right;
use contracts::message::{EndCause, RunState, StepState, StopMode};
use contracts::pipeline::{Blocker, Gate, Run, RunStep};
use contracts::scheduler::ExplainResponse;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::time::Time;
use crate::v2::words;

/// Steps that are spoken of, at most.
const MAX_STEPS: usize = 20;

/// A sentence, and what it rests on.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Sentence {
    text: String,
    #[schema(value_type = Object)]
    facts: Map<String, Value>,
}

/// What the scheduler says.
pub(super) enum Queue {
    /// It wasn't asked, or doesn't know the run.
    Silent,
    /// It can't be asked.
    Away,
    Says(ExplainResponse),
}

/// Everything that explains the run, the most important first.
pub(super) fn sentences(run: &Run, queue: &Queue) -> Vec<Sentence> {
    let mut said = Vec::new();
    match run.state() {
        RunState::Queued => said.extend(queued(run, queue)),
        RunState::Running => {
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Waiting => {
            said.push(sentence(
                "The run waits for something outside of it; it holds no executor.",
                json!({}),
            ));
            said.extend(steps(run));
        }
        RunState::Cancelling => {
            said.push(stopping(run));
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Failing => {
            said.push(sentence(
                "A step has failed; what always runs is still to finish.",
                json!({}),
            ));
            said.extend(working(run, queue));
            said.extend(steps(run));
        }
        RunState::Succeeded | RunState::Warned | RunState::Failed | RunState::Cancelled => {
            said.push(ended(run));
            said.extend(steps(run));
        }
        RunState::Unspecified => {}
    }
    said
}

fn queued(run: &Run, queue: &Queue) -> Vec<Sentence> {
    let mut said = Vec::new();
    if run.attempt > 1 {
        let text = format!(
            "Attempt {} is due; the one before it has ended without the run.",
            run.attempt
        );
        said.push(sentence(text, json!({"attempt": run.attempt})));
    }
    if run.concurrency > 0 && run.queue_position >= run.concurrency {
        let text = format!(
            "The pipeline has no free place: {} of its runs come before this one, and {} may run at a time.",
            run.queue_position, run.concurrency
        );
        let facts = json!({"queuePosition": run.queue_position, "concurrency": run.concurrency});
        said.push(sentence(text, facts));
    }
    said.extend(run.blocked_by.as_ref().map(blocked));
    match queue {
        Queue::Says(says) if says.executor.is_empty() => said.push(in_queue(says)),
        Queue::Says(says) => said.push(at_executor(
            &says.executor,
            says.lease_expires_at_ms,
            run.attempt,
        )),
        Queue::Away => said.push(away()),
        Queue::Silent => said.push(sentence(
            "The run was accepted and is on its way to the scheduler's queue.",
            json!({"requestedAt": Time::at(run.requested_at_ms)}),
        )),
    }
    said
}

fn blocked(by: &Blocker) -> Sentence {
    let Blocker {
        pipeline_id,
        pipeline_name,
        run_count,
        has_begun,
    } = by;
    let why = if *has_begun {
        "has not ended"
    } else {
        "was accepted before this one"
    };
    if pipeline_id.is_empty() {
        let text = format!("A pipeline that must not run at the same time has a run that {why}.");
        return sentence(text, json!({}));
    }
    let text = format!(
        "The pipeline {pipeline_name} must not run at the same time, and its run {run_count} {why}."
    );
    let facts = json!({
        "pipelineId": pipeline_id,
        "pipelineName": pipeline_name,
        "runCount": run_count,
    });
    sentence(text, facts)
}

fn in_queue(says: &ExplainResponse) -> Sentence {
    let facts = json!({
        "queuePlace": says.queue_place,
        "executors": says.executors,
        "drained": says.draining,
        "slots": says.slots,
        "busy": says.busy,
    });
    let place = says.queue_place;
    let text = if says.executors == 0 && says.draining > 0 {
        format!(
            "The run is number {place} in the queue, and all {} executors are drained: \
             `penstock executors undrain` lets one work again.",
            says.draining
        )
    } else if says.executors == 0 {
        format!("The run is number {place} in the queue, and no executor is there to take it.")
    } else if says.busy >= says.slots {
        format!(
            "The run is number {place} in the queue: all {} slots are busy.",
            says.slots
        )
    } else {
        let free = says.slots - says.busy;
        format!(
            "The run is number {place} in the queue; {free} of {} slots are free.",
            says.slots
        )
    };
    sentence(text, facts)
}

fn working(run: &Run, queue: &Queue) -> Option<Sentence> {
    match queue {
        Queue::Says(says) if says.executor.is_empty() => Some(in_queue(says)),
        Queue::Says(says) => Some(at_executor(
            &says.executor,
            says.lease_expires_at_ms,
            run.attempt,
        )),
        Queue::Away => Some(away()),
        Queue::Silent if run.executor.is_empty() => None,
        Queue::Silent => Some(at_executor(&run.executor, 0, run.attempt)),
    }
}

fn at_executor(executor: &str, lease_expires_at_ms: i64, attempt: u32) -> Sentence {
    let lease = Time::of(lease_expires_at_ms);
    let facts = json!({"executor": executor, "attempt": attempt, "leaseExpiresAt": lease});
    let text = match lease {
        Some(until) => {
            format!("The executor {executor} has attempt {attempt}; its lease lasts until {until}.")
        }
        None => format!("The executor {executor} has attempt {attempt}."),
    };
    sentence(text, facts)
}

fn away() -> Sentence {
    sentence(
        "The scheduler can't be asked now; it would know the queue and the lease.",
        json!({}),
    )
}

fn stopping(run: &Run) -> Sentence {
    let mode = match run.stop_mode() {
        StopMode::Unspecified | StopMode::Graceful => "what is running finishes",
        StopMode::Cancel => "what is running is told to end",
        StopMode::Kill => "what is running is killed",
    };
    let text = format!(
        "A stop was asked for{}: {mode}, and no other step starts.",
        because(run)
    );
    sentence(text, stop_facts(run))
}

fn ended(run: &Run) -> Sentence {
    let by = by(run);
    let text = match run.end_cause() {
        EndCause::Unspecified | EndCause::Completed => "All steps have ended.".to_owned(),
        EndCause::StepFailed => "A step failed.".to_owned(),
        EndCause::StepTimedOut => "A step took longer than it may.".to_owned(),
        EndCause::ExecutorLost if !run.reason.is_empty() => {
            format!("The run could not go on: {}.", run.reason)
        }
        EndCause::ExecutorLost => {
            "The executor was lost, and the run could not go on elsewhere.".to_owned()
        }
        EndCause::Stopped => format!("The run was stopped{}.", because(run)),
        EndCause::Reset => format!("The pipeline was reset{by}."),
        EndCause::Rejected => format!("An approval was refused{by}."),
    };
    let mut facts = stop_facts(run);
    facts["endCause"] = json!(words::EndCause::of(run.end_cause));
    facts["endedAt"] = json!(Time::of(run.ended_at_ms));
    sentence(text, facts)
}

fn stop_facts(run: &Run) -> Value {
    json!({
        "mode": words::StopMode::of(run.stop_mode),
        "by": run.ended_by.as_ref().map(|actor| &actor.name),
        "reason": (!run.reason.is_empty()).then_some(&run.reason),
    })
}

fn because(run: &Run) -> String {
    if run.reason.is_empty() {
        by(run)
    } else {
        format!("{} ({})", by(run), run.reason)
    }
}

fn by(run: &Run) -> String {
    run.ended_by
        .as_ref()
        .map(|actor| format!(" by {}", actor.name))
        .unwrap_or_default()
}

/// The steps that decide now, or decided.
fn steps(run: &Run) -> impl Iterator<Item = Sentence> + '_ {
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

/// A sentence without the facts that are not known.
fn sentence(text: impl Into<String>, facts: Value) -> Sentence {
    let facts = match facts {
        Value::Object(facts) => facts
            .into_iter()
            .filter(|(_, fact)| !fact.is_null())
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    Sentence {
        text: text.into(),
        facts,
    }
}

#[cfg(test)]
mod tests {
    use contracts::message::Actor;

    use super::*;

    fn texts(run: &Run, queue: &Queue) -> Vec<String> {
        sentences(run, queue)
            .into_iter()
            .map(|sentence| sentence.text)
            .collect()
    }

    fn run(state: RunState) -> Run {
        Run {
            state: state.into(),
            attempt: 1,
            concurrency: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_queued_run_says_what_it_waits_for() {
        let busy = ExplainResponse {
            queue_place: 3,
            executors: 1,
            slots: 4,
            busy: 4,
            ..Default::default()
        };
        let mut queued = run(RunState::Queued);
        assert_eq!(
            texts(&queued, &Queue::Says(busy)),
            ["The run is number 3 in the queue: all 4 slots are busy."]
        );
        let drained = ExplainResponse {
            queue_place: 3,
            draining: 2,
            ..Default::default()
        };
        assert_eq!(
            texts(&queued, &Queue::Says(drained)),
            [
                "The run is number 3 in the queue, and all 2 executors are drained: \
              `penstock executors undrain` lets one work again."
            ]
        );
        queued.queue_position = 2;
        let alone = ExplainResponse {
            queue_place: 1,
            ..Default::default()
        };
        assert_eq!(
            texts(&queued, &Queue::Says(alone)),
            [
                "The pipeline has no free place: 2 of its runs come before this one, and 1 may run at a time.",
                "The run is number 1 in the queue, and no executor is there to take it.",
            ]
        );
    }

    #[test]
    fn a_run_that_another_pipeline_holds_back_says_which() {
        let mut queued = run(RunState::Queued);
        let ahead = ExplainResponse {
            queue_place: 1,
            executors: 1,
            slots: 4,
            ..Default::default()
        };
        for (has_begun, why) in [
            (true, "has not ended"),
            (false, "was accepted before this one"),
        ] {
            queued.blocked_by = Some(Blocker {
                pipeline_id: "p".into(),
                pipeline_name: "import".into(),
                run_count: 7,
                has_begun,
            });
            let said = texts(&queued, &Queue::Says(ahead.clone()));
            let expected =
                format!("The pipeline import must not run at the same time, and its run 7 {why}.");
            assert_eq!(said[0], expected);
            assert_eq!(said.len(), 2);
        }
    }

    #[test]
    fn an_ended_run_says_why_and_who() {
        let mut failed = run(RunState::Failed);
        failed.end_cause = EndCause::StepFailed.into();
        failed.steps = vec![RunStep {
            slug: "build".into(),
            state: StepState::Failed.into(),
            tries: 2,
            exit_code: Some(7),
            ..Default::default()
        }];
        let said = sentences(&failed, &Queue::Silent);
        assert_eq!(said[0].text, "A step failed.");
        assert_eq!(said[1].text, "The step build failed with exit code 7.");
        assert_eq!(said[1].facts["exitCode"], 7);

        let mut stopped = run(RunState::Cancelled);
        stopped.end_cause = EndCause::Stopped.into();
        stopped.ended_by = Some(Actor {
            name: "Ada".into(),
            ..Default::default()
        });
        stopped.reason = "too slow".into();
        assert_eq!(
            texts(&stopped, &Queue::Silent),
            ["The run was stopped by Ada (too slow)."]
        );
    }

    #[test]
    fn a_gate_says_who_has_decided_and_who_may() {
        let by = |name: &str| contracts::pipeline::GateDecision {
            approved: true,
            actor: Some(Actor {
                name: name.into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut waiting = run(RunState::Waiting);
        waiting.steps = vec![RunStep {
            slug: "go".into(),
            state: StepState::Waiting.into(),
            gate: Some(Gate {
                message: "Publish?".into(),
                approvers: 2,
                decisions: vec![by("Ada")],
                ..Default::default()
            }),
            ..Default::default()
        }];
        assert_eq!(
            texts(&waiting, &Queue::Silent)[1],
            "The step go waits for people to decide: Publish? 1 of 2 have approved it: Ada. \
             Whoever may approve the pipeline may: manager, secops, administrator or owner, or \
             everyone where it has no rules; not who started the run."
        );
    }

    #[test]
    fn every_state_has_something_to_say() {
        for state in 1..=9 {
            let run = Run {
                state,
                ..Default::default()
            };
            let says = Queue::Says(ExplainResponse {
                executor: "e".into(),
                ..Default::default()
            });
            assert!(!texts(&run, &says).is_empty(), "{state}");
        }
    }
}
