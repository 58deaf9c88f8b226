//! What is due is taken, and what is next is made.

use std::collections::{BTreeMap, HashMap};

use outbox::Announcement;
use runtime::database::store_now_ms;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::rows::{firing, insert, new_row, skipped_slot};
use super::{ROWS, Store};
use crate::Error;
use crate::calendar::Calendar;
use crate::entity::{schedule, slot};
use crate::record;
use crate::schedule::{self as rules, Due, Overlap, Reason, Skipped};
use crate::store::values::Values;

/// Schedules that one look takes.
const TAKEN_AT_ONCE: u64 = 500;

/// What a look at the schedules that are due did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// There may be more.
    pub(crate) more: bool,
    /// Slots were made whose runs are to be asked for.
    pub(crate) fires: bool,
}

/// How a schedule's row changes when it is looked at, or when its slot fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turned {
    last_ms: Option<i64>,
    next_ms: Option<i64>,
    due_ms: Option<i64>,
    enabled: bool,
}

/// What a look at a schedule that is due comes to.
struct Look {
    fire: Vec<i64>,
    missed: Option<Skipped>,
    turned: Turned,
}

impl Store {
    /// When the next schedule is due.
    pub(crate) async fn next_due_ms(&self) -> Result<Option<i64>, Error> {
        let next = schedule::Entity::find()
            .select_only()
            .column(schedule::Column::DueAtMs)
            .filter(schedule::Column::DueAtMs.is_not_null())
            .order_by_asc(schedule::Column::DueAtMs)
            .limit(1)
            .into_tuple::<i64>();
        Ok(next.one(self.database.reader()).await?)
    }

    /// Slots of schedules that are due have their rows, and the schedules their next times.
    pub(crate) async fn take_due(&self) -> Result<Taken, Error> {
        let tx = self.database.begin().await?;
        let now_ms = store_now_ms(&*tx).await?;
        let rows = schedule::Entity::find()
            .filter(schedule::Column::DueAtMs.lte(now_ms))
            .order_by_asc(schedule::Column::DueAtMs)
            .limit(TAKEN_AT_ONCE)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .all(&*tx)
            .await?;
        if rows.is_empty() {
            return Ok(Taken::default());
        }
        let more = rows.len() as u64 == TAKEN_AT_ONCE;
        let (mut slots, mut turned, mut news) = (Vec::new(), Vec::new(), Vec::new());
        let mut fires = false;
        for row in rows {
            let look = looked_at(&row, now_ms).unwrap_or_else(|error| {
                tracing::error!(
                    schedule.id = row.id,
                    "a schedule is not due any more: {error}"
                );
                Look::unreadable(&row)
            });
            fires |= !look.fire.is_empty();
            if let Some(missed) = look.missed {
                let why = (Reason::Missed, "nothing could fire it in its time");
                let missed = skipped_slot(&row, missed, why, now_ms);
                news.push(Announcement::of(&record::skipped(&missed, now_ms))?);
                slots.push(new_row(missed));
            }
            slots.extend(look.fire.into_iter().map(|it| firing(&row, it, now_ms)));
            turned.push((row.number, look.turned));
        }
        insert(&tx, slots).await?;
        turn(&tx, turned).await?;
        outbox::announce_all(&tx, news, now_ms).await?;
        tx.commit().await?;
        runtime::fault_point::pass("slots.taken");
        Ok(Taken { more, fires })
    }
}

impl Look {
    /// It isn't due again until somebody changes it.
    fn unreadable(row: &schedule::Model) -> Self {
        Self {
            fire: Vec::new(),
            missed: None,
            turned: Turned {
                due_ms: None,
                ..Turned::of(row)
            },
        }
    }
}

impl Turned {
    fn of(row: &schedule::Model) -> Self {
        Self {
            last_ms: row.last_at_ms,
            next_ms: row.next_at_ms,
            due_ms: row.due_at_ms,
            enabled: row.enabled,
        }
    }

    /// It has fired, if it has, and this is next.
    fn to(row: &schedule::Model, fired: bool, next_ms: Option<i64>, now_ms: i64) -> Self {
        let is_over = row.just_once && fired;
        let next_ms = next_ms.filter(|_| !is_over);
        Self {
            last_ms: if fired { Some(now_ms) } else { row.last_at_ms },
            next_ms,
            due_ms: due_ms(row, next_ms).filter(|_| row.enabled),
            enabled: row.enabled && !is_over,
        }
    }
}

/// When a schedule with this next slot is to be looked at.
pub(crate) fn due_ms(row: &schedule::Model, next_ms: Option<i64>) -> Option<i64> {
    let by_ms = rules::jitter(&row.id, row.jitter_ms);
    next_ms.map(|it| it.saturating_add(by_ms))
}

fn looked_at(row: &schedule::Model, now_ms: i64) -> Result<Look, Error> {
    let (times, overlap) = (record::times(row)?, record::overlap(row)?);
    let calendar = times.calendar()?;
    let Some(next_ms) = row.next_at_ms.filter(|_| row.enabled) else {
        return Ok(Look::unreadable(row));
    };
    // What its jitter delays is not due yet.
    let reached_ms = now_ms - rules::jitter(&row.id, row.jitter_ms);
    let mut due = rules::due(&calendar, next_ms, reached_ms, times.catch_up);
    if overlap == Overlap::Wait && !due.fire.is_empty() {
        due.fire.truncate(1);
        let turned = Turned {
            next_ms: due.fire.first().copied(),
            due_ms: None,
            ..Turned::of(row)
        };
        let Due { fire, missed, .. } = due;
        return Ok(Look {
            fire,
            missed,
            turned,
        });
    }
    Ok(Look {
        turned: Turned::to(row, !due.fire.is_empty(), due.next_ms, now_ms),
        fire: due.fire,
        missed: due.missed,
    })
}

/// Schedules whose slots waited for their pipelines go on from these slots, which are over. Answers
/// rows of slots that came meanwhile.
pub(super) async fn go_on(
    tx: &DatabaseTransaction,
    slots: Vec<(String, i64)>,
    now_ms: i64,
) -> Result<Vec<slot::ActiveModel>, Error> {
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let over: HashMap<String, i64> = slots.into_iter().collect();
    let rows = schedule::Entity::find()
        .filter(schedule::Column::Id.is_in(over.keys()))
        .filter(schedule::Column::Enabled.eq(true))
        .filter(schedule::Column::DueAtMs.is_null())
        .order_by_asc(schedule::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    let (mut turned, mut skipped) = (Vec::new(), Vec::new());
    for row in rows {
        if row.next_at_ms != over.get(&row.id).copied() {
            continue;
        }
        let Some((next_ms, passed)) = following(&row, now_ms) else {
            continue;
        };
        if let Some(passed) = passed {
            let why = (Reason::Overlap, "the slot before it still waited");
            skipped.push(new_row(skipped_slot(&row, passed, why, now_ms)));
        }
        turned.push((row.number, Turned::to(&row, true, next_ms, now_ms)));
    }
    turn(tx, turned).await?;
    Ok(skipped)
}

/// What follows a slot that waited, and what came meanwhile.
fn following(row: &schedule::Model, now_ms: i64) -> Option<(Option<i64>, Option<Skipped>)> {
    let times = record::times(row).ok()?;
    let calendar = times.calendar().ok()?;
    let next_ms = calendar.after(row.next_at_ms?);
    if times.catch_up.all {
        return Some((next_ms, None));
    }
    let passed = next_ms.filter(|&it| it <= now_ms);
    let passed = passed.map(|first_ms| passed_over(&calendar, first_ms, now_ms));
    Some((calendar.after(now_ms), passed))
}

/// The slots from one on up to now, as skipped ones.
pub(crate) fn passed_over(calendar: &Calendar, first_ms: i64, now_ms: i64) -> Skipped {
    let found = calendar.until(first_ms, now_ms);
    Skipped {
        first_ms,
        last_ms: found.latest_ms,
        count: found.count,
    }
}

/// Schedules are turned to what is next.
async fn turn(tx: &DatabaseTransaction, turned: Vec<(i64, Turned)>) -> Result<(), Error> {
    let once: BTreeMap<i64, Turned> = turned.into_iter().collect();
    let once: Vec<_> = once.into_iter().collect();
    for rows in once.chunks(ROWS) {
        let mut values = Values::of(5);
        for (number, turned) in rows {
            values.push([
                (*number).into(),
                turned.last_ms.into(),
                turned.next_ms.into(),
                turned.due_ms.into(),
                turned.enabled.into(),
            ]);
        }
        let update = "UPDATE schedule SET last_at_ms = v.column2, next_at_ms = v.column3, \
             due_at_ms = v.column4, enabled = v.column5 FROM (VALUES {values}) AS v \
             WHERE schedule.number = v.column1";
        values.run(tx, update).await?;
    }
    Ok(())
}
