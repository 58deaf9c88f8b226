//! Which gate is meant, and whether one is open: at a run itself or at the child runs below it.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::Decide;
use crate::Error;
use crate::entity::{child, decision, pipeline, run, run_step};
use crate::run::Run;
use crate::store::Store;
use crate::store::children::DEEPEST;
use crate::store::shown::rows_of;

/// Runs of a pipeline that may be looked at for a gate that isn't named.
const OPEN: u64 = 100;

/// Child runs of a level that are looked at for a decision that was made before.
const BELOW: u64 = 1000;

/// An open gate.
pub(in crate::store) struct OpenGate {
    pub(in crate::store) run_id: String,
    pub(in crate::store) run: Run,
    pub(in crate::store) position: usize,
}

/// Runs and the open child runs below them.
#[derive(Default)]
struct Below {
    runs: HashMap<String, Run>,
    /// By the parents' ids, in the order of their steps.
    children: HashMap<String, Vec<String>>,
}

impl Below {
    fn first_gate(&self, run_id: &str) -> Option<OpenGate> {
        let run = self.runs.get(run_id)?;
        if let Some((position, _)) = run.gates().next() {
            return Some(OpenGate {
                run_id: run_id.to_owned(),
                run: run.clone(),
                position,
            });
        }
        let children = self.children.get(run_id)?;
        children.iter().find_map(|child| self.first_gate(child))
    }
}

impl Store {
    /// What a person decided last at a gate of a run or of the runs below it.
    pub(super) async fn decided_below(
        &self,
        row: &run::Model,
        user: &str,
    ) -> Result<Option<bool>, Error> {
        let mut ids = vec![row.id.clone()];
        let mut next = ids.clone();
        for _ in 0..DEEPEST {
            let children = child::Entity::find()
                .filter(child::Column::ParentId.is_in(next))
                .filter(child::Column::RunId.is_not_null())
                .limit(BELOW)
                .all(self.database.reader())
                .await?;
            next = children.into_iter().filter_map(|it| it.run_id).collect();
            if next.is_empty() {
                break;
            }
            ids.extend(next.iter().cloned());
        }
        let last = decision::Entity::find()
            .filter(decision::Column::RunId.is_in(ids))
            .filter(decision::Column::UserId.eq(user))
            .order_by_desc(decision::Column::AtMs)
            .one(self.database.reader())
            .await?;
        Ok(last.map(|it| it.approved))
    }

    /// The child run at whose gate a decision is meant: that of a step which is named, or which is the
    /// only one that waits for people.
    pub(super) async fn child_to_decide(
        &self,
        run_id: &str,
        step: &str,
    ) -> Result<Option<run::Model>, Error> {
        let row = self.run_row(run_id).await?;
        let run = self.with_steps(&row).await?;
        let mut children = self.children_of(run_id).await?;
        if !step.is_empty() {
            let position = run.plan.index_of(step);
            return Ok(position.and_then(|position| children.remove(&position)));
        }
        let own = run.gates().count();
        let mut below = Vec::new();
        for position in run.open_children().collect::<Vec<_>>() {
            let Some(child) = children.remove(&position) else {
                continue;
            };
            if self.is_at_gate(self.database.reader(), &child).await? {
                below.push((position, child));
            }
        }
        if own == 0 && below.len() == 1 {
            return Ok(below.pop().map(|(_, child)| child));
        }
        if below.is_empty() {
            return Ok(None);
        }
        let positions = below.iter().map(|(position, _)| *position);
        let positions = run.gates().map(|(position, _)| position).chain(positions);
        let names = positions.map(|it| run.plan.steps[it].id.clone());
        Err(Error::SeveralOpen(names.collect()))
    }

    /// Whether a run waits for people, at its own gate or at one below it.
    async fn is_at_gate(&self, db: &impl ConnectionTrait, row: &run::Model) -> Result<bool, Error> {
        let gates = self.gates_below(db, vec![row.id.clone()]).await?;
        Ok(!gates.is_empty())
    }

    /// The open gates of runs or of the child runs below them, the first of each, by the ids of the
    /// runs. All runs of a level are read together.
    pub(in crate::store) async fn gates_below(
        &self,
        db: &impl ConnectionTrait,
        run_ids: Vec<String>,
    ) -> Result<HashMap<String, OpenGate>, Error> {
        let mut below = Below::default();
        let mut next = run_ids.clone();
        for depth in 0..=DEEPEST {
            let mut parents = Vec::new();
            for (row, run) in self.runs_of(db, rows_of(db, next).await?).await? {
                let Ok(run) = run else { continue };
                let has_gate = run.gates().next().is_some();
                if !has_gate && depth < DEEPEST && run.open_children().next().is_some() {
                    parents.push(row.id.clone());
                }
                below.runs.insert(row.id, run);
            }
            let children = self.open_children(db, parents).await?;
            next = children.iter().filter_map(|it| it.run_id.clone()).collect();
            if next.is_empty() {
                break;
            }
            for child in children {
                let its = below.children.entry(child.parent_id).or_default();
                its.extend(child.run_id);
            }
        }
        let gates = run_ids.into_iter();
        let gates = gates.filter_map(|id| below.first_gate(&id).map(|gate| (id, gate)));
        Ok(gates.collect())
    }

    pub(super) async fn run_to_decide(
        &self,
        pipeline: &pipeline::Model,
        decide: &Decide,
    ) -> Result<String, Error> {
        if decide.run_count != 0 {
            return Ok(self.run_of(pipeline, decide.run_count).await?.id);
        }
        let mut at_gate = Vec::new();
        for row in self.open_runs(&pipeline.id).await? {
            let reader = self.database.reader();
            if self.is_at_gate(reader, &row).await? {
                at_gate.push(row);
            }
        }
        match at_gate.as_slice() {
            [] => Err(Error::NotOpen(format!("pipeline \"{}\"", pipeline.name))),
            [row] => Ok(row.id.clone()),
            rows => {
                let names = rows.iter().map(|row| format!("run {}", row.run_count));
                Err(Error::SeveralOpen(names.collect()))
            }
        }
    }

    /// Unfinished runs of a pipeline that have an open step, oldest first.
    async fn open_runs(&self, pipeline_id: &str) -> Result<Vec<run::Model>, Error> {
        let its_steps = run::Entity::belongs_to(run_step::Entity)
            .from(run::Column::Id)
            .to(run_step::Column::RunId)
            .into();
        let rows = run::Entity::find()
            .distinct()
            .join(JoinType::InnerJoin, its_steps)
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::EndedAtMs.is_null())
            .filter(run_step::Column::State.eq("waiting"))
            .order_by_asc(run::Column::RunCount)
            .limit(OPEN);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// Whether a run of the pipeline waits for people, at its own gate or at one of its children.
    pub(in crate::store) async fn is_paused(
        &self,
        tx: &DatabaseTransaction,
        pipeline_id: &str,
    ) -> Result<bool, Error> {
        let waiting = run::Entity::find()
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::EndedAtMs.is_null())
            .filter(run::Column::State.eq(crate::state::State::Waiting.name()))
            .order_by_asc(run::Column::RunCount)
            .limit(OPEN)
            .all(tx)
            .await?;
        for row in waiting {
            if self.is_at_gate(tx, &row).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The slug of a step that is named by its slug or its id.
    pub(super) async fn slug_of(
        &self,
        pipeline: &pipeline::Model,
        step: &str,
    ) -> Result<String, Error> {
        let ids = self.step_ids(&pipeline.id).await?;
        let known = ids.values().find(|it| it.id == step);
        Ok(known.map_or_else(|| step.to_owned(), |it| it.slug.clone()))
    }
}
