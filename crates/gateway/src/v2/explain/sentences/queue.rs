//! What a run waits for, and where it is worked on.

use contracts::pipeline::{Blocker, Run};
use contracts::scheduler::ExplainResponse;
use serde_json::json;

use super::{Queue, Sentence, sentence};
use crate::time::Time;

pub(super) fn queued(run: &Run, queue: &Queue) -> Vec<Sentence> {
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

pub(super) fn working(run: &Run, queue: &Queue) -> Option<Sentence> {
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
