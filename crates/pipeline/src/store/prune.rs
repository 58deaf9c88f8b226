//! Removing runs that ended long ago, a little at a time.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, JoinType, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::entity::{attempt, child, decision, origin, pipeline, run, run_step};

/// Runs removed a transaction.
const AT_ONCE: u64 = 200;
/// The latest runs of a pipeline, which are kept however old they are.
const LATEST: i64 = 100;

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
        let attempts = attempt::Column::RunId.is_in(&ids);
        attempt::Entity::delete_many()
            .filter(attempts)
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
            .filter(Expr::col((run::Entity, run::Column::RunCount)).lte(latest))
            .order_by_asc(run::Column::Id)
            .limit(AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        Ok(old)
    }
}
