//! Days of activity on `PostgreSQL`: a partition a day, made ahead and dropped whole.
//!
//! A run's id begins with the second in which the run was accepted, so a range of ids is a range of
//! time, and the partition of a day has all entries of the runs of that day, whenever they were
//! stored. So an entry's identity stays the table's key, and a run's log lies in one partition.
//! What no day was made for (before the first start, or a clock that is far off) is in the
//! partition of the rest, which is pruned row by row.
//!
//! **Invariant:** a day is dropped only when everything in it is too old.

use runtime::database::Tx;
use sea_orm::{ConnectionTrait, DbErr};

use super::{Store, statement};
use crate::Error;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 24 * 3600 * 1000;
/// How much longer than the retention anything may lie in a partition, in milliseconds: it was
/// stored at the beginning of its day, and a day is left in peace for another one.
pub(super) const LONGEST_MS: i64 = 2 * DAY_MS;
/// Days that are made ahead, besides today.
const AHEAD: i64 = 2;
/// How long to wait for who reads or writes before partitions are changed.
const LOCK_LIMIT: &str = "SET LOCAL lock_timeout = '2s'";
/// Instances that make or drop days do so one after the other.
const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtext('penstock-audit_log-days'))";

/// A table that has partitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partitioned {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    /// The column that says when a row was stored.
    pub(super) stored: &'static str,
}

/// The tables that grow with what runs say.
pub(super) const TABLES: [Partitioned; 2] = [
    Partitioned {
        name: "chunk",
        key: "run_id, attempt, first_seq",
        stored: "stored_ms",
    },
    Partitioned {
        name: "life",
        key: "run_id, seq",
        stored: "heard_ms",
    },
];

impl Partitioned {
    /// The partition of a day, counted from 1970-01-01 UTC.
    fn part(&self, day: i64) -> String {
        format!("{}_day_{day}", self.name)
    }

    /// The partition of what has no day.
    fn rest(&self) -> String {
        format!("{}_rest", self.name)
    }
}

/// The first ids of a day and of the next one; nothing for a day that ids can't tell.
fn ids(day: i64) -> Option<(String, String)> {
    let id = |day: i64| u32::try_from(day * DAY_MS / 1000).ok();
    let (first, next) = (id(day)?, id(day + 1)?);
    Some((format!("{first:08x}"), format!("{next:08x}")))
}

impl Store {
    /// Today and the next days have partitions.
    pub(super) async fn make_days(&self, table: &Partitioned, now_ms: i64) -> Result<(), Error> {
        let known = days(self.owner.reader(), table).await?;
        let today = now_ms.div_euclid(DAY_MS);
        let missing = (today..=today + AHEAD).filter(|day| !known.contains(day));
        for day in missing {
            let tx = self.alone().await?;
            if !days(&*tx, table).await?.contains(&day) && make_day(&tx, table, day).await? {
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// Days of which everything was stored before `before_ms` are gone.
    ///
    /// Answers the partitions in which rows have to be looked for: the rest, and days with a run
    /// that went on for longer than a day.
    pub(super) async fn drop_days(
        &self,
        table: &Partitioned,
        before_ms: i64,
    ) -> Result<Vec<String>, Error> {
        let mut mixed = vec![table.rest()];
        let is_over = |day: &i64| (day + 1) * DAY_MS <= before_ms;
        if !days(self.owner.reader(), table).await?.iter().any(is_over) {
            return Ok(mixed);
        }
        let tx = self.alone().await?;
        for day in days(&*tx, table).await?.into_iter().filter(is_over) {
            let part = table.part(day);
            if is_old(&*tx, table, &part, before_ms).await? {
                drop_day(&tx, table, &part, before_ms).await?;
            } else if (day + 2) * DAY_MS <= before_ms {
                mixed.push(part);
            }
        }
        tx.commit().await?;
        Ok(mixed)
    }

    /// A transaction that may change partitions.
    async fn alone(&self) -> Result<Tx, Error> {
        let tx = self.owner.begin().await?;
        tx.execute_unprepared(LOCK_LIMIT).await?;
        tx.execute_unprepared(ALONE).await?;
        Ok(tx)
    }
}

/// Makes the partition of a day. No if there can't be one any more, because the rest has its runs.
async fn make_day(tx: &Tx, table: &Partitioned, day: i64) -> Result<bool, DbErr> {
    let Some((first, next)) = ids(day) else {
        return Ok(false);
    };
    let (name, part, rest) = (table.name, table.part(day), table.rest());
    let sql = format!("SELECT 1 FROM {rest} WHERE run_id >= $1 AND run_id < $2 LIMIT 1");
    let values = [first.as_str().into(), next.as_str().into()];
    let taken = tx.query_one_raw(statement(&**tx, sql, values)).await?;
    if taken.is_some() {
        tracing::debug!("{part} can't be made: {rest} has runs of that day");
        return Ok(false);
    }
    let make = format!(
        "CREATE TABLE {part} PARTITION OF {name} FOR VALUES FROM ('{first}') TO ('{next}')"
    );
    tx.execute_unprepared(&make).await?;
    Ok(true)
}

/// Looks again when nobody else can write, and drops.
async fn drop_day(tx: &Tx, table: &Partitioned, part: &str, before_ms: i64) -> Result<(), DbErr> {
    // In the order in which writers lock them.
    let lock = format!(
        "LOCK TABLE ONLY {}, {part} IN ACCESS EXCLUSIVE MODE",
        table.name
    );
    tx.execute_unprepared(&lock).await?;
    if is_old(&**tx, table, part, before_ms).await? {
        tx.execute_unprepared(&format!("DROP TABLE {part}")).await?;
        tracing::info!("{part} goes: everything in it is older than the retention");
    }
    Ok(())
}

/// The days that have a partition.
async fn days(db: &impl ConnectionTrait, table: &Partitioned) -> Result<Vec<i64>, DbErr> {
    let sql = "SELECT part.relname::text AS name FROM pg_inherits \
               JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = to_regclass($1)";
    let parts = statement(db, sql, [table.name.into()]);
    let prefix = table.part(0);
    let prefix = prefix.trim_end_matches('0');
    let mut days = Vec::new();
    for row in db.query_all_raw(parts).await? {
        let name: String = row.try_get("", "name")?;
        days.extend(
            name.strip_prefix(prefix)
                .and_then(|it| it.parse::<i64>().ok()),
        );
    }
    Ok(days)
}

/// Whether everything in a partition was stored before `before_ms`.
async fn is_old(
    db: &impl ConnectionTrait,
    table: &Partitioned,
    part: &str,
    before_ms: i64,
) -> Result<bool, DbErr> {
    let sql = format!("SELECT 1 FROM {part} WHERE {} >= $1 LIMIT 1", table.stored);
    let younger = db
        .query_one_raw(statement(db, sql, [before_ms.into()]))
        .await?;
    Ok(younger.is_none())
}

#[cfg(test)]
mod tests;
