//! Which messages a consumer has heard already.
//!
//! **Invariant:** a row is written in the transaction of the message's effect, so that there is one
//! exactly if the effect is true. Rows outlive the messages that they know.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, Value};

use crate::bus::Heard;
use crate::sql;
use runtime::{Database, Progress};

/// Rows deleted a transaction.
const PRUNED_AT_ONCE: u32 = 1000;
/// Rows an `INSERT`.
const ROWS: usize = 500;

/// Notes `batch` as heard by `consumer` and answers what it had not heard before, each message once.
pub(crate) async fn admit(
    tx: &DatabaseTransaction,
    consumer: &str,
    batch: &[Heard],
    now_ms: i64,
) -> Result<Vec<Heard>, DbErr> {
    let mut ids: Vec<&str> = batch.iter().map(|message| message.id.as_str()).collect();
    // One order everywhere, so that two instances never wait for each other's rows.
    ids.sort_unstable();
    ids.dedup();
    let mut new = HashSet::with_capacity(ids.len());
    for ids in ids.chunks(ROWS) {
        let values: Vec<Value> = ids
            .iter()
            .flat_map(|id| [consumer.into(), (*id).into(), now_ms.into()])
            .collect();
        let insert = format!(
            "INSERT INTO inbox (consumer, message_id, heard_ms) VALUES {} \
             ON CONFLICT DO NOTHING RETURNING message_id",
            sql::rows(ids.len(), 3)
        );
        for row in tx.query_all_raw(sql::statement(tx, insert, values)).await? {
            new.insert(row.try_get::<String>("", "message_id")?);
        }
    }
    Ok(batch
        .iter()
        .filter(|message| new.remove(&message.id))
        .cloned()
        .collect())
}

/// Forgets some of what `consumer` heard before `before_ms`; [`Progress::More`] if there is more.
pub(crate) async fn prune(
    database: &Database,
    consumer: &str,
    before_ms: i64,
) -> Result<Progress, DbErr> {
    let tx = database.begin().await?;
    let delete = "DELETE FROM inbox WHERE consumer = $1 AND message_id IN (\
                  SELECT message_id FROM inbox WHERE consumer = $1 AND heard_ms < $2 \
                  ORDER BY heard_ms LIMIT $3)";
    let values = vec![consumer.into(), before_ms.into(), PRUNED_AT_ONCE.into()];
    let deleted = tx
        .execute_raw(sql::statement(&*tx, delete, values))
        .await?
        .rows_affected();
    tx.commit().await?;
    Ok(sql::progress(deleted, PRUNED_AT_ONCE))
}
