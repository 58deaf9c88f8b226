//! The scheduler's transactions, named by what becomes true.
//!
//! **Invariant (I11):** runs of an executor are the rows that name it, never more than its slots.
//! They are counted under the executor's row lock.

use std::collections::HashSet;

use runtime::Database;
use runtime::clock;
use runtime::database::store_now_ms;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use crate::Error;
use crate::entity::{executor, queue};

mod assign;
mod follow;
mod leases;
mod schedules;
mod slots;
mod values;

pub(crate) use assign::Left;
pub(crate) use schedules::{Change, Edited, NewSchedule};
pub(crate) use slots::{
    CLAIMED_AT_ONCE, Claimed, Settled, due_ms, new_row as new_slot, passed_over, skipped_slot,
};

/// How long a run waits that found no place, unless a run that it waits for ends before.
const BUSY_PAUSE_MS: i64 = 1000;

/// The database of the queue and the leases.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

/// An executor at one of its starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) boot: u64,
}

/// Where a run is in the queue.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) row: queue::Model,
    /// Waiting runs before it, counted up to 10 000.
    pub(crate) before: u64,
}

/// How long a run in the queue isn't tried again.
#[derive(Debug, Default)]
struct Pause {
    until_ms: i64,
    /// The pipeline whose run's end ends the pause.
    waits_for: Option<String>,
}

impl Store {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Runs are in the queue, each for its attempt. A row of a later attempt stays as it is.
    pub(crate) async fn enqueue(
        tx: &DatabaseTransaction,
        rows: Vec<queue::ActiveModel>,
    ) -> Result<(), sea_orm::DbErr> {
        if rows.is_empty() {
            return Ok(());
        }
        let newer = OnConflict::column(queue::Column::RunId)
            .update_columns([
                queue::Column::Attempt,
                queue::Column::Concurrency,
                queue::Column::NotBeforeMs,
                queue::Column::Executor,
                queue::Column::Boot,
                queue::Column::AssignedAtMs,
                queue::Column::WaitsFor,
            ])
            .action_and_where(
                Expr::col((queue::Entity, queue::Column::Attempt))
                    .lt(Expr::cust("excluded.attempt")),
            )
            .to_owned();
        queue::Entity::insert_many(rows)
            .on_conflict(newer)
            .exec_without_returning(tx)
            .await?;
        Ok(())
    }

    /// The same in a transaction of its own.
    pub(crate) async fn enqueue_missing(&self, rows: Vec<queue::ActiveModel>) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        Self::enqueue(&tx, rows).await?;
        Ok(tx.commit().await?)
    }

    /// Runs that have ended are not in the queue. One that an executor has stays until that says it
    /// is through, so that its slot is not given away before.
    pub(crate) async fn leave_queue(
        tx: &DatabaseTransaction,
        run_ids: Vec<String>,
    ) -> Result<(), sea_orm::DbErr> {
        if run_ids.is_empty() {
            return Ok(());
        }
        queue::Entity::delete_many()
            .filter(queue::Column::RunId.is_in(run_ids))
            .filter(queue::Column::Executor.is_null())
            .exec(tx)
            .await?;
        Ok(())
    }

    /// Runs that wait for what is outside, each since the attempt that is named, are not in the
    /// queue. One that was asked for again meanwhile is.
    pub(crate) async fn rest(
        tx: &DatabaseTransaction,
        runs: &[(String, u32)],
    ) -> Result<(), sea_orm::DbErr> {
        const TOGETHER: usize = 200;
        for runs in runs.chunks(TOGETHER) {
            let any = sea_orm::Condition::any();
            let any = runs.iter().fold(any, |any, (run_id, attempt)| {
                let this = queue::Column::RunId.eq(run_id);
                any.add(this.and(queue::Column::Attempt.lte(attempt.cast_signed())))
            });
            queue::Entity::delete_many()
                .filter(any)
                .filter(queue::Column::Executor.is_null())
                .exec(tx)
                .await?;
        }
        Ok(())
    }

    /// Places of these pipelines may be free, and those that conflict with them may run: runs that
    /// could not begin try again.
    pub(crate) async fn places_freed(
        tx: &DatabaseTransaction,
        pipeline_ids: Vec<String>,
    ) -> Result<(), sea_orm::DbErr> {
        if pipeline_ids.is_empty() {
            return Ok(());
        }
        let waited = sea_orm::Condition::any()
            .add(queue::Column::PipelineId.is_in(&pipeline_ids))
            .add(queue::Column::WaitsFor.is_in(&pipeline_ids));
        queue::Entity::update_many()
            .col_expr(queue::Column::NotBeforeMs, Expr::value(0_i64))
            .col_expr(queue::Column::WaitsFor, Expr::value(Option::<String>::None))
            .filter(waited)
            .filter(queue::Column::NotBeforeMs.gt(0))
            .exec(tx)
            .await?;
        Ok(())
    }

    /// Executors are through with these attempts, of runs by their ids: their slots are free.
    pub(crate) async fn attempts_left(&self, attempts: &[(String, u32)]) -> Result<(), Error> {
        let any = sea_orm::Condition::any();
        let any = attempts.iter().fold(any, |any, (run_id, attempt)| {
            any.add(this_attempt(run_id, *attempt))
        });
        let tx = self.database.begin().await?;
        queue::Entity::delete_many().filter(any).exec(&*tx).await?;
        Ok(tx.commit().await?)
    }

    /// A run goes back into the queue for `next`, or leaves it for 0.
    pub(crate) async fn attempt_over(
        &self,
        run_id: &str,
        attempt: u32,
        next: u32,
    ) -> Result<(), Error> {
        if next == 0 {
            return self.attempts_left(&[(run_id.to_owned(), attempt)]).await;
        }
        self.requeue(run_id, attempt, next, Pause::default()).await
    }

    /// The run found no place, perhaps because of a run of the pipeline that it waits for: it waits
    /// in the queue and its slot is free.
    pub(crate) async fn found_no_place(
        &self,
        run_id: &str,
        attempt: u32,
        waits_for: Option<String>,
    ) -> Result<(), Error> {
        let pause = Pause {
            until_ms: clock::now_ms() + BUSY_PAUSE_MS,
            waits_for,
        };
        self.requeue(run_id, attempt, attempt, pause).await
    }

    async fn requeue(
        &self,
        run_id: &str,
        attempt: u32,
        next: u32,
        pause: Pause,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        queue::Entity::update_many()
            .col_expr(queue::Column::Attempt, Expr::value(next.cast_signed()))
            .col_expr(queue::Column::NotBeforeMs, Expr::value(pause.until_ms))
            .col_expr(queue::Column::WaitsFor, Expr::value(pause.waits_for))
            .col_expr(queue::Column::Executor, Expr::value(Option::<String>::None))
            .col_expr(queue::Column::Boot, Expr::value(Option::<i64>::None))
            .col_expr(
                queue::Column::AssignedAtMs,
                Expr::value(Option::<i64>::None),
            )
            .filter(this_attempt(run_id, attempt))
            .exec(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }

    pub(crate) async fn row(&self, run_id: &str) -> Result<Option<queue::Model>, Error> {
        Ok(queue::Entity::find_by_id(run_id)
            .one(self.database.reader())
            .await?)
    }

    /// Where a run is in the queue, if it is in it.
    pub(crate) async fn place(&self, run_id: &str) -> Result<Option<Place>, Error> {
        use sea_orm::PaginatorTrait as _;
        const COUNTED: u64 = 10_000;
        let Some(row) = self.row(run_id).await? else {
            return Ok(None);
        };
        // As they are assigned: by priority, then by order, then by time, then by count.
        let all = sea_orm::Condition::all;
        let same_time = all()
            .add(queue::Column::EnqueuedAtMs.eq(row.enqueued_at_ms))
            .add(queue::Column::RunCount.lt(row.run_count));
        let earlier = sea_orm::Condition::any()
            .add(queue::Column::EnqueuedAtMs.lt(row.enqueued_at_ms))
            .add(same_time);
        let same_priority = || all().add(queue::Column::Priority.eq(row.priority));
        let same_order = same_priority().add(queue::Column::OrderNumber.eq(row.order_number));
        let ahead = sea_orm::Condition::any()
            .add(queue::Column::Priority.lt(row.priority))
            .add(same_priority().add(queue::Column::OrderNumber.lt(row.order_number)))
            .add(same_order.add(earlier));
        let before = queue::Entity::find()
            .select_only()
            .column(queue::Column::RunId)
            .filter(queue::Column::Executor.is_null())
            .filter(ahead)
            .limit(COUNTED)
            .count(self.database.reader())
            .await?;
        Ok(Some(Place { row, before }))
    }

    /// Waiting rows that are older than `age_ms`, by run id.
    pub(crate) async fn waiting(
        &self,
        age_ms: i64,
        after: &str,
        limit: u64,
    ) -> Result<Vec<queue::Model>, Error> {
        let rows = queue::Entity::find()
            .filter(queue::Column::Executor.is_null())
            .filter(queue::Column::EnqueuedAtMs.lt(clock::now_ms() - age_ms))
            .filter(queue::Column::RunId.gt(after))
            .order_by_asc(queue::Column::RunId)
            .limit(limit);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// Those of the runs that wait in the queue or are with an executor.
    pub(crate) async fn known(&self, run_ids: Vec<String>) -> Result<HashSet<String>, Error> {
        let known = queue::Entity::find()
            .select_only()
            .column(queue::Column::RunId)
            .filter(queue::Column::RunId.is_in(run_ids))
            .into_tuple()
            .all(self.database.reader())
            .await?;
        Ok(known.into_iter().collect())
    }

    /// What an executor has, at any of its boots.
    pub(crate) async fn assigned(&self, name: &str) -> Result<Vec<queue::Model>, Error> {
        let rows = queue::Entity::find().filter(queue::Column::Executor.eq(name));
        Ok(rows.all(self.database.reader()).await?)
    }

    pub(crate) async fn executors(&self) -> Result<Vec<executor::Model>, Error> {
        let rows = executor::Entity::find()
            .order_by_asc(executor::Column::Name)
            .limit(10_000);
        Ok(rows.all(self.database.reader()).await?)
    }

    pub(crate) async fn now_ms(&self) -> Result<i64, Error> {
        Ok(store_now_ms(self.database.reader()).await?)
    }
}

fn this_attempt(run_id: &str, attempt: u32) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(queue::Column::RunId.eq(run_id))
        .add(queue::Column::Attempt.eq(attempt.cast_signed()))
}
