//! Decisions at gates: parse, act, answer.

use std::collections::BTreeMap;

use contracts::pipeline as wire;

use super::view;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{decision, pipeline};
use crate::news;
use crate::record::from_json;
use crate::run::{Actor, Run};
use crate::state::State;
use crate::store::{Decide, Decided, ShownChild, Store};
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
        message: run.asks(position).to_owned(),
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
pub(super) fn show_children(
    children: BTreeMap<usize, ShownChild>,
    steps: &mut [wire::RunStep],
) -> Result<(), Error> {
    for (
        position,
        ShownChild {
            row,
            pipeline_name,
            gate: open,
        },
    ) in children
    {
        let Some(step) = steps.get_mut(position) else {
            continue;
        };
        let state: State = row.state.parse().map_err(Error::Row)?;
        step.child = Some(wire::ChildRun {
            pipeline_name: pipeline_name.as_ref().to_owned(),
            run_id: row.id,
            pipeline_id: row.pipeline_id,
            run_count: row.run_count,
            state: news::state(state).into(),
        });
        if let Some(open) = open {
            step.gate = gate(&open.run, open.position, &open.decisions)?;
        }
    }
    Ok(())
}
