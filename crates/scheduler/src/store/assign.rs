//! Which waiting runs an executor gets.

use std::collections::HashSet;

use runtime::clock;
use runtime::database::store_clock;
use sea_orm::sea_query::{
    Alias, CaseStatement, Expr, ExprTrait as _, Func, LockBehavior, LockType, Query,
    SelectStatement,
};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, DbErr, EntityTrait as _, FromQueryResult,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Holder, Store};
use crate::Error;
use crate::entity::{executor, queue, turnstile};

/// Runs that one transaction hands out, at most.
const BATCH: u64 = 64;

/// What an executor was handed.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    pub(crate) rows: Vec<queue::Model>,
    /// What may wait that it was not handed.
    pub(crate) left: Left,
}

/// What may be left waiting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Left {
    /// Nothing that could be handed out now.
    #[default]
    Nothing,
    /// Runs that wait for a slot.
    ForSlots,
    /// Runs that can be handed out at once.
    Ready,
}

/// A pipeline and how many of its runs executors have.
#[derive(Debug, FromQueryResult)]
struct AtWork {
    pipeline_id: String,
    concurrency: i32,
    runs: i64,
    /// As many of them are with the executor that is asked for.
    own: i64,
}

impl Store {
    /// Hands waiting runs to an executor, as many as it has free slots. Of those that a schedule
    /// with a priority started `scheduled_limit` are at work at a time, with all executors; 0 is no
    /// limit.
    pub(crate) async fn assign(
        &self,
        holder: &Holder,
        scheduled_limit: u32,
    ) -> Result<Handed, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let Some(slots) = slots(&tx, holder).await? else {
            return Ok(Handed::default());
        };
        let at_work = at_work(&tx, holder).await?;
        let busy: i64 = at_work.iter().map(|it| it.own).sum();
        let free = slots.saturating_sub(u64::try_from(busy).unwrap_or_default());
        let most = Ord::min(free, BATCH);
        let found = if most == 0 {
            Vec::new()
        } else {
            waiting(&tx, full(at_work), most, now_ms).await?
        };
        let may_be_more = found.len() as u64 == most;
        let (mut rows, passed_over) = one_a_pipeline(found);
        let mut left = match (passed_over || (may_be_more && free > BATCH), may_be_more) {
            (true, _) => Left::Ready,
            (false, true) => Left::ForSlots,
            (false, false) => Left::Nothing,
        };
        if keep_to_limit(&tx, &mut rows, scheduled_limit.into()).await? {
            left = Left::ForSlots;
        }
        if !rows.is_empty() {
            hand_out(&tx, holder, &mut rows, now_ms).await?;
            tx.commit().await?;
            runtime::fault_point::pass("run.assigned");
        }
        Ok(Handed { rows, left })
    }
}

/// The slots of an executor that may be given work, under its row's lock.
async fn slots(tx: &DatabaseTransaction, holder: &Holder) -> Result<Option<u64>, DbErr> {
    let row = executor::Entity::find_by_id(&holder.name)
        .filter(executor::Column::Boot.eq(holder.boot.cast_signed()))
        .filter(executor::Column::Draining.eq(false))
        // Its stream may outlive its lease, and what it were given then would be nobody's.
        .filter(Expr::col(executor::Column::ExpiresAtMs).gt(store_clock(tx)))
        .lock_exclusive()
        .one(tx)
        .await?;
    Ok(row.map(|row| u64::try_from(row.slots).unwrap_or_default()))
}

/// The runs that executors have, by pipeline.
async fn at_work(tx: &DatabaseTransaction, holder: &Holder) -> Result<Vec<AtWork>, DbErr> {
    let is_own = queue::Column::Executor.eq(&holder.name);
    let own = CaseStatement::new()
        .case(is_own, Expr::value(1))
        .finally(Expr::value(0));
    queue::Entity::find()
        .select_only()
        .column(queue::Column::PipelineId)
        .column_as(queue::Column::Concurrency.max(), "concurrency")
        .column_as(queue::Column::RunId.count(), "runs")
        .column_as(Expr::expr(Func::sum(own)), "own")
        .filter(queue::Column::Executor.is_not_null())
        .group_by(queue::Column::PipelineId)
        .into_model()
        .all(tx)
        .await
}

/// Pipelines that have as many runs at work as they may have at a time. It is a guess that saves
/// trips: the pipeline service decides when the attempt begins.
fn full(at_work: Vec<AtWork>) -> Vec<String> {
    let is_full = |it: &AtWork| it.concurrency > 0 && it.runs >= i64::from(it.concurrency);
    let full = at_work.into_iter().filter(is_full);
    full.map(|it| it.pipeline_id).collect()
}

/// The first waiting runs whose pipelines seem to have a place.
async fn waiting(
    tx: &DatabaseTransaction,
    full: Vec<String>,
    most: u64,
    now_ms: i64,
) -> Result<Vec<queue::Model>, DbErr> {
    let may_begin = if full.is_empty() {
        Condition::all()
    } else {
        Condition::any()
            .add(queue::Column::Concurrency.eq(0))
            .add(queue::Column::PipelineId.is_not_in(full))
    };
    queue::Entity::find()
        .filter(queue::Column::Executor.is_null())
        .filter(queue::Column::NotBeforeMs.lte(now_ms))
        .filter(may_begin)
        .filter(Expr::exists(held_back(now_ms)).not())
        .order_by_asc(queue::Column::Priority)
        .order_by_asc(queue::Column::OrderNumber)
        .order_by_asc(queue::Column::EnqueuedAtMs)
        .order_by_asc(queue::Column::RunCount)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(tx)
        .await
}

/// An earlier run of the same pipeline that waits for one of another pipeline: those after it would
/// find the same. A run that was at work before holds its place and isn't concerned.
fn held_back(now_ms: i64) -> SelectStatement {
    let held = Alias::new("held");
    let of_held = |column: queue::Column| Expr::col((held.clone(), column));
    let own = |column: queue::Column| (queue::Entity, column);
    Query::select()
        .expr(Expr::value(1))
        .from_as(queue::Entity, held.clone())
        .and_where(of_held(queue::Column::WaitsFor).is_not_null())
        .and_where(of_held(queue::Column::NotBeforeMs).gt(now_ms))
        .and_where(of_held(queue::Column::PipelineId).equals(own(queue::Column::PipelineId)))
        .and_where(Expr::col(own(queue::Column::RunCount)).gt(of_held(queue::Column::RunCount)))
        .and_where(Expr::col(own(queue::Column::Attempt)).eq(1))
        .to_owned()
}

/// The first of each pipeline that has a limit, and whether others were passed over: whether they
/// find a place is seen when these are at work.
fn one_a_pipeline(rows: Vec<queue::Model>) -> (Vec<queue::Model>, bool) {
    let (found, mut seen) = (rows.len(), HashSet::new());
    let is_first =
        |row: &queue::Model| row.concurrency == 0 || seen.insert(row.pipeline_id.clone());
    let rows: Vec<_> = rows.into_iter().filter(is_first).collect();
    let passed_over = rows.len() < found;
    (rows, passed_over)
}

/// Runs of schedules with a priority have an order above this.
const USUAL_ORDER: i64 = 1;

/// Leaves runs of schedules with a priority out that go beyond the limit. They come last in their
/// order, so they hide no others. Answers whether any was left out.
async fn keep_to_limit(
    tx: &DatabaseTransaction,
    rows: &mut Vec<queue::Model>,
    limit: u64,
) -> Result<bool, DbErr> {
    let is_limited = |row: &queue::Model| row.order_number > USUAL_ORDER;
    if limit == 0 || !rows.iter().any(is_limited) {
        return Ok(false);
    }
    // Two executors must not be given the last one.
    let turnstile = turnstile::Entity::find_by_id(1).lock_exclusive();
    turnstile.one(tx).await?;
    let at_work = queue::Entity::find()
        .select_only()
        .column(queue::Column::RunId)
        .filter(queue::Column::Executor.is_not_null())
        .filter(queue::Column::OrderNumber.gt(USUAL_ORDER))
        .limit(limit)
        .count(tx)
        .await?;
    let (found, mut left) = (rows.len(), limit.saturating_sub(at_work));
    rows.retain(|row| {
        let stays = !is_limited(row) || left > 0;
        if is_limited(row) {
            left = left.saturating_sub(1);
        }
        stays
    });
    Ok(rows.len() < found)
}

async fn hand_out(
    tx: &DatabaseTransaction,
    holder: &Holder,
    rows: &mut [queue::Model],
    now_ms: i64,
) -> Result<(), DbErr> {
    queue::Entity::update_many()
        .col_expr(queue::Column::Executor, Expr::value(holder.name.clone()))
        .col_expr(queue::Column::Boot, Expr::value(holder.boot.cast_signed()))
        .col_expr(queue::Column::AssignedAtMs, Expr::value(now_ms))
        .filter(queue::Column::RunId.is_in(rows.iter().map(|row| &row.run_id)))
        .exec(tx)
        .await?;
    for row in rows {
        row.assigned_at_ms = Some(now_ms);
    }
    Ok(())
}
