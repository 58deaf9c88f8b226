//! The pipeline document of `/api/v1`: a pipeline's definition, and where its runs are.
//!
//! Secrets appear by their names alone, as they do in the definition.

mod plan;

use contracts::message::{RunState, StepState};
use contracts::pipeline::{Pipeline, Run, RunStep};
use serde::Serialize;
use serde_json::{Value, json};

use super::asking::{open_gate, status};
use super::messages::Status;
use crate::time::Time;
use plan::Step;

/// Where a definition keeps what of a document is nothing to Penstock: among its annotations.
pub(super) const KEPT: &str = "opsera";

/// A pipeline.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    description: Value,
    #[serde(rename = "type")]
    kind: Value,
    owner: String,
    owner_name: String,
    account: String,
    roles: Value,
    role_access_level: String,
    tags: Value,
    active: bool,
    locked: bool,
    workflow: Workflow,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(rename = "createdAt")]
    created_at: Time,
    #[serde(rename = "updatedAt")]
    updated_at: Time,
    #[serde(rename = "__v")]
    revision: u32,
}

/// What it does and where it is.
#[derive(Debug, Serialize)]
struct Workflow {
    source: Value,
    plan: Vec<Step>,
    run_count: i64,
    last_step: Value,
    last_run: Value,
}

/// The definition of a pipeline, or null if it can't be read.
pub(super) fn definition(pipeline: &Pipeline) -> Value {
    serde_json::from_str(&pipeline.definition_json).unwrap_or_else(|error| {
        tracing::error!(
            pipeline.id = pipeline.id,
            "a definition can't be read: {error}"
        );
        Value::Null
    })
}

impl Document {
    pub(super) fn of(pipeline: Pipeline) -> Self {
        let mut definition = definition(&pipeline);
        let position = position(&pipeline);
        let last = pipeline.latest_ended_run.as_ref();
        let mut kept = definition["annotations"][KEPT].take();
        Self {
            state: position.state(),
            status: position.live.or_else(|| last.map(|run| status(run).word())),
            workflow: Workflow {
                source: some_or(kept["source"].take(), json!({})),
                plan: plan::of(&definition, &pipeline.steps),
                run_count: pipeline.run_count,
                last_step: position.last_step,
                last_run: last.map_or_else(|| json!({}), last_run),
            },
            description: some_or(definition["description"].take(), json!("")),
            roles: rules(definition["roles"].take()),
            tags: some_or(definition["tags"].take(), json!([])),
            kind: some_or(kept["type"].take(), json!(["sdlc"])),
            active: true,
            locked: pipeline.lock.is_some(),
            created_at: Time::at(pipeline.created_at_ms),
            updated_at: Time::at(pipeline.updated_at_ms),
            revision: 0,
            id: pipeline.id,
            name: pipeline.name,
            owner: pipeline.owner,
            owner_name: pipeline.owner_name,
            role_access_level: pipeline.role,
            account: pipeline.account,
        }
    }
}

/// Where a pipeline is, and `last_step` that says it.
struct Position {
    /// What an unfinished run makes of the pipeline's status.
    live: Option<&'static str>,
    last_step: Value,
}

impl Position {
    fn state(&self) -> &'static str {
        self.live.unwrap_or("stopped")
    }
}

fn position(pipeline: &Pipeline) -> Position {
    let Some(run) = &pipeline.current_run else {
        return Position {
            live: None,
            last_step: json!({}),
        };
    };
    match status(run) {
        Status::Queued if run.queue_position == 0 => Position {
            live: None,
            last_step: pipeline
                .latest_ended_run
                .as_ref()
                .map_or_else(|| json!({}), rested),
        },
        // A run before it is at work.
        Status::Queued => Position {
            live: Some("running"),
            last_step: json!({"status": "running"}),
        },
        Status::Running => Position {
            live: Some("running"),
            last_step: running(run),
        },
        Status::Paused => Position {
            live: Some("paused"),
            last_step: paused(run, open_gate(run)),
        },
        Status::Stopped | Status::Failed | Status::Success => Position {
            live: None,
            last_step: rested(run),
        },
    }
}

fn running(run: &Run) -> Value {
    let mut last_step = json!({"status": "running"});
    if let Some(step) = last(run, &[StepState::Running, StepState::Retrying]) {
        last_step["step_id"] = json!(step.id);
        last_step["running"] = json!({
            "step_id": step.id,
            "status": "running",
            "updatedAt": Time::of(step.started_at_ms),
        });
    }
    add(
        &mut last_step,
        "success",
        last(run, &[StepState::Succeeded, StepState::Warned]),
    );
    last_step
}

fn paused(run: &Run, gate: Option<&RunStep>) -> Value {
    let mut last_step = json!({"status": "stopped"});
    if let Some(step) = gate {
        last_step["step_id"] = json!(step.id);
        last_step["running"] = json!({
            "step_id": step.id,
            "status": "pending",
            "paused": true,
            "updatedAt": Time::of(step.started_at_ms),
        });
    }
    add(
        &mut last_step,
        "success",
        last(run, &[StepState::Succeeded, StepState::Warned]),
    );
    last_step
}

/// Where a run that has ended left the pipeline.
fn rested(run: &Run) -> Value {
    let failed = last(run, &[StepState::Failed]);
    let success = last(run, &[StepState::Succeeded, StepState::Warned]);
    let stopped = last(run, &[StepState::Cancelled]).filter(|_| run.state() == RunState::Cancelled);
    let mut last_step = json!({"status": "stopped"});
    if let Some(step) = failed.or(stopped).or(success) {
        last_step["step_id"] = json!(step.id);
    }
    if let Some(step) = stopped {
        last_step["running"] = json!({"step_id": step.id, "status": "stopped"});
    }
    add(&mut last_step, "success", success);
    add(&mut last_step, "failed", failed);
    last_step
}

fn add(last_step: &mut Value, word: &str, step: Option<&RunStep>) {
    if let Some(step) = step {
        let ended = Time::of(step.ended_at_ms);
        last_step[word] = json!({"step_id": step.id, "status": word, "updatedAt": ended});
    }
}

fn last<'a>(run: &'a Run, states: &[StepState]) -> Option<&'a RunStep> {
    run.steps
        .iter()
        .rev()
        .find(|step| states.contains(&step.state()))
}

fn last_run(run: &Run) -> Value {
    let (started, completed) = (Time::of(run.started_at_ms), Time::of(run.ended_at_ms));
    let duration = completed
        .zip(started)
        .map(|(end, start)| end.ms() - start.ms());
    json!({
        "run_count": run.run_count,
        "status": status(run).word(),
        "completed": completed,
        "started": started,
        "triggeredBy": run.started_by.as_ref().map(|actor| &actor.user_id),
        "duration": duration,
    })
}

/// The rules in the words of this face.
fn rules(mut rules: Value) -> Value {
    for rule in rules.as_array_mut().into_iter().flatten() {
        if let Some(fields) = rule.as_object_mut()
            && let Some(role) = fields.remove("siteRole")
        {
            fields.insert("site_role".into(), role);
        }
    }
    some_or(rules, json!([]))
}

fn some_or(value: Value, otherwise: Value) -> Value {
    if value.is_null() { otherwise } else { value }
}
