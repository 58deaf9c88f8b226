//! Decisions at gates: parse, act, answer.

use contracts::pipeline as wire;

use super::view;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{decision, pipeline, run};
use crate::news;
use crate::record::from_json;
use crate::run::{Actor, Run};
use crate::state::State;
use crate::store::{Decide, Decided, Store};
use steps::flow::StepState;

/// What somebody decides about a pipeline that was found.
pub(super) async fn decide(
    store: &Store,
    pipeline: &pipeline::Model,
    by: Caller,
    request: wire::DecideRequest,
) -> Result<wire::DecideResponse, Error> {
    if request.run_count < 0 {
        return Err(Error::Invalid("run counts begin with 1".into()));
    }
    let decide = Decide {
        by,
        run_count: request.run_count,
        step: super::pipelines::bounded("step", request.step, 64)?,
        approve: request.approve,
        message: super::pipelines::bounded("message", request.message, 1000)?,
    };
    let Decided { row, repeated } = store.decide(pipeline, &decide).await?;
    let run = view::whole(store, &row, pipeline, &decide.by).await?;
    Ok(wire::DecideResponse {
        run: Some(run),
        repeated,
    })
}

/// What a step asks of people, and what they have decided; nothing for other steps.
pub(super) fn gate(
    run: &Run,
    position: usize,
    decisions: &[decision::Model],
) -> Result<Option<wire::Gate>, Error> {
    let Some(gate) = run.plan.steps[position].kind.gate() else {
        return Ok(None);
    };
    let decisions: Result<Vec<_>, Error> = decisions.iter().map(decided).collect();
    let until_ms = match run.steps[position].progress.state {
        StepState::Waiting { until_ms } => until_ms,
        StepState::Pending
        | StepState::Running
        | StepState::Retrying { .. }
        | StepState::Succeeded
        | StepState::Warned
        | StepState::Failed
        | StepState::Cancelled
        | StepState::Skipped => None,
    };
    Ok(Some(wire::Gate {
        message: gate.message.to_owned(),
        contact: gate.contact.to_owned(),
        approvers: gate.approvers,
        self_approval: gate.self_approval,
        decisions: decisions?,
        until_ms: until_ms.unwrap_or_default(),
    }))
}

fn decided(row: &decision::Model) -> Result<wire::GateDecision, Error> {
    let actor: Actor = from_json(&row.actor)?;
    Ok(wire::GateDecision {
        approved: row.approved,
        actor: Some(news::actor_message(&actor)),
        message: row.message.clone(),
        at_ms: row.at_ms,
    })
}

/// Shows which runs child steps are, and what those that are open ask of people.
pub(super) async fn show_children(
    store: &Store,
    run_id: &str,
    steps: &mut [wire::RunStep],
) -> Result<(), Error> {
    for (position, child) in store.children_of(run_id).await? {
        let Some(step) = steps.get_mut(position) else {
            continue;
        };
        let state: State = child.state.parse().map_err(Error::Row)?;
        step.child = Some(wire::ChildRun {
            pipeline_name: store.name_of(&child).await?,
            run_id: child.id.clone(),
            pipeline_id: child.pipeline_id.clone(),
            run_count: child.run_count,
            state: news::state(state).into(),
        });
        if !state.is_final() {
            step.gate = gate_below(store, &child).await?;
        }
    }
    Ok(())
}

/// What the gate asks that a run, or one below it, waits at.
async fn gate_below(store: &Store, row: &run::Model) -> Result<Option<wire::Gate>, Error> {
    let Some((run_id, position)) = store.open_gate(row).await? else {
        return Ok(None);
    };
    let row = store.run_row(&run_id).await?;
    let run = store.with_steps(&row).await?;
    let made = store.decisions(&run_id).await?;
    let made = made.get(&i32::try_from(position).unwrap_or(i32::MAX));
    gate(&run, position, made.map(Vec::as_slice).unwrap_or_default())
}
