//! Which gate is meant, and whether one is open: at a run itself or at the child runs below it.

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, JoinType,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::Decide;
use crate::Error;
use crate::entity::{child, decision, pipeline, run, run_step};
use crate::store::Store;
use crate::store::children::DEEPEST;

/// Runs of a pipeline that may be looked at for a gate that isn't named.
const OPEN: u64 = 100;

/// Child runs of a level that are looked at for a decision that was made before.
const BELOW: u64 = 1000;

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
            if self
                .gate_below(self.database.reader(), &child)
                .await?
                .is_some()
            {
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

    /// The open gate of a run or of the child runs below it: whose it is, and its position.
    async fn gate_below(
        &self,
        db: &impl ConnectionTrait,
        row: &run::Model,
    ) -> Result<Option<(String, usize)>, Error> {
        let mut next = vec![(row.id.clone(), 0)];
        while let Some((run_id, depth)) = next.pop() {
            let Some(run) = self.peek_all(db, vec![run_id.clone()]).await?.pop() else {
                continue;
            };
            if let Some((position, _)) = run.gates().next() {
                return Ok(Some((run_id, position)));
            }
            if depth < DEEPEST && run.open_children().next().is_some() {
                let children = self.open_children(db, vec![run_id]).await?;
                let ids = children.into_iter().rev().filter_map(|child| child.run_id);
                next.extend(ids.map(|id| (id, depth + 1)));
            }
        }
        Ok(None)
    }

    /// The same as it is now.
    pub(crate) async fn open_gate(
        &self,
        row: &run::Model,
    ) -> Result<Option<(String, usize)>, Error> {
        self.gate_below(self.database.reader(), row).await
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
            if self.gate_below(reader, &row).await?.is_some() {
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
            if self.gate_below(tx, &row).await?.is_some() {
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
