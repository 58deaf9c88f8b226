//! Runs that go on where another ended, and the workspaces that are kept for them.
//!
//! **Invariant:** a workspace is kept while a run works in it, and as long as its latest run can be
//! resumed: that is the pipeline's latest, was not reset, and ended less than [`KEPT_MS`] ago.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _, QueryOrder as _,
};

use super::Store;
use crate::Error;
use crate::entity::{pipeline, run, run_step};
use crate::record;
use crate::run::Run;
use crate::state::State;

/// How long a run that has ended can be resumed.
pub(crate) const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// A run that another goes on from.
pub(super) struct Earlier {
    pub(super) row: run::Model,
    pub(super) run: Run,
}

impl Earlier {
    /// Writes into a new run's row what it has of this one.
    pub(super) fn hand_on(&self, row: &mut run::ActiveModel, caller: Option<String>) {
        use sea_orm::ActiveValue::Set;
        let workspace = self.row.workspace_id.as_ref().unwrap_or(&self.row.id);
        row.version = Set(self.row.version);
        row.parameters = Set(self.row.parameters.clone());
        row.resumed_from = Set(Some(self.row.run_count));
        row.workspace_id = Set(Some(workspace.clone()));
        row.caller = Set(caller);
        row.workspace_base = Set(self.row.workspace_base + self.row.attempt);
    }

    /// The steps that a new run of this id begins with.
    pub(super) async fn save_steps(
        &mut self,
        tx: &DatabaseTransaction,
        run_id: &str,
    ) -> Result<(), Error> {
        if let Ok(steps) = self.run.resumed(self.row.run_count) {
            self.run.steps = steps;
        }
        let rows = record::changed_steps(run_id, &self.run);
        if !rows.is_empty() {
            run_step::Entity::insert_many(rows)
                .exec_without_returning(tx)
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// The run before the one that was just counted, if a run can go on from it. `which` is its
    /// count, 0 if it isn't said.
    pub(super) async fn to_resume(
        &self,
        tx: &DatabaseTransaction,
        pipeline: &pipeline::Model,
        which: i64,
        now_ms: i64,
    ) -> Result<Earlier, Error> {
        let nothing = |why| Error::NothingToResume {
            pipeline: pipeline.name.clone(),
            why,
        };
        let latest = pipeline.run_count - 1;
        if which != 0 && which != latest {
            return Err(nothing("only its latest run can be resumed"));
        }
        if latest <= pipeline.reset_run_count {
            return Err(nothing("it has no run since it was made or reset"));
        }
        let row = run::Entity::find()
            .filter(run::Column::PipelineId.eq(&pipeline.id))
            .filter(run::Column::RunCount.eq(latest))
            .one(tx)
            .await?;
        let row = row.ok_or_else(|| nothing("its latest run is gone"))?;
        let run = self.peek(tx, &row).await?;
        let run = run.ok_or_else(|| nothing("its latest run can't be read"))?;
        run.resumed(latest).map_err(nothing)?;
        if is_old(&row, now_ms) {
            return Err(nothing(
                "its latest run ended more than a day ago, and its workspace is gone",
            ));
        }
        Ok(Earlier { row, run })
    }

    /// Those of the workspaces, named by the runs that they were made for, that are still wanted.
    pub(super) async fn kept(
        &self,
        ids: Vec<String>,
        now_ms: i64,
    ) -> Result<HashSet<String>, Error> {
        let mut kept = HashSet::new();
        if ids.is_empty() {
            return Ok(kept);
        }
        let reader = self.database.reader();
        let mut latest: HashMap<String, run::Model> = HashMap::new();
        let theirs = Condition::any()
            .add(run::Column::Id.is_in(&ids))
            .add(run::Column::WorkspaceId.is_in(&ids));
        let rows = run::Entity::find()
            .filter(theirs)
            .order_by_asc(run::Column::Number)
            .all(reader)
            .await?;
        for row in rows {
            let id = row.workspace_id.clone().unwrap_or_else(|| row.id.clone());
            latest.insert(id, row);
        }
        for (id, row) in latest {
            if self.is_wanted(reader, &row, now_ms).await? {
                kept.insert(id);
            }
        }
        Ok(kept)
    }

    async fn is_wanted(
        &self,
        db: &impl ConnectionTrait,
        row: &run::Model,
        now_ms: i64,
    ) -> Result<bool, Error> {
        if row.ended_at_ms.is_none() {
            return Ok(true);
        }
        if !can_be_resumed(row) || is_old(row, now_ms) {
            return Ok(false);
        }
        let current = pipeline::Entity::find()
            .filter(pipeline::Column::Id.eq(&row.pipeline_id))
            .filter(pipeline::Column::RunCount.eq(row.run_count))
            .filter(pipeline::Column::ResetRunCount.lt(row.run_count))
            .filter(pipeline::Column::DeletedAtMs.is_null())
            .one(db)
            .await?;
        Ok(current.is_some() && self.with_steps(row).await?.is_resumable())
    }
}

/// Whether a run has ended in a way after which another can go on.
pub(super) fn can_be_resumed(row: &run::Model) -> bool {
    let has_failed = [State::Failed, State::Cancelled].map(State::name);
    row.started_at_ms.is_some() && has_failed.contains(&row.state.as_str())
}

fn is_old(row: &run::Model, now_ms: i64) -> bool {
    row.ended_at_ms
        .is_some_and(|ended| ended + KEPT_MS < now_ms)
}
