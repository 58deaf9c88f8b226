//! Gates: people decide, and time runs out.
//!
//! **Invariants:** a person decides once at a gate, under the lock of the run's row; the decision,
//! what follows from it and what is told of it commit together.

mod asked;
mod open;
mod overdue;

use std::pin::Pin;

use contracts::access::Right;
use runtime::clock;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};

use super::Store;
use super::locked::Locked;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{decision, pipeline, run};
use crate::record::{from_json, to_json};
use crate::run::{Actor, Decision, Refusal};
pub(crate) use asked::Ask;
pub(super) use open::OpenGate;

/// What somebody wants to decide.
#[derive(Debug, Clone)]
pub(crate) struct Decide {
    pub(crate) by: Caller,
    /// Which run of the pipeline; 0 is the one that waits for a decision.
    pub(crate) run_count: i64,
    /// The step by its slug or its id; empty is the only gate that is open.
    pub(crate) step: String,
    pub(crate) approve: bool,
    pub(crate) message: String,
}

/// What became of a decision.
#[derive(Debug)]
pub(crate) struct Decided {
    pub(crate) row: run::Model,
    /// It had been made before.
    pub(crate) repeated: bool,
}

impl Store {
    /// Somebody decides at a gate. Deciding the same again changes nothing.
    pub(crate) async fn decide(
        &self,
        pipeline: &pipeline::Model,
        decide: &Decide,
    ) -> Result<Decided, Error> {
        let run_id = self.run_to_decide(pipeline, decide).await?;
        let step = self.slug_of(pipeline, &decide.step).await?;
        if let Some(child) = self.child_to_decide(&run_id, &step).await? {
            return self.decide_below(child, &run_id, decide).await;
        }
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, &run_id).await?;
        let position = position(&locked, &step)?;
        let before = decisions_at(&tx, &run_id, position).await?;
        let earlier = before
            .iter()
            .find(|it| it.user_id == decide.by.actor().user_id);
        if let Some(earlier) = earlier {
            if earlier.approved != decide.approve {
                return Err(Error::Decided(earlier.approved));
            }
            // What is answered may wait for the same group commit.
            tx.commit().await?;
            let row = self.run_row(&run_id).await?;
            return Ok(Decided {
                row,
                repeated: true,
            });
        }
        record_decision(&mut locked, decide, position, &before, now_ms)?;
        let row = decision_row(&run_id, position, decide, now_ms);
        decision::Entity::insert(row)
            .exec_without_returning(&*tx)
            .await?;
        Self::save(&tx, locked, now_ms).await?;
        let action = if decide.approve { "approve" } else { "deny" };
        if let Some(acted) = decide.by.acted(action, pipeline, now_ms) {
            outbox::announce(&tx, &acted, now_ms).await?;
        }
        tx.commit().await?;
        runtime::fault_point::pass("gate.decided");
        self.relay.ring();
        self.children.ring();
        let row = self.run_row(&run_id).await?;
        Ok(Decided {
            row,
            repeated: false,
        })
    }

    /// Decides at the only open gate of a child run, and answers its parent. It goes as deep as runs
    /// lie within each other, which has an end.
    fn decide_below<'a>(
        &'a self,
        child: run::Model,
        parent_id: &'a str,
        decide: &'a Decide,
    ) -> Pin<Box<dyn Future<Output = Result<Decided, Error>> + Send + 'a>> {
        Box::pin(async move {
            let pipeline = self.any_pipeline(&child.pipeline_id).await?;
            self.must(&decide.by, Right::Approve, &pipeline, &pipeline.id)?;
            let below = Decide {
                run_count: child.run_count,
                step: String::new(),
                ..decide.clone()
            };
            let repeated = match self.decide(&pipeline, &below).await {
                Ok(decided) => decided.repeated,
                Err(Error::NotOpen(what)) => {
                    let user = &decide.by.actor().user_id;
                    match self.decided_below(&child, user).await? {
                        Some(approved) if approved == decide.approve => true,
                        Some(approved) => return Err(Error::Decided(approved)),
                        None => return Err(Error::NotOpen(what)),
                    }
                }
                Err(error) => return Err(error),
            };
            let row = self.run_row(parent_id).await?;
            Ok(Decided { row, repeated })
        })
    }
}

/// The gate that is meant. Without a name it is the only open one.
fn position(locked: &Locked, step: &str) -> Result<usize, Error> {
    let (run, run_count) = (&locked.run, locked.row.run_count);
    if !step.is_empty() {
        let position = run.plan.index_of(step);
        let is_gate = |position: &usize| run.plan.steps[*position].kind.gate().is_some();
        let step = step.to_owned();
        let position = position.ok_or(Error::NoRunStep { run_count, step })?;
        return Some(position)
            .filter(is_gate)
            .ok_or_else(|| not_open(locked, position));
    }
    let mut open = run.gates().map(|(position, _)| position);
    match (open.next(), open.next()) {
        (None, _) => Err(Error::NotOpen(format!("run {run_count}"))),
        (Some(position), None) => Ok(position),
        (Some(_), Some(_)) => {
            let names = run.gates().map(|(it, _)| run.plan.steps[it].id.clone());
            Err(Error::SeveralOpen(names.collect()))
        }
    }
}

fn not_open(locked: &Locked, position: usize) -> Error {
    let step = &locked.run.plan.steps[position].id;
    Error::NotOpen(format!("step {step} of run {}", locked.row.run_count))
}

async fn decisions_at(
    tx: &DatabaseTransaction,
    run_id: &str,
    position: usize,
) -> Result<Vec<decision::Model>, Error> {
    let rows = decision::Entity::find()
        .filter(decision::Column::RunId.eq(run_id))
        .filter(decision::Column::Position.eq(i32::try_from(position).unwrap_or(i32::MAX)))
        .all(tx)
        .await?;
    Ok(rows)
}

/// Lets the run's rules decide what follows.
fn record_decision(
    locked: &mut Locked,
    decide: &Decide,
    position: usize,
    before: &[decision::Model],
    now_ms: i64,
) -> Result<(), Error> {
    let starter: Actor = from_json(&locked.row.started_by)?;
    let approvals = before.iter().filter(|it| it.approved).count();
    let decision = Decision {
        position,
        approved: decide.approve,
        actor: decide.by.actor().clone(),
        message: decide.message.clone(),
    };
    let approvals = u32::try_from(approvals).unwrap_or(u32::MAX);
    let is_starter = starter.user_id == decide.by.actor().user_id;
    let decided = locked.run.decide(&decision, approvals, is_starter, now_ms);
    decided.map_err(|refusal| match refusal {
        Refusal::NotOpen => not_open(locked, position),
        Refusal::OwnRun => Error::OwnRun(locked.run.plan.steps[position].id.clone()),
    })
}

fn decision_row(
    run_id: &str,
    position: usize,
    decide: &Decide,
    now_ms: i64,
) -> decision::ActiveModel {
    decision::ActiveModel {
        run_id: Set(run_id.to_owned()),
        position: Set(i32::try_from(position).unwrap_or(i32::MAX)),
        user_id: Set(decide.by.actor().user_id.clone()),
        approved: Set(decide.approve),
        actor: Set(to_json(decide.by.actor())),
        message: Set(decide.message.clone()),
        at_ms: Set(now_ms),
    }
}
