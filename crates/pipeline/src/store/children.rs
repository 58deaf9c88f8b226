//! Child runs: what a run's own transaction notes about them, and what rows say of them.
//!
//! A run's transaction notes what is to be done about its children; rows say it, so that a crash in
//! between costs nothing but time. [`due`] does it afterwards.
//!
//! **Invariants:** I3 (one child a step: its row and its origin commit with it). A stop reaches the
//! children of a run as hard as it reached the run.

mod ancestors;
mod due;

use std::collections::BTreeMap;

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _,
};
use steps::flow::StepState;

use super::Store;
use super::locked::Locked;
use super::starts::Parent;
use crate::Error;
use crate::entity::{child, run};
use crate::run::{News, StopMode};

/// Runs that may lie above each other.
pub(super) const DEEPEST: usize = 8;

const DUE: &str = "due";
const OPEN: &str = "open";
const OVER: &str = "over";

/// Notes what has become due about the children of runs that are being saved.
pub(super) async fn note(tx: &DatabaseTransaction, locked: &[&Locked]) -> Result<(), Error> {
    for it in locked {
        let steps = &it.run.plan.steps;
        if steps.iter().all(|step| step.kind.child().is_none()) {
            continue;
        }
        for news in it.news() {
            match news {
                News::Step(position) if steps[*position].kind.child().is_some() => {
                    note_step(tx, it, *position).await?;
                }
                News::StopRequested => {
                    let mode = it.run.stop.as_ref().map_or(0, |stop| hardness(stop.mode));
                    want_stop(tx, &it.row.id, None, mode).await?;
                }
                News::Step(_)
                | News::Changed { .. }
                | News::Requested(_)
                | News::Began(..)
                | News::Ended(..)
                | News::Decided(_)
                | News::Said { .. }
                | News::Recalled(_) => {}
            }
        }
    }
    Ok(())
}

async fn note_step(tx: &DatabaseTransaction, it: &Locked, position: usize) -> Result<(), Error> {
    let state = it.run.steps[position].progress.state;
    if matches!(state, StepState::Waiting { .. }) {
        let row = child::ActiveModel {
            parent_id: Set(it.row.id.clone()),
            position: Set(number(position)),
            run_id: Set(None),
            stage: Set(DUE.into()),
            stop_wanted: Set(0),
            stop_told: Set(0),
        };
        let once = OnConflict::columns([child::Column::ParentId, child::Column::Position])
            .do_nothing()
            .to_owned();
        child::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(tx)
            .await?;
    } else if state.is_final() {
        // Ended by its time, say: nobody waits for the child any more.
        let mode = hardness(StopMode::Cancel);
        want_stop(tx, &it.row.id, Some(position), mode).await?;
    }
    Ok(())
}

/// The children of a run, or of one of its steps, are to be stopped, this hard at least.
async fn want_stop(
    tx: &DatabaseTransaction,
    parent_id: &str,
    position: Option<usize>,
    mode: i32,
) -> Result<(), Error> {
    let mut children = child::Entity::update_many()
        .col_expr(child::Column::StopWanted, Expr::value(mode))
        .filter(child::Column::ParentId.eq(parent_id))
        .filter(child::Column::Stage.ne(OVER))
        .filter(child::Column::StopWanted.lt(mode));
    if let Some(position) = position {
        children = children.filter(child::Column::Position.eq(number(position)));
    }
    children.exec(tx).await?;
    Ok(())
}

/// Takes a due child for a run that is being started. Fails if it isn't due any more.
pub(super) async fn take(
    tx: &DatabaseTransaction,
    parent: &Parent,
    run_id: &str,
) -> Result<(), Error> {
    let taken = child::Entity::update_many()
        .col_expr(child::Column::Stage, Expr::value(OPEN))
        .col_expr(child::Column::RunId, Expr::value(run_id))
        .filter(is_child(&parent.run_id, number(parent.position)))
        .filter(child::Column::Stage.eq(DUE))
        .filter(child::Column::StopWanted.eq(0))
        .exec(tx)
        .await?;
    if taken.rows_affected == 1 {
        Ok(())
    } else {
        Err(Error::NotDue)
    }
}

impl Store {
    /// The open children of runs, by run and position.
    pub(super) async fn open_children(
        &self,
        db: &impl ConnectionTrait,
        parents: Vec<String>,
    ) -> Result<Vec<child::Model>, Error> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        let rows = child::Entity::find()
            .filter(child::Column::ParentId.is_in(parents))
            .filter(child::Column::Stage.eq(OPEN))
            .order_by_asc(child::Column::ParentId)
            .order_by_asc(child::Column::Position);
        Ok(rows.all(db).await?)
    }

    /// The child runs of a run's steps, by position.
    pub(crate) async fn children_of(
        &self,
        run_id: &str,
    ) -> Result<BTreeMap<usize, run::Model>, Error> {
        let rows = child::Entity::find()
            .filter(child::Column::ParentId.eq(run_id))
            .filter(child::Column::RunId.is_not_null())
            .all(self.database.reader())
            .await?;
        let mut children = BTreeMap::new();
        for row in rows {
            let id = row.run_id.unwrap_or_default();
            if let Ok(child) = self.run_row(&id).await {
                children.insert(usize::try_from(row.position).unwrap_or(usize::MAX), child);
            }
        }
        Ok(children)
    }
}

fn is_child(parent_id: &str, position: i32) -> Condition {
    Condition::all()
        .add(child::Column::ParentId.eq(parent_id))
        .add(child::Column::Position.eq(position))
}

fn number(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}

/// The modes in the order of escalation; 0 is no stop.
fn hardness(mode: StopMode) -> i32 {
    match mode {
        StopMode::Graceful => 1,
        StopMode::Cancel => 2,
        StopMode::Kill => 3,
    }
}
