//! Removing what is older than the retention: whole days where there are partitions ([`super::days`]),
//! everything else a little at a time.

use runtime::{Progress, clock};
use sea_orm::{ConnectionTrait as _, DatabaseBackend};

use super::days::{self, Partitioned};
use super::{Store, statement};
use crate::Error;

/// Rows deleted a transaction and table.
const AT_ONCE: i64 = 500;
/// How long a run that was never heard to end is kept, in milliseconds.
const UNENDED_KEPT_MS: i64 = 400 * days::DAY_MS;

/// Deletes up to `$2` attempts from before `$1`.
const ATTEMPTS: &str = "DELETE FROM attempt WHERE (run_id, attempt) IN (SELECT run_id, attempt \
     FROM attempt WHERE touched_ms < $1 ORDER BY touched_ms LIMIT $2)";
/// Deletes up to `$2` runs from before `$1`; such as have not ended from before `$3`.
const RUNS: &str = "DELETE FROM run WHERE run_id IN (SELECT run_id FROM run WHERE touched_ms < $1 \
     AND (ended_heard_ms IS NOT NULL OR touched_ms < $3) ORDER BY touched_ms LIMIT $2)";

impl Store {
    /// Removes some of what is too old at `now_ms`, and makes room for the days to come.
    /// [`Progress::More`] if there is more to remove.
    pub(crate) async fn prune(&self, now_ms: i64) -> Result<Progress, Error> {
        let before_ms = now_ms - self.retention_ms;
        let has_days = self.owner.backend() == DatabaseBackend::Postgres;
        // What is known of an attempt tells repeats of its entries, so it goes after them.
        let facts_ms = if has_days {
            before_ms - days::LONGEST_MS
        } else {
            before_ms
        };
        let mut deleted = Vec::new();
        for table in days::TABLES {
            let mut parts = vec![table.name.to_owned()];
            if has_days {
                self.make_days(&table, now_ms).await?;
                parts = self.drop_days(&table, before_ms).await?;
            }
            for part in parts {
                deleted.push(self.delete_from(&table, &part, before_ms).await?);
            }
        }
        deleted.push(self.delete(ATTEMPTS, facts_ms, None).await?);
        let unended_ms = facts_ms - UNENDED_KEPT_MS;
        deleted.push(self.delete(RUNS, facts_ms, Some(unended_ms)).await?);
        let ledger_ms = now_ms - self.ledger_retention_ms;
        let has_more = self.prune_ledger(ledger_ms).await? == Progress::More;
        Ok(if has_more || deleted.iter().any(|it| *it >= AT_ONCE) {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    /// Makes room for today and the days to come, where it has to be made.
    pub(crate) async fn make_room(&self) -> Result<(), Error> {
        if self.owner.backend() == DatabaseBackend::Postgres {
            for table in days::TABLES {
                self.make_days(&table, clock::now_ms()).await?;
            }
        }
        Ok(())
    }

    async fn delete_from(
        &self,
        table: &Partitioned,
        part: &str,
        before_ms: i64,
    ) -> Result<i64, Error> {
        let Partitioned { key, stored, .. } = table;
        let sql = format!(
            "DELETE FROM {part} WHERE ({key}) IN (SELECT {key} FROM {part} \
             WHERE {stored} < $1 ORDER BY {stored} LIMIT $2)"
        );
        self.delete(&sql, before_ms, None).await
    }

    /// Runs a bounded delete and answers the number of rows that went.
    async fn delete(&self, sql: &str, before_ms: i64, third: Option<i64>) -> Result<i64, Error> {
        let mut values = vec![before_ms.into(), AT_ONCE.into()];
        values.extend(third.map(Into::into));
        let tx = self.owner.begin().await?;
        let done = tx.execute_raw(statement(&*tx, sql, values)).await?;
        tx.commit().await?;
        Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
    }
}
