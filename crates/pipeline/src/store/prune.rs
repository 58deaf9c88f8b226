//! Removing what is old, a little at a time: runs that ended long ago, versions that no run points
//! to, and pipelines that were deleted. Their numbers and ids are never given again.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::entity::{
    attempt, child, decision, origin, pipeline, run, run_step, step, tool_run, tool_use, version,
};

/// Rows removed a transaction, but for what goes with them.
const AT_ONCE: u64 = 200;
/// Versions removed a transaction; one may have a MiB.
const VERSIONS_AT_ONCE: usize = 50;
/// The latest runs and versions of a pipeline, which are kept however old they are.
const LATEST: i32 = 100;

impl Store {
    /// Removes some of the runs that were accepted and have ended before `before_ms`. Answers
    /// whether there may be more.
    pub(crate) async fn prune_runs(&self, before_ms: i64) -> Result<bool, Error> {
        let ids = self.old_runs(before_ms).await?;
        if ids.is_empty() {
            return Ok(false);
        }
        let more = ids.len() as u64 == AT_ONCE;
        let tx = self.database.begin().await?;
        let steps = run_step::Column::RunId.is_in(&ids);
        run_step::Entity::delete_many()
            .filter(steps)
            .exec(&*tx)
            .await?;
        let decisions = decision::Column::RunId.is_in(&ids);
        decision::Entity::delete_many()
            .filter(decisions)
            .exec(&*tx)
            .await?;
        let children = child::Column::ParentId.is_in(&ids);
        child::Entity::delete_many()
            .filter(children)
            .exec(&*tx)
            .await?;
        let lasting = origin::Column::ExpiresAtMs.is_null();
        origin::Entity::delete_many()
            .filter(lasting.and(origin::Column::RunId.is_in(&ids)))
            .exec(&*tx)
            .await?;
        let uses = tool_run::Column::RunId.is_in(&ids);
        tool_run::Entity::delete_many()
            .filter(uses)
            .exec(&*tx)
            .await?;
        let attempts = attempt::Column::RunId.is_in(&ids);
        attempt::Entity::delete_many()
            .filter(attempts)
            .exec(&*tx)
            .await?;
        let runs = run::Column::Id.is_in(&ids);
        run::Entity::delete_many().filter(runs).exec(&*tx).await?;
        tx.commit().await?;
        Ok(more)
    }

    async fn old_runs(&self, before_ms: i64) -> Result<Vec<String>, Error> {
        let its_pipeline = run::Entity::belongs_to(pipeline::Entity)
            .from(run::Column::PipelineId)
            .to(pipeline::Column::Id)
            .into();
        let latest = Expr::col((pipeline::Entity, pipeline::Column::RunCount)).sub(LATEST);
        let is_needless = Condition::any()
            .add(Expr::col((run::Entity, run::Column::RunCount)).lte(latest))
            .add(pipeline::Column::DeletedAtMs.lt(before_ms));
        // Ids begin with the second in which their run was accepted, and are an index.
        let first_kept = format!(
            "{:08x}",
            u32::try_from(before_ms / 1000).unwrap_or_default()
        );
        let old = run::Entity::find()
            .select_only()
            .column(run::Column::Id)
            .join(JoinType::InnerJoin, its_pipeline)
            .filter(run::Column::Id.lt(first_kept))
            .filter(run::Column::EndedAtMs.lt(before_ms))
            .filter(is_needless)
            .order_by_asc(run::Column::Id)
            .limit(AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        Ok(old)
    }

    /// Removes the versions that were made before `before_ms` and that no run points to, but for
    /// the latest of each pipeline.
    pub(crate) async fn prune_versions(&self, before_ms: i64) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let page = self.with_old_versions(before_ms, &after).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after.clone_from(last);
            for (id, current) in page {
                self.prune_versions_of(&id, current - LATEST, before_ms)
                    .await?;
            }
        }
    }

    /// Pipelines with versions that may go, and their current ones; by id.
    async fn with_old_versions(
        &self,
        before_ms: i64,
        after: &str,
    ) -> Result<Vec<(String, i32)>, Error> {
        let of_pipeline = |column: pipeline::Column| (pipeline::Entity, column);
        let of_version = |column: version::Column| Expr::col((version::Entity, column));
        let latest = Expr::col(of_pipeline(pipeline::Column::Version)).sub(LATEST);
        let old = Query::select()
            .expr(Expr::value(1))
            .from(version::Entity)
            .and_where(
                of_version(version::Column::PipelineId).equals(of_pipeline(pipeline::Column::Id)),
            )
            .and_where(of_version(version::Column::Version).lte(latest))
            .and_where(of_version(version::Column::CreatedAtMs).lt(before_ms))
            .to_owned();
        let page = pipeline::Entity::find()
            .select_only()
            .columns([pipeline::Column::Id, pipeline::Column::Version])
            .filter(pipeline::Column::Id.gt(after))
            .filter(Expr::exists(old))
            .order_by_asc(pipeline::Column::Id)
            .limit(AT_ONCE);
        Ok(page.into_tuple().all(self.database.reader()).await?)
    }

    /// Runs are pinned to the version that is current when they are accepted: one that isn't any
    /// more gets no further run.
    async fn prune_versions_of(&self, id: &str, last: i32, before_ms: i64) -> Result<(), Error> {
        use version::Column;
        let reader = self.database.reader();
        let used: Vec<i32> = run::Entity::find()
            .select_only()
            .column(run::Column::Version)
            .distinct()
            .filter(run::Column::PipelineId.eq(id))
            .filter(run::Column::Version.lte(last))
            .into_tuple()
            .all(reader)
            .await?;
        let used: HashSet<i32> = used.into_iter().collect();
        let mut old: Vec<i32> = version::Entity::find()
            .select_only()
            .column(Column::Version)
            .filter(Column::PipelineId.eq(id))
            .filter(Column::Version.lte(last))
            .filter(Column::CreatedAtMs.lt(before_ms))
            .into_tuple()
            .all(reader)
            .await?;
        old.retain(|version| !used.contains(version));
        self.remove_versions(id, &old).await
    }

    async fn remove_versions(&self, id: &str, versions: &[i32]) -> Result<(), Error> {
        for some in versions.chunks(VERSIONS_AT_ONCE) {
            let tx = self.database.begin().await?;
            version::Entity::delete_many()
                .filter(version::Column::PipelineId.eq(id))
                .filter(version::Column::Version.is_in(some.iter().copied()))
                .exec(&*tx)
                .await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Removes some of the pipelines that were deleted before `before_ms` and have no run left.
    /// Answers whether there may be more.
    pub(crate) async fn prune_pipelines(&self, before_ms: i64) -> Result<bool, Error> {
        let runs = Query::select()
            .expr(Expr::value(1))
            .from(run::Entity)
            .and_where(
                Expr::col((run::Entity, run::Column::PipelineId))
                    .equals((pipeline::Entity, pipeline::Column::Id)),
            )
            .to_owned();
        let ids: Vec<String> = pipeline::Entity::find()
            .select_only()
            .column(pipeline::Column::Id)
            .filter(pipeline::Column::DeletedAtMs.lt(before_ms))
            .filter(Expr::exists(runs).not())
            .limit(AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        for id in &ids {
            self.remove_pipeline(id).await?;
        }
        Ok(ids.len() as u64 == AT_ONCE)
    }

    /// The row goes last, so that what is left of one that was begun is found again.
    async fn remove_pipeline(&self, id: &str) -> Result<(), Error> {
        let versions: Vec<i32> = version::Entity::find()
            .select_only()
            .column(version::Column::Version)
            .filter(version::Column::PipelineId.eq(id))
            .into_tuple()
            .all(self.database.reader())
            .await?;
        self.remove_versions(id, &versions).await?;
        let tx = self.database.begin().await?;
        step::Entity::delete_many()
            .filter(step::Column::PipelineId.eq(id))
            .exec(&*tx)
            .await?;
        tool_use::Entity::delete_many()
            .filter(tool_use::Column::PipelineId.eq(id))
            .exec(&*tx)
            .await?;
        pipeline::Entity::delete_many()
            .filter(pipeline::Column::Id.eq(id))
            .exec(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
