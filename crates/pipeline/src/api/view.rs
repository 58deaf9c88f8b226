//! Pipelines and runs as they are answered.

use std::collections::BTreeMap;

use contracts::access::Right;
use contracts::message;
use contracts::pipeline as wire;

use super::gates;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run};
use crate::news;
use crate::record::{self, from_json};
use crate::rules::without_step_details;
use crate::run::{Actor, Run, Stop};
use crate::state::State;
use crate::store::{Blocker, Lock, Store, ToolPipeline, ToolRun};

/// A run without its steps, as lists show it.
pub(crate) fn summary(row: &run::Model, pipeline: &pipeline::Model) -> Result<wire::Run, Error> {
    let state: State = row.state.parse().map_err(Error::Row)?;
    let started_by: Actor = from_json(&row.started_by)?;
    let stop = record::stop_of_row(row)?;
    let cause = record::cause_of_row(row)?.filter(|_| state.is_final());
    let changed_at_ms = changed_at_ms(row, stop.as_ref());
    Ok(wire::Run {
        id: row.id.clone(),
        number: row.number,
        pipeline_id: row.pipeline_id.clone(),
        pipeline_name: pipeline.name.clone(),
        run_count: row.run_count,
        version: row.version.cast_unsigned(),
        state: news::state(state).into(),
        end_cause: cause.map_or(0, |it| news::cause(it).into()),
        ended_by: ended_by(row, stop.as_ref())?,
        started_by: Some(news::actor_message(&started_by)),
        reason: row.reason.clone(),
        attempt: row.attempt.cast_unsigned(),
        requested_at_ms: row.requested_at_ms,
        started_at_ms: row.started_at_ms.unwrap_or_default(),
        ended_at_ms: row.ended_at_ms.unwrap_or_default(),
        stop_mode: news::stop_mode(stop.map(|it| it.mode)).into(),
        steps: Vec::new(),
        parameters: from_json(&row.parameters)?,
        queue_position: 0,
        concurrency: pipeline.concurrency.cast_unsigned(),
        executor: row.executor.clone().unwrap_or_default(),
        blocked_by: None,
        resumed_from: row.resumed_from.unwrap_or_default(),
        parent_id: row.parent_id.clone().unwrap_or_default(),
        order_number: row.order_number,
        silent: row.silent,
        schedule_id: row.schedule_id.clone().unwrap_or_default(),
        schedule_number: row.schedule_number.unwrap_or_default(),
        slot: row.slot.clone().unwrap_or_default(),
        on_behalf_of: row.on_behalf_of.clone(),
        owner: row.owner.clone().unwrap_or(started_by.user_id),
        debugging: row.debugging,
        changed_at_ms,
    })
}

/// When its state or its stop was last changed.
fn changed_at_ms(row: &run::Model, stop: Option<&Stop>) -> i64 {
    let times = [
        Some(row.queued_at_ms),
        row.started_at_ms,
        row.ended_at_ms,
        stop.and_then(|it| it.at_ms),
    ];
    let latest = times.into_iter().flatten().max();
    latest.map_or(row.requested_at_ms, |it| it.max(row.requested_at_ms))
}

/// Who stopped it, or made it end otherwise.
fn ended_by(row: &run::Model, stop: Option<&Stop>) -> Result<Option<message::Actor>, Error> {
    let rejected: Option<Actor> = row.ended_by.as_deref().map(from_json).transpose()?;
    let actor = rejected.as_ref().or(stop.map(|it| &it.actor));
    Ok(actor.map(news::actor_message))
}

/// A run with its steps and, while it is queued, its position.
pub(crate) async fn whole(
    store: &Store,
    row: &run::Model,
    pipeline: &pipeline::Model,
    caller: &Caller,
) -> Result<wire::Run, Error> {
    let mut view = summary(row, pipeline)?;
    let ids = store.step_ids(&row.pipeline_id).await?;
    let run = store.with_steps(row).await?;
    let has_gates = run.plan.steps.iter().any(|it| it.kind.gate().is_some());
    let mut decisions = if has_gates {
        store.decisions(&row.id).await?
    } else {
        BTreeMap::new()
    };
    for (position, planned) in run.plan.steps.iter().enumerate() {
        let known = ids.get(&planned.id);
        let (id, number) = known
            .map(|it| (it.id.clone(), it.number))
            .unwrap_or_default();
        let made = decisions.remove(&i32::try_from(position).unwrap_or(i32::MAX));
        view.steps.push(wire::RunStep {
            gate: gates::gate(&run, position, &made.unwrap_or_default())?,
            number,
            ..step(&run, position, id)
        });
    }
    if run.plan.steps.iter().any(|it| it.kind.child().is_some()) {
        gates::show_children(store, &row.id, &mut view.steps).await?;
    }
    if row.state == State::Queued.name() {
        view.queue_position = u32::try_from(store.position(row).await?).unwrap_or(u32::MAX);
        if pipeline.has_conflicts && row.started_at_ms.is_none() {
            view.blocked_by = match store.blocker(row).await? {
                Some((found, pipeline)) => Some(blocker(&found, pipeline, caller)?),
                None => None,
            };
        }
    }
    Ok(view)
}

/// The run that is waited for; a pipeline that is hidden from the caller stays so.
fn blocker(
    blocker: &Blocker,
    pipeline: pipeline::Model,
    caller: &Caller,
) -> Result<wire::Blocker, Error> {
    let mut told = wire::Blocker {
        has_begun: blocker.started_at_ms.is_some(),
        ..Default::default()
    };
    if caller.sees(&pipeline)? {
        told.run_count = blocker.run_count;
        (told.pipeline_id, told.pipeline_name) = (pipeline.id, pipeline.name);
    }
    Ok(told)
}

fn step(run: &Run, position: usize, id: String) -> wire::RunStep {
    let (planned, step) = (&run.plan.steps[position], &run.steps[position]);
    wire::RunStep {
        slug: planned.id.clone(),
        id,
        name: planned.name.clone(),
        state: news::step_state(step.progress.state).into(),
        tries: step.progress.tries,
        exit_code: step.exit_code,
        started_at_ms: step.started_at_ms.unwrap_or_default(),
        ended_at_ms: step.ended_at_ms.unwrap_or_default(),
        message: step.message.clone(),
        gate: None,
        child: None,
        number: 0,
    }
}

/// A pipeline with its definition, as far as the caller may see it, and nothing besides.
pub(crate) async fn defined(
    store: &Store,
    row: &pipeline::Model,
    caller: &Caller,
) -> Result<wire::Pipeline, Error> {
    let head = head(row, caller)?;
    let version = store.version(row).await?;
    Ok(wire::Pipeline {
        definition_json: if head.hides_steps {
            without_step_details(&version.definition)?
        } else {
            version.definition
        },
        ..head
    })
}

/// Pipelines without their definitions and steps, and with a summary of their latest runs: a query for
/// all of them, so that long lists cost little.
pub(crate) async fn brief(
    store: &Store,
    rows: &[pipeline::Model],
    caller: &Caller,
) -> Result<Vec<wire::Pipeline>, Error> {
    let mut latest = store.latest_of(rows).await?;
    let view = |row: &pipeline::Model| {
        let run = latest.remove(&row.id);
        Ok(wire::Pipeline {
            latest_run: run.map(|run| summary(&run, row)).transpose()?,
            ..head(row, caller)?
        })
    };
    rows.iter().map(view).collect()
}

/// What a pipeline's own row says.
fn head(row: &pipeline::Model, caller: &Caller) -> Result<wire::Pipeline, Error> {
    let standing = caller.standing(row)?;
    Ok(wire::Pipeline {
        id: row.id.clone(),
        number: row.number,
        name: row.name.clone(),
        account: row.account.clone(),
        owner: row.owner.clone(),
        owner_name: row.owner_name.clone(),
        version: row.version.cast_unsigned(),
        run_count: row.run_count,
        created_at_ms: row.created_at_ms,
        updated_at_ms: row.updated_at_ms,
        role: standing.role_name().to_owned(),
        owner_actor: row.owner_actor.clone().unwrap_or_default(),
        hides_steps: !Right::ViewSteps.is_of(standing),
        lock: Lock::of(row)?.map(lock),
        ..Default::default()
    })
}

/// A pipeline with its definition, its steps' ids and its latest runs, as far as the caller may see
/// them.
pub(crate) async fn pipeline(
    store: &Store,
    row: &pipeline::Model,
    caller: &Caller,
    created: bool,
) -> Result<wire::Pipeline, Error> {
    let standing = caller.standing(row)?;
    let version = store.version(row).await?;
    let ids = store.step_ids(&row.id).await?;
    let plan: steps::Plan = from_json(&version.plan)?;
    let steps = plan.steps.into_iter().filter_map(|step| {
        let known = ids.get(&step.id)?;
        let (id, number) = (known.id.clone(), known.number);
        Some(wire::Step {
            slug: step.id,
            id,
            number,
            name: step.name,
        })
    });
    let definition = if Right::ViewSteps.is_of(standing) {
        version.definition
    } else {
        without_step_details(&version.definition)?
    };
    let mut view = wire::Pipeline {
        definition_json: definition,
        steps: steps.collect(),
        created,
        ..head(row, caller)?
    };
    if row.run_count > 0 {
        let latest = whole(store, &store.run_of(row, 0).await?, row, caller).await?;
        let shown = row.run_count > row.reset_run_count || latest.ended_at_ms == 0;
        view.current_run = shown.then(|| latest.clone());
        view.latest_run = Some(latest);
        let ended = store.latest_ended(&row.id).await?;
        view.latest_ended_run = ended.map(|run| summary(&run, row)).transpose()?;
    }
    Ok(view)
}

fn lock(lock: Lock) -> wire::Lock {
    wire::Lock {
        reason: lock.reason,
        actor: Some(news::actor_message(&lock.actor)),
        at_ms: lock.at_ms,
    }
}

/// A pipeline that uses a tool.
pub(crate) fn tool_pipeline(found: ToolPipeline) -> wire::ToolPipeline {
    wire::ToolPipeline {
        id: found.row.id,
        number: found.row.number,
        name: found.row.name,
        steps: found.steps,
    }
}

/// A try of a step with a tool.
pub(crate) fn tool_run(found: ToolRun) -> wire::ToolRun {
    wire::ToolRun {
        pipeline_id: found.pipeline.id,
        pipeline_name: found.pipeline.name,
        run_id: found.run.id,
        run_count: found.run.run_count,
        step_id: found.step_id,
        r#try: found.row.of_try.cast_unsigned(),
        operation: found.row.operation,
        state: news::step_state(found.state).into(),
        message: found.message,
        at_ms: found.row.at_ms,
        ended_at_ms: found.ended_at_ms.unwrap_or_default(),
    }
}
