//! A pipeline, as answers show it.

use contracts::pipeline::{Lock, Pipeline, Step};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::run_view::RunView;
use super::{Person, some};
use crate::time::Time;

/// A pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pipeline)]
pub(crate) struct PipelineView {
    /// 24 hex digits.
    id: String,
    number: i64,
    name: String,
    account: String,
    owner: Person,
    /// What the caller is to it: `owner`, or the name of a role that its rules give. Users and
    /// guests see of its definition which steps there are, and not what they are told to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    role: String,
    /// Of the definition; counts from 1.
    version: u32,
    /// The number of the latest run, 0 before the first.
    run_count: i64,
    created_at: Time,
    updated_at: Time,
    /// As it was defined, normalised; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    definition: Option<Box<RawValue>>,
    /// The permanent ids of its steps; absent in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepIds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_run: Option<RunView>,
    /// What keeps it from being run; absent unless it is locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    lock: Option<LockView>,
}

/// What keeps a pipeline from being run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Lock)]
struct LockView {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Person>,
    at: Time,
}

impl LockView {
    fn of(lock: Lock) -> Self {
        Self {
            reason: some(lock.reason),
            by: lock.actor.map(Person::of),
            at: Time::at(lock.at_ms),
        }
    }
}

/// A step under its permanent ids, which it keeps as long as its `id` stays.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepIds {
    /// As the definition calls it.
    id: String,
    name: String,
    /// 24 hex digits.
    object_id: String,
    number: i64,
}

impl PipelineView {
    /// With its definition.
    pub(super) fn whole(mut pipeline: Pipeline) -> Self {
        let definition = RawValue::from_string(std::mem::take(&mut pipeline.definition_json));
        let steps = std::mem::take(&mut pipeline.steps);
        Self {
            definition: definition.ok(),
            steps: steps.into_iter().map(StepIds::of).collect(),
            ..Self::in_list(pipeline)
        }
    }

    /// Without what is long.
    pub(super) fn in_list(pipeline: Pipeline) -> Self {
        Self {
            id: pipeline.id,
            number: pipeline.number,
            name: pipeline.name,
            account: pipeline.account,
            owner: Person {
                id: pipeline.owner,
                name: pipeline.owner_name,
            },
            role: pipeline.role,
            version: pipeline.version,
            run_count: pipeline.run_count,
            created_at: Time::at(pipeline.created_at_ms),
            updated_at: Time::at(pipeline.updated_at_ms),
            definition: None,
            steps: Vec::new(),
            latest_run: pipeline.latest_run.map(RunView::of),
            lock: pipeline.lock.map(LockView::of),
        }
    }
}

impl StepIds {
    fn of(step: Step) -> Self {
        Self {
            id: step.slug,
            name: step.name,
            object_id: step.id,
            number: step.number,
        }
    }
}
