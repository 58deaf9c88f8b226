//! Publishes what was announced, and deletes it.
//!
//! **Invariants:** what was announced is published in the order of its ids, by one relay a database
//! at a time; a row goes only after its message is durable on the bus. There is no cursor: ids are
//! taken before commits, and a cursor would skip rows. A row is known by its id and its message:
//! `SQLite` gives the id of a deleted row to another one.

use std::time::Duration;

use contracts::message::Topic;
use runtime::clock::{self, millis};
use runtime::database::Tx;
use runtime::{Bell, Database, Progress, Tasks};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, QueryResult, Value};

use crate::bus::{self, Bus, Post, Refused};
use crate::sql;

#[cfg(test)]
mod tests;

/// Messages published at once.
const BATCH: i64 = 500;
/// How often it is looked without a ring.
const PERIOD: Duration = Duration::from_millis(500);
/// The first pause of a relay that finds another one at work.
const TURN_PAUSE: Duration = Duration::from_millis(5);
/// How long a refused message is kept for operators.
const REFUSED_KEPT: Duration = Duration::from_hours(90 * 24);
/// How often old refused messages are deleted.
const PRUNE_PERIOD: Duration = Duration::from_hours(1);
/// Refused messages deleted a transaction.
const PRUNED_AT_ONCE: u32 = 500;

/// Why a round of the relay failed. Nothing is lost; the next round does it again.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the store of the outbox failed: {0}")]
    Store(#[from] DbErr),
    #[error(transparent)]
    Bus(#[from] bus::Error),
}

/// Publishes what is announced in `database` to `bus`, as long as the process lives.
///
/// Ring `bell` right after the commit of an announcement. `service` names the metrics.
pub fn relay(database: &Database, bus: &Bus, bell: &Bell, tasks: &Tasks, service: &'static str) {
    let relay = Relay {
        database: database.clone(),
        bus: bus.clone(),
        service,
    };
    let pruned = relay.clone();
    tasks.answer("outbox-relay", bell, PERIOD, move || {
        let relay = relay.clone();
        async move { relay.round().await }
    });
    tasks.answer("outbox-refused", &Bell::new(), PRUNE_PERIOD, move || {
        let relay = pruned.clone();
        async move { relay.prune_refused().await }
    });
}

#[derive(Debug, Clone)]
struct Relay {
    database: Database,
    bus: Bus,
    service: &'static str,
}

impl Relay {
    /// Publishes the oldest announcements.
    ///
    /// On `PostgreSQL` other processes may have a relay too: the one that holds the row of `relay`
    /// has the turn. On `SQLite` there is no other, and the writer is left alone meanwhile.
    async fn round(&self) -> Result<Progress, Failed> {
        if self.database.backend() != DatabaseBackend::Postgres {
            let batch = self.batch(self.database.reader()).await?;
            if batch.is_empty() {
                return Ok(Progress::Idle);
            }
            let sent = self.publish(&batch).await?;
            self.settle(self.database.begin().await?, &batch, sent)
                .await?;
            return Ok(after(&batch));
        }
        if self.is_empty().await? {
            self.report_oldest(&[]);
            return Ok(Progress::Idle);
        }
        let tx = self.turn().await?;
        let batch = self.batch(&*tx).await?;
        if !batch.is_empty() {
            let sent = self.publish(&batch).await?;
            self.settle(tx, &batch, sent).await?;
        }
        Ok(after(&batch))
    }

    /// A look without a lock, which would write.
    async fn is_empty(&self) -> Result<bool, DbErr> {
        let db = self.database.reader();
        let any = sql::statement(db, "SELECT 1 FROM outbox LIMIT 1", Vec::new());
        Ok(db.query_one_raw(any).await?.is_none())
    }

    /// Waits until no other relay is at work.
    async fn turn(&self) -> Result<Tx, DbErr> {
        let mut pause = TURN_PAUSE;
        loop {
            let tx = self.database.begin().await?;
            let take = "SELECT id FROM relay FOR UPDATE SKIP LOCKED";
            if tx
                .query_one_raw(sql::statement(&*tx, take, Vec::new()))
                .await?
                .is_some()
            {
                return Ok(tx);
            }
            drop(tx);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PERIOD);
        }
    }

    async fn batch(&self, db: &impl ConnectionTrait) -> Result<Vec<Row>, DbErr> {
        let select = "SELECT id, message_id, topic, message_key, kind, time_ms, traceparent, \
                      payload FROM outbox ORDER BY id LIMIT $1";
        let rows = db
            .query_all_raw(sql::statement(db, select, vec![BATCH.into()]))
            .await?;
        let batch: Vec<Row> = rows.iter().map(Row::of).collect::<Result<_, _>>()?;
        self.report_oldest(&batch);
        Ok(batch)
    }

    #[allow(clippy::cast_precision_loss, reason = "an age in milliseconds")]
    fn report_oldest(&self, batch: &[Row]) {
        let oldest_ms = batch
            .first()
            .map_or(0, |row| (clock::now_ms() - row.time_ms).max(0));
        metrics::gauge!("penstock_outbox_oldest_seconds", "service" => self.service)
            .set(oldest_ms as f64 / 1000.0);
    }

    async fn publish(&self, batch: &[Row]) -> Result<Vec<Result<(), Refused>>, bus::Error> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut posts = Vec::with_capacity(batch.len());
        for row in batch {
            let post = row.post();
            outcomes.push(post.as_ref().map(drop).map_err(Clone::clone));
            posts.extend(post);
        }
        let mut sent = self.bus.publish(posts).await?.into_iter();
        for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_ok()) {
            *outcome = sent.next().unwrap_or(Ok(()));
        }
        Ok(outcomes)
    }

    /// Deletes what was published and sets aside what the bus will never take.
    async fn settle(
        &self,
        tx: Tx,
        batch: &[Row],
        sent: Vec<Result<(), Refused>>,
    ) -> Result<(), DbErr> {
        runtime::fault_point::pass("outbox.published");
        for (row, outcome) in batch.iter().zip(sent) {
            if let Err(refused) = outcome {
                self.set_aside(&tx, row, &refused).await?;
            }
        }
        let mut delete = "DELETE FROM outbox WHERE id IN (".to_owned();
        sql::list(&mut delete, 1, batch.len());
        delete.push_str(") AND message_id IN (");
        sql::list(&mut delete, 1 + batch.len(), batch.len());
        delete.push(')');
        let ids = batch.iter().map(|row| row.id.into());
        let messages = batch.iter().map(|row| row.message_id.as_str().into());
        let values = ids.chain(messages).collect();
        tx.execute_raw(sql::statement(&*tx, delete, values)).await?;
        tx.commit().await
    }

    async fn set_aside(&self, tx: &Tx, row: &Row, refused: &Refused) -> Result<(), DbErr> {
        metrics::counter!("penstock_outbox_refused_total", "service" => self.service).increment(1);
        tracing::error!(
            message.id = row.message_id,
            "the bus refused a {}: {refused}",
            row.kind
        );
        let copy = "INSERT INTO outbox_refused (message_id, topic, message_key, kind, time_ms, \
                    traceparent, payload, error, refused_ms) SELECT message_id, topic, \
                    message_key, kind, time_ms, traceparent, payload, $1, $2 FROM outbox \
                    WHERE id = $3 AND message_id = $4";
        let values: Vec<Value> = vec![
            refused.0.as_str().into(),
            clock::now_ms().into(),
            row.id.into(),
            row.message_id.as_str().into(),
        ];
        tx.execute_raw(sql::statement(&**tx, copy, values))
            .await
            .map(drop)
    }

    async fn prune_refused(&self) -> Result<Progress, DbErr> {
        let tx = self.database.begin().await?;
        let delete = "DELETE FROM outbox_refused WHERE id IN (SELECT id FROM outbox_refused \
                      WHERE refused_ms < $1 ORDER BY id LIMIT $2)";
        let before_ms = clock::now_ms() - millis(REFUSED_KEPT);
        let values = vec![before_ms.into(), PRUNED_AT_ONCE.into()];
        let deleted = tx
            .execute_raw(sql::statement(&*tx, delete, values))
            .await?
            .rows_affected();
        tx.commit().await?;
        Ok(sql::progress(deleted, PRUNED_AT_ONCE))
    }
}

/// Who announced meanwhile has rung meanwhile.
fn after(batch: &[Row]) -> Progress {
    if i64::try_from(batch.len()) == Ok(BATCH) {
        Progress::More
    } else {
        Progress::Idle
    }
}

/// A row of `outbox`.
struct Row {
    id: i64,
    message_id: String,
    topic: String,
    key: String,
    kind: String,
    time_ms: i64,
    traceparent: Option<String>,
    payload: String,
}

impl Row {
    fn of(row: &QueryResult) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get_by_index(0)?,
            message_id: row.try_get_by_index(1)?,
            topic: row.try_get_by_index(2)?,
            key: row.try_get_by_index(3)?,
            kind: row.try_get_by_index(4)?,
            time_ms: row.try_get_by_index(5)?,
            traceparent: row.try_get_by_index(6)?,
            payload: row.try_get_by_index(7)?,
        })
    }

    fn post(&self) -> Result<Post, Refused> {
        let topic = Topic::of_name(&self.topic)
            .ok_or_else(|| Refused(format!("this version has no topic {}", self.topic)))?;
        Ok(Post {
            topic,
            key: self.key.clone(),
            id: self.message_id.clone(),
            kind: self.kind.clone(),
            time_ms: self.time_ms,
            traceparent: self.traceparent.clone(),
            payload: self.payload.clone().into(),
            headers: Vec::new(),
        })
    }
}
