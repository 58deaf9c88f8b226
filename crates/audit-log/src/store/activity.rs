//! Storing output, each entry once.

use std::collections::BTreeMap;

use contracts::message::ActivityEntry;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue, ConnectionTrait as _, DatabaseTransaction, DbErr,
    EntityTrait as _, FromQueryResult as _, IntoActiveModel as _, Value,
};

use super::{ROWS, Store, placeholders, signed, statement, unsigned};
use crate::Error;
use crate::chunk::{self, Packed, Range};
use crate::entity::{attempt, chunk as row};

/// An attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
}

/// Output of an attempt, in its order, each number once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Log {
    pub(crate) pipeline_id: String,
    pub(crate) entries: Vec<ActivityEntry>,
}

impl Store {
    /// What is new of this output is stored. Answers the number of new entries.
    pub(crate) async fn keep_output(
        &self,
        tx: &DatabaseTransaction,
        logs: BTreeMap<Key, Log>,
        now_ms: i64,
    ) -> Result<usize, Error> {
        let logs: BTreeMap<Key, Log> = logs
            .into_iter()
            .filter(|(_, log)| !log.entries.is_empty())
            .collect();
        let keys = logs
            .iter()
            .map(|(key, log)| (key.clone(), log.pipeline_id.clone()));
        let mut rows = locked_attempts(tx, keys.collect(), now_ms).await?;
        let mut fresh = Vec::with_capacity(logs.len());
        for (key, log) in logs {
            let Some(row) = rows.get_mut(&key) else {
                continue;
            };
            let Log {
                pipeline_id,
                entries,
            } = log;
            let entries = unheard(tx, &key, entries, unsigned(row.last_seq)).await?;
            let last = entries.last().map_or(0, |entry| signed(entry.seq));
            row.last_seq = row.last_seq.max(last);
            fresh.push((
                key,
                Log {
                    pipeline_id,
                    entries,
                },
            ));
        }
        let count = fresh.iter().map(|(_, log)| log.entries.len()).sum();
        insert(tx, packed(fresh, now_ms).await?).await?;
        save_attempts(tx, rows.into_values()).await?;
        Ok(count)
    }
}

/// The rows of these attempts, made if need be and locked until the end of the transaction.
pub(super) async fn locked_attempts(
    tx: &DatabaseTransaction,
    keys: BTreeMap<Key, String>,
    now_ms: i64,
) -> Result<BTreeMap<Key, attempt::Model>, Error> {
    let keys: Vec<(Key, String)> = keys.into_iter().collect();
    let mut locked = BTreeMap::new();
    for keys in keys.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO attempt (run_id, attempt, pipeline_id, last_seq, first_heard_ms, touched_ms) \
             VALUES {} ON CONFLICT (run_id, attempt) DO UPDATE SET touched_ms = excluded.touched_ms \
             RETURNING *",
            placeholders(keys.len(), 6)
        );
        let values = keys.iter().flat_map(|(key, pipeline_id)| -> [Value; 6] {
            [
                key.run_id.as_str().into(),
                i64::from(key.attempt).into(),
                pipeline_id.as_str().into(),
                0_i64.into(),
                now_ms.into(),
                now_ms.into(),
            ]
        });
        for row in tx.query_all_raw(statement(tx, sql, values)).await? {
            let row = attempt::Model::from_query_result(&row, "")?;
            let key = Key {
                run_id: row.run_id.clone(),
                attempt: super::ordinal(row.attempt),
            };
            locked.insert(key, row);
        }
    }
    Ok(locked)
}

/// Writes rows that are locked.
pub(super) async fn save_attempts(
    tx: &DatabaseTransaction,
    rows: impl Iterator<Item = attempt::Model>,
) -> Result<(), DbErr> {
    use attempt::Column as C;
    let mut rows: Vec<_> = rows
        .map(|row| row.into_active_model().reset_all())
        .collect();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        let update = OnConflict::columns([C::RunId, C::Attempt])
            .update_columns([C::LastSeq, C::EndSeq, C::EndedHeardMs])
            .to_owned();
        let insert = attempt::Entity::insert_many(rows).on_conflict(update);
        insert.exec_without_returning(tx).await?;
        rows = rest;
    }
    Ok(())
}

/// The entries that are not stored. What is after the last stored one is not looked up.
async fn unheard(
    tx: &DatabaseTransaction,
    key: &Key,
    entries: Vec<ActivityEntry>,
    last_seq: u64,
) -> Result<Vec<ActivityEntry>, Error> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Ok(entries);
    };
    if first.seq > last_seq {
        return Ok(entries);
    }
    // Chunks don't overlap, so only one that begins before the first entry can reach into it.
    let sql = "SELECT first_seq, last_seq FROM chunk WHERE run_id = $1 AND attempt = $2 \
               AND first_seq <= $4 AND first_seq >= COALESCE((SELECT first_seq FROM chunk \
               WHERE run_id = $1 AND attempt = $2 AND first_seq <= $3 \
               ORDER BY first_seq DESC LIMIT 1), 0) ORDER BY first_seq";
    let values = [
        key.run_id.as_str().into(),
        i64::from(key.attempt).into(),
        signed(first.seq).into(),
        signed(last.seq).into(),
    ];
    let rows = tx.query_all_raw(statement(tx, sql, values)).await?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in rows {
        let (first, last): (i64, i64) =
            (row.try_get("", "first_seq")?, row.try_get("", "last_seq")?);
        stored.push(Range {
            first: unsigned(first),
            last: unsigned(last),
        });
    }
    Ok(chunk::fresh(entries, &stored))
}

/// Packs on a thread for such work.
async fn packed(logs: Vec<(Key, Log)>, now_ms: i64) -> Result<Vec<row::ActiveModel>, Error> {
    let pack = move || {
        let mut rows = Vec::new();
        for (key, log) in logs {
            let chunks = chunk::pack(log.entries)?;
            rows.extend(
                chunks
                    .into_iter()
                    .map(|it| model(&key, &log.pipeline_id, it, now_ms)),
            );
        }
        Ok(rows)
    };
    match tokio::task::spawn_blocking(pack).await {
        Ok(rows) => rows,
        Err(panic) => Err(Error::Row(panic.to_string())),
    }
}

fn model(key: &Key, pipeline_id: &str, packed: Packed, now_ms: i64) -> row::ActiveModel {
    let entries = i64::try_from(packed.entries).unwrap_or(i64::MAX);
    row::ActiveModel {
        run_id: ActiveValue::Set(key.run_id.clone()),
        attempt: ActiveValue::Set(i64::from(key.attempt)),
        first_seq: ActiveValue::Set(signed(packed.range.first)),
        last_seq: ActiveValue::Set(signed(packed.range.last)),
        entries: ActiveValue::Set(entries),
        first_time_ms: ActiveValue::Set(packed.first_time_ms),
        last_time_ms: ActiveValue::Set(packed.last_time_ms),
        stored_ms: ActiveValue::Set(now_ms),
        step_id: ActiveValue::Set(packed.step_id),
        pipeline_id: ActiveValue::Set(pipeline_id.to_owned()),
        bytes: ActiveValue::Set(packed.bytes),
    }
}

async fn insert(tx: &DatabaseTransaction, mut rows: Vec<row::ActiveModel>) -> Result<(), DbErr> {
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        row::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
        rows = rest;
    }
    Ok(())
}
