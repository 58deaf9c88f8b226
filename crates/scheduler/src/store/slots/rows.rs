//! Rows of slots: new ones, and what became of them.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};

use super::ROWS;
use crate::Error;
use crate::entity::{schedule, slot};
use crate::record;
use crate::schedule::{Reason, Skipped, SlotState};

/// A slot whose run is to be asked for.
pub(super) fn firing(row: &schedule::Model, slot_ms: i64, now_ms: i64) -> slot::ActiveModel {
    new_row(slot::Model {
        slot: record::slot_name(slot_ms, row.revision),
        slot_ms,
        until_ms: slot_ms,
        state: SlotState::Firing.name().to_owned(),
        try_at_ms: Some(now_ms),
        ..blank(row)
    })
}

/// The row of slots that are skipped.
pub(crate) fn skipped_slot(
    row: &schedule::Model,
    skipped: Skipped,
    (reason, why): (Reason, &str),
    now_ms: i64,
) -> slot::Model {
    slot::Model {
        slot: record::slot_name(skipped.first_ms, row.revision),
        slot_ms: skipped.first_ms,
        until_ms: skipped.last_ms,
        count: skipped.count.cast_signed(),
        state: SlotState::Skipped.name().to_owned(),
        reason: Some(reason.name().to_owned()),
        message: why.to_owned(),
        settled_at_ms: Some(now_ms),
        ..blank(row)
    }
}

/// A slot of a schedule, with nothing said of it.
pub(crate) fn blank(row: &schedule::Model) -> slot::Model {
    slot::Model {
        number: 0,
        schedule_id: row.id.clone(),
        slot: String::new(),
        pipeline_id: row.pipeline_id.clone(),
        slot_ms: 0,
        until_ms: 0,
        count: 1,
        state: String::new(),
        reason: None,
        message: String::new(),
        late_ms: 0,
        try_at_ms: None,
        settled_at_ms: None,
        run_id: None,
        run_count: None,
        upstream_run_id: None,
        chain: String::new(),
    }
}

/// A slot's row that is to be inserted.
pub(crate) fn new_row(row: slot::Model) -> slot::ActiveModel {
    slot::ActiveModel {
        number: NotSet,
        schedule_id: Set(row.schedule_id),
        slot: Set(row.slot),
        pipeline_id: Set(row.pipeline_id),
        slot_ms: Set(row.slot_ms),
        until_ms: Set(row.until_ms),
        count: Set(row.count),
        state: Set(row.state),
        reason: Set(row.reason),
        message: Set(row.message),
        late_ms: Set(row.late_ms),
        try_at_ms: Set(row.try_at_ms),
        settled_at_ms: Set(row.settled_at_ms),
        run_id: Set(row.run_id),
        run_count: Set(row.run_count),
        upstream_run_id: Set(row.upstream_run_id),
        chain: Set(row.chain),
    }
}

/// Slots have their rows. One that has one keeps it.
pub(crate) async fn insert(
    tx: &DatabaseTransaction,
    rows: Vec<slot::ActiveModel>,
) -> Result<(), Error> {
    for rows in rows.chunks(ROWS) {
        let once = OnConflict::columns([slot::Column::ScheduleId, slot::Column::Slot])
            .do_nothing()
            .to_owned();
        slot::Entity::insert_many(rows.to_vec())
            .on_conflict(once)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Slots of a schedule that wait, or whose runs were not accepted yet, are skipped.
pub(crate) async fn close_open(
    tx: &DatabaseTransaction,
    schedule_id: &str,
    (reason, why): (Reason, &str),
    now_ms: i64,
) -> Result<(), Error> {
    slot::Entity::update_many()
        .col_expr(slot::Column::State, Expr::value(SlotState::Skipped.name()))
        .col_expr(slot::Column::Reason, Expr::value(reason.name()))
        .col_expr(slot::Column::Message, Expr::value(why))
        .col_expr(slot::Column::TryAtMs, Expr::value(Option::<i64>::None))
        .col_expr(slot::Column::SettledAtMs, Expr::value(now_ms))
        .filter(slot::Column::ScheduleId.eq(schedule_id))
        .filter(slot::Column::State.eq(SlotState::Waiting.name()))
        .exec(tx)
        .await?;
    Ok(())
}
