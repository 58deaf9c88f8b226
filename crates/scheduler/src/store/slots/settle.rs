//! What came of slots whose runs were asked for.

use outbox::Announcement;
use runtime::database::store_now_ms;
use sea_orm::DatabaseTransaction;

use super::due::go_on;
use super::rows::insert;
use super::{Claimed, ROWS, Store};
use crate::Error;
use crate::entity::slot;
use crate::record;
use crate::schedule::{self as rules, Reason, SlotState};
use crate::store::values::Values;

/// What became of a claimed slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    Fired {
        run_id: String,
        run_count: i64,
        at_ms: i64,
    },
    Skipped(Reason, String),
    /// It waits for the pipeline to be free.
    Waits,
}

impl Store {
    /// The rows of claimed slots say what came of them.
    pub(crate) async fn settle(
        &self,
        settled: Vec<(Claimed, Settled)>,
        wait_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let now_ms = store_now_ms(&*tx).await?;
        let (mut rows, mut news) = (Vec::new(), Vec::new());
        let mut gone_by = Vec::new();
        for (claimed, outcome) in settled {
            let row = settled_row(&claimed, &outcome, (now_ms, wait_ms));
            if matches!(outcome, Settled::Skipped(..)) {
                news.push(Announcement::of(&record::skipped(&row, now_ms))?);
            }
            if outcome != Settled::Waits {
                gone_by.extend(claimed.schedule.map(|it| (it.id, row.slot_ms)));
            }
            rows.push(row);
        }
        write(&tx, rows).await?;
        let skipped = go_on(&tx, gone_by, now_ms).await?;
        insert(&tx, skipped).await?;
        outbox::announce_all(&tx, news, now_ms).await?;
        tx.commit().await?;
        runtime::fault_point::pass("slots.settled");
        Ok(())
    }
}

/// A claimed slot as its outcome makes it.
fn settled_row(claimed: &Claimed, outcome: &Settled, (now_ms, wait_ms): (i64, i64)) -> slot::Model {
    let row = claimed.slot.clone();
    let settled = slot::Model {
        try_at_ms: None,
        settled_at_ms: Some(now_ms),
        ..row
    };
    match outcome {
        Settled::Waits => slot::Model {
            state: SlotState::Waiting.name().to_owned(),
            try_at_ms: Some(now_ms + wait_ms),
            settled_at_ms: None,
            ..settled
        },
        Settled::Skipped(reason, why) => slot::Model {
            state: SlotState::Skipped.name().to_owned(),
            reason: Some(reason.name().to_owned()),
            message: why.clone(),
            ..settled
        },
        Settled::Fired {
            run_id,
            run_count,
            at_ms,
        } => {
            let jitter_ms = claimed.schedule.as_ref().map_or(0, |it| {
                let is_time = settled.upstream_run_id.is_none();
                if is_time {
                    rules::jitter(&it.id, it.jitter_ms)
                } else {
                    0
                }
            });
            let late_ms = Ord::max(0, at_ms - settled.slot_ms - jitter_ms);
            let state = if late_ms > rules::LATE_MS {
                SlotState::Late
            } else {
                SlotState::Fired
            };
            slot::Model {
                state: state.name().to_owned(),
                late_ms,
                run_id: Some(run_id.clone()),
                run_count: Some(*run_count),
                ..settled
            }
        }
    }
}

/// What the rows say of their outcomes is written down, unless somebody else has. A run that was
/// accepted is said in any case: a slot may have been given up while it was asked for.
async fn write(tx: &DatabaseTransaction, rows: Vec<slot::Model>) -> Result<(), Error> {
    for rows in rows.chunks(ROWS) {
        let mut values = Values::of(9);
        for row in rows {
            values.push([
                row.number.into(),
                row.state.clone().into(),
                row.reason.clone().into(),
                row.message.clone().into(),
                row.late_ms.into(),
                row.try_at_ms.into(),
                row.settled_at_ms.into(),
                row.run_id.clone().into(),
                row.run_count.into(),
            ]);
        }
        let update = "UPDATE slot SET state = v.column2, reason = v.column3, message = v.column4, \
             late_ms = v.column5, try_at_ms = v.column6, settled_at_ms = v.column7, \
             run_id = v.column8, run_count = v.column9 FROM (VALUES {values}) AS v \
             WHERE slot.number = v.column1 AND (slot.try_at_ms IS NOT NULL \
             OR (slot.run_id IS NULL AND v.column8 IS NOT NULL))";
        values.run(tx, update).await?;
    }
    Ok(())
}
