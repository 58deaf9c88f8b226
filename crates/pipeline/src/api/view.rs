//! Pipelines and runs as they are answered.

use contracts::access::Right;
use contracts::message;
use contracts::pipeline as wire;

use super::gates;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run, version};
use crate::news;
use crate::record::{self, from_json};
use crate::rules::without_step_details;
use crate::run::{Actor, Run, Stop};
use crate::state::State;
use crate::store::{
    AT_ONCE, Blocker, Lock, Overview, Shown, StepIds, Store, ToolPipeline, ToolRun,
};

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

/// A run with its steps and, while it is queued, its position and what keeps it from beginning.
pub(crate) async fn whole(
    store: &Store,
    row: &run::Model,
    pipeline: &pipeline::Model,
    caller: &Caller,
) -> Result<wire::Run, Error> {
    let ids = store.step_ids(&row.pipeline_id).await?;
    let shown = store.shown_run(row).await?;
    let is_queued = shown.run.state == State::Queued;
    let mut view = with_steps(shown, pipeline, &ids)?;
    if is_queued && pipeline.has_conflicts && row.started_at_ms.is_none() {
        view.blocked_by = match store.blocker(row).await? {
            Some((found, pipeline)) => Some(blocker(&found, pipeline, caller)?),
            None => None,
        };
    }
    Ok(view)
}

/// A run with its steps.
fn with_steps(shown: Shown, pipeline: &pipeline::Model, ids: &StepIds) -> Result<wire::Run, Error> {
    let Shown {
        row,
        run,
        mut decisions,
        children,
        position: queue_position,
    } = shown;
    let mut view = summary(&row, pipeline)?;
    view.queue_position = queue_position;
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
    gates::show_children(children, &mut view.steps)?;
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

/// Pipelines with their definitions, as far as the caller may see them, and nothing besides.
pub(crate) async fn defined(
    store: &Store,
    rows: &[pipeline::Model],
    caller: &Caller,
) -> Result<Vec<wire::Pipeline>, Error> {
    let mut views = Vec::with_capacity(rows.len());
    for some in rows.chunks(AT_ONCE) {
        let mut versions = store.versions(some).await?;
        for row in some {
            let head = head(row, caller)?;
            let version = versions.remove(&row.id).ok_or_else(|| gone(row))?;
            views.push(wire::Pipeline {
                definition_json: definition(version, head.hides_steps)?,
                ..head
            });
        }
    }
    Ok(views)
}

fn gone(row: &pipeline::Model) -> Error {
    Error::Row(format!("the version of {} is gone", row.id))
}

fn definition(version: version::Model, hides_steps: bool) -> Result<String, Error> {
    if hides_steps {
        without_step_details(&version.definition)
    } else {
        Ok(version.definition)
    }
}

/// Pipelines without their definitions and steps, and with a summary of their latest runs, so that
/// long lists cost little.
pub(crate) async fn brief(
    store: &Store,
    rows: &[pipeline::Model],
    caller: &Caller,
) -> Result<Vec<wire::Pipeline>, Error> {
    let mut views = Vec::with_capacity(rows.len());
    for some in rows.chunks(AT_ONCE) {
        let mut latest = store.latest_of(some).await?;
        for row in some {
            let run = latest.remove(&row.id);
            views.push(wire::Pipeline {
                latest_run: run.map(|run| summary(&run, row)).transpose()?,
                ..head(row, caller)?
            });
        }
    }
    Ok(views)
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
    let found = pipelines(store, std::slice::from_ref(row), caller).await?;
    let view = found.into_iter().next().ok_or_else(|| gone(row))?;
    Ok(wire::Pipeline { created, ..view })
}

/// The same of many.
pub(crate) async fn pipelines(
    store: &Store,
    rows: &[pipeline::Model],
    caller: &Caller,
) -> Result<Vec<wire::Pipeline>, Error> {
    let mut views = Vec::with_capacity(rows.len());
    for some in rows.chunks(AT_ONCE) {
        let mut overviews = store.overviews(some).await?;
        for row in some {
            let overview = overviews.remove(&row.id).ok_or_else(|| gone(row))?;
            views.push(shown(overview, row, caller)?);
        }
    }
    Ok(views)
}

fn shown(
    overview: Overview,
    row: &pipeline::Model,
    caller: &Caller,
) -> Result<wire::Pipeline, Error> {
    let head = head(row, caller)?;
    let ids = overview.step_ids;
    let plan: steps::Plan = from_json(&overview.version.plan)?;
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
    let latest = overview.latest;
    let latest = latest.map(|it| with_steps(it, row, &ids)).transpose()?;
    let is_current = |run: &&wire::Run| {
        let was_reset = row.run_count <= row.reset_run_count;
        !was_reset || run.ended_at_ms == 0
    };
    let ended = overview.ended.map(|run| summary(&run, row)).transpose()?;
    Ok(wire::Pipeline {
        steps: steps.collect(),
        definition_json: definition(overview.version, head.hides_steps)?,
        current_run: latest.as_ref().filter(is_current).cloned(),
        latest_run: latest,
        latest_ended_run: ended,
        ..head
    })
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
