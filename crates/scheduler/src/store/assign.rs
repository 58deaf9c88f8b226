//! Which waiting runs an executor gets.

use std::collections::HashSet;

use runtime::clock;
use runtime::database::store_now_ms;
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Holder, Store};
use crate::Error;
use crate::entity::{executor, queue};

/// Runs that one transaction hands out, at most.
const BATCH: u64 = 64;

/// A pipeline and how many of its runs executors have.
#[derive(Debug, FromQueryResult)]
struct AtWork {
    pipeline_id: String,
    concurrency: i32,
    runs: i64,
}

impl Store {
    /// Hands waiting runs to an executor, as many as it has free slots. Answers them.
    pub(crate) async fn assign(&self, holder: &Holder) -> Result<Vec<queue::Model>, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let free = free_slots(&tx, holder).await?;
        if free == 0 {
            return Ok(Vec::new());
        }
        let mut chosen = choose(&tx, free, now_ms).await?;
        if chosen.is_empty() {
            return Ok(chosen);
        }
        let ids: Vec<String> = chosen.iter().map(|row| row.run_id.clone()).collect();
        queue::Entity::update_many()
            .col_expr(queue::Column::Executor, Expr::value(holder.name.clone()))
            .col_expr(queue::Column::Boot, Expr::value(holder.boot.cast_signed()))
            .col_expr(queue::Column::AssignedAtMs, Expr::value(now_ms))
            .filter(queue::Column::RunId.is_in(ids))
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        runtime::fault_point::pass("run.assigned");
        for row in &mut chosen {
            row.assigned_at_ms = Some(now_ms);
        }
        Ok(chosen)
    }
}

async fn free_slots(tx: &DatabaseTransaction, holder: &Holder) -> Result<u64, DbErr> {
    let row = executor::Entity::find_by_id(&holder.name)
        .lock_exclusive()
        .one(tx)
        .await?;
    // Its stream may outlive its lease, and what it were given then would be nobody's.
    let now_ms = store_now_ms(tx).await?;
    let may_work = |row: &executor::Model| {
        row.boot == holder.boot.cast_signed() && !row.draining && row.expires_at_ms > now_ms
    };
    let Some(row) = row.filter(may_work) else {
        return Ok(0);
    };
    let busy = queue::Entity::find()
        .filter(queue::Column::Executor.eq(&holder.name))
        .count(tx)
        .await?;
    Ok(u64::try_from(row.slots)
        .unwrap_or_default()
        .saturating_sub(busy)
        .min(BATCH))
}

/// The first waiting runs whose pipelines seem to have a place. It is a guess that saves trips:
/// the pipeline service decides when the attempt begins.
async fn choose(
    tx: &DatabaseTransaction,
    free: u64,
    now_ms: i64,
) -> Result<Vec<queue::Model>, DbErr> {
    let full = full_pipelines(tx).await?;
    let may_begin = if full.is_empty() {
        Condition::all()
    } else {
        Condition::any()
            .add(queue::Column::Concurrency.eq(0))
            .add(queue::Column::PipelineId.is_not_in(full))
    };
    let first = queue::Entity::find()
        .filter(queue::Column::Executor.is_null())
        .filter(queue::Column::NotBeforeMs.lte(now_ms))
        .filter(may_begin)
        .order_by_asc(queue::Column::Priority)
        .order_by_asc(queue::Column::EnqueuedAtMs)
        .order_by_asc(queue::Column::RunCount)
        .limit(free)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(tx)
        .await?;
    let mut seen = HashSet::new();
    let one_a_pipeline =
        |row: &queue::Model| row.concurrency == 0 || seen.insert(row.pipeline_id.clone());
    Ok(first.into_iter().filter(one_a_pipeline).collect())
}

/// Pipelines that have as many runs at work as they may have at a time.
async fn full_pipelines(tx: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let at_work = queue::Entity::find()
        .select_only()
        .column(queue::Column::PipelineId)
        .column_as(queue::Column::Concurrency.max(), "concurrency")
        .column_as(queue::Column::RunId.count(), "runs")
        .filter(queue::Column::Executor.is_not_null())
        .group_by(queue::Column::PipelineId)
        .into_model::<AtWork>()
        .all(tx)
        .await?;
    let is_full = |it: &AtWork| it.concurrency > 0 && it.runs >= i64::from(it.concurrency);
    Ok(at_work
        .into_iter()
        .filter(is_full)
        .map(|it| it.pipeline_id)
        .collect())
}
