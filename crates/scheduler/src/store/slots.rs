//! What is due is taken, claimed for its start, and settled.
//!
//! A slot's row commits with the schedule's next time (`firing`), so whoever comes second finds it
//! taken; then its run is asked for; then the row says what came of it. A scheduler that dies in
//! between leaves a row that another finishes: the run's origin makes asking again harmless.
//!
//! **Invariants:** I3 and I6 (one row a slot: its name is unique in its schedule).

use std::collections::HashMap;

use runtime::database::store_now_ms;
use sea_orm::sea_query::{Expr, ExprTrait as _, LockBehavior, LockType};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::entity::{schedule, slot};
use crate::schedule::SlotState;

mod due;
mod rows;
mod settle;

pub(crate) use due::{due_ms, passed_over};
pub(crate) use rows::{blank, close_open, insert, new_row, skipped_slot};
pub(crate) use settle::Settled;

/// Slots whose runs are asked for together.
pub(crate) const CLAIMED_AT_ONCE: u64 = 250;
/// How long a claim keeps others from a slot.
const CLAIM_MS: i64 = 10_000;
/// Rows a statement, well below the number of values that it may have.
const ROWS: usize = 500;
/// Slots that are pruned at once.
const PRUNED_AT_ONCE: u64 = 1000;

/// A slot whose run is to be asked for, with its schedule unless that is gone.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) slot: slot::Model,
    pub(crate) schedule: Option<schedule::Model>,
}

impl Store {
    /// Whether there may be slots whose runs are to be asked for.
    pub(crate) async fn has_open_slots(&self) -> Result<bool, Error> {
        let reader = self.database.reader();
        let now_ms = store_now_ms(reader).await?;
        let open = slot::Entity::find()
            .select_only()
            .column(slot::Column::Number)
            .filter(slot::Column::TryAtMs.lte(now_ms))
            .limit(1)
            .into_tuple::<i64>();
        Ok(open.one(reader).await?.is_some())
    }

    /// Some of the slots whose runs are to be asked for are this scheduler's, for a while.
    pub(crate) async fn claim_slots(&self) -> Result<Vec<Claimed>, Error> {
        let tx = self.database.begin().await?;
        let now_ms = store_now_ms(&*tx).await?;
        let slots = slot::Entity::find()
            .filter(slot::Column::TryAtMs.lte(now_ms))
            .order_by_asc(slot::Column::TryAtMs)
            .order_by_asc(slot::Column::Number)
            .limit(CLAIMED_AT_ONCE)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&*tx)
            .await?;
        if slots.is_empty() {
            return Ok(Vec::new());
        }
        let numbers = slots.iter().map(|it| it.number);
        try_at(&tx, numbers, now_ms + CLAIM_MS).await?;
        let ids = slots.iter().map(|it| it.schedule_id.clone());
        let schedules = schedule::Entity::find()
            .filter(schedule::Column::Id.is_in(ids))
            .all(&*tx)
            .await?;
        tx.commit().await?;
        let by_id: HashMap<_, _> = schedules
            .into_iter()
            .map(|it| (it.id.clone(), it))
            .collect();
        let claimed = slots.into_iter().map(|slot| Claimed {
            schedule: by_id.get(&slot.schedule_id).cloned(),
            slot,
        });
        Ok(claimed.collect())
    }

    /// Slots that could not be asked for are tried again after a pause.
    pub(crate) async fn put_back(&self, numbers: Vec<i64>, pause_ms: i64) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let now_ms = store_now_ms(&*tx).await?;
        try_at(&tx, numbers, now_ms + pause_ms).await?;
        Ok(tx.commit().await?)
    }

    /// Slots that wait for one of these pipelines to be free are tried again.
    pub(crate) async fn pipelines_free(
        tx: &DatabaseTransaction,
        pipeline_ids: Vec<String>,
        now_ms: i64,
    ) -> Result<u64, Error> {
        if pipeline_ids.is_empty() {
            return Ok(0);
        }
        let tried = slot::Entity::update_many()
            .col_expr(slot::Column::TryAtMs, Expr::value(now_ms))
            .filter(slot::Column::State.eq(SlotState::Waiting.name()))
            // The index of open slots is used where this is said.
            .filter(slot::Column::TryAtMs.is_not_null())
            .filter(slot::Column::PipelineId.is_in(pipeline_ids))
            .exec(tx)
            .await?;
        Ok(tried.rows_affected)
    }

    /// A page of a schedule's slots below a number, the latest first.
    pub(crate) async fn slots(
        &self,
        schedule_id: &str,
        below: i64,
        limit: u64,
    ) -> Result<Vec<slot::Model>, Error> {
        let page = slot::Entity::find()
            .filter(slot::Column::ScheduleId.eq(schedule_id))
            .filter(slot::Column::Number.lt(below))
            .order_by_desc(slot::Column::Number)
            .limit(limit);
        Ok(page.all(self.database.reader()).await?)
    }

    /// The latest slot of each schedule that has one.
    pub(crate) async fn latest_slots(
        &self,
        schedule_ids: Vec<String>,
    ) -> Result<HashMap<String, slot::Model>, Error> {
        if schedule_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let reader = self.database.reader();
        let numbers: Vec<i64> = slot::Entity::find()
            .select_only()
            .column_as(slot::Column::Number.max(), "number")
            .filter(slot::Column::ScheduleId.is_in(schedule_ids))
            .group_by(slot::Column::ScheduleId)
            .into_tuple()
            .all(reader)
            .await?;
        let rows = slot::Entity::find()
            .filter(slot::Column::Number.is_in(numbers))
            .all(reader)
            .await?;
        let by_schedule = rows.into_iter().map(|it| (it.schedule_id.clone(), it));
        Ok(by_schedule.collect())
    }

    /// Removes some of the slots that were settled before. Answers whether there may be more.
    pub(crate) async fn prune_slots(&self, before_ms: i64) -> Result<bool, Error> {
        let old: Vec<i64> = slot::Entity::find()
            .select_only()
            .column(slot::Column::Number)
            .filter(slot::Column::SettledAtMs.lt(before_ms))
            .order_by_asc(slot::Column::SettledAtMs)
            .limit(PRUNED_AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        if old.is_empty() {
            return Ok(false);
        }
        let more = old.len() as u64 == PRUNED_AT_ONCE;
        let tx = self.database.begin().await?;
        slot::Entity::delete_many()
            .filter(slot::Column::Number.is_in(old))
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        Ok(more)
    }
}

async fn try_at(
    tx: &DatabaseTransaction,
    numbers: impl IntoIterator<Item = i64>,
    at_ms: i64,
) -> Result<(), Error> {
    slot::Entity::update_many()
        .col_expr(slot::Column::TryAtMs, Expr::value(at_ms))
        .filter(slot::Column::Number.is_in(numbers))
        .filter(Expr::col(slot::Column::TryAtMs).is_not_null())
        .exec(tx)
        .await?;
    Ok(())
}
