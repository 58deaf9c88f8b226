//! Removing what is older than the retention, a little at a time.

use runtime::Progress;
use sea_orm::ConnectionTrait as _;

use super::{Store, statement};
use crate::Error;

/// Rows deleted a transaction and table.
const AT_ONCE: i64 = 500;
/// How long a run that was never heard to end is kept, in milliseconds.
const UNENDED_KEPT_MS: i64 = 400 * 24 * 3600 * 1000;

/// Deletes up to `$2` rows from before `$1`.
const DELETES: [&str; 4] = [
    "DELETE FROM chunk WHERE (run_id, attempt, first_seq) IN (SELECT run_id, attempt, first_seq \
     FROM chunk WHERE stored_ms < $1 ORDER BY stored_ms LIMIT $2)",
    "DELETE FROM life WHERE (run_id, seq) IN (SELECT run_id, seq \
     FROM life WHERE heard_ms < $1 ORDER BY heard_ms LIMIT $2)",
    "DELETE FROM attempt WHERE (run_id, attempt) IN (SELECT run_id, attempt \
     FROM attempt WHERE touched_ms < $1 ORDER BY touched_ms LIMIT $2)",
    "DELETE FROM run WHERE run_id IN (SELECT run_id FROM run WHERE touched_ms < $1 \
     AND (ended_heard_ms IS NOT NULL OR touched_ms < $3) ORDER BY touched_ms LIMIT $2)",
];

impl Store {
    /// Removes some of what was stored before `before_ms`. [`Progress::More`] if there is more.
    pub(crate) async fn prune(&self, before_ms: i64) -> Result<Progress, Error> {
        let mut progress = Progress::Idle;
        for sql in DELETES {
            let mut values = vec![before_ms.into(), AT_ONCE.into()];
            if sql.contains("$3") {
                values.push((before_ms - UNENDED_KEPT_MS).into());
            }
            let tx = self.database.begin().await?;
            let deleted = tx
                .execute_raw(statement(&*tx, sql, values))
                .await?
                .rows_affected();
            tx.commit().await?;
            if i64::try_from(deleted).is_ok_and(|it| it >= AT_ONCE) {
                progress = Progress::More;
            }
        }
        Ok(progress)
    }
}
