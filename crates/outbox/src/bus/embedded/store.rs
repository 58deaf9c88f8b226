//! The file of the embedded bus: what was published, and how far each group has read.

use std::collections::HashMap;

use contracts::message::Topic;
use runtime::Database;
use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, QueryResult, Statement, Value};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::PerTopic;
use super::group::Position;
use crate::bus::{self, Heard, Post};
use crate::sql;

/// Rows an `INSERT`.
const ROWS: usize = 200;
/// What a row costs beside its payload, about, in bytes.
const ROW_BYTES: u64 = 256;

pub(super) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(First)]
    }
}

struct First;

impl MigrationName for First {
    fn name(&self) -> &'static str {
        "m0001_log"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for First {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in [
            // AUTOINCREMENT: an id must not come again after its row was dropped.
            "CREATE TABLE log (id integer PRIMARY KEY AUTOINCREMENT, topic text NOT NULL, \
             message_id text NOT NULL, message_key text NOT NULL, kind text NOT NULL, \
             time_ms integer NOT NULL, traceparent text, headers text, stored_ms integer NOT NULL, \
             bytes integer NOT NULL, payload blob NOT NULL)",
            "CREATE INDEX log_topic ON log (topic, id, bytes, stored_ms)",
            "CREATE TABLE position (reader text NOT NULL, topic text NOT NULL, \
             last integer NOT NULL, seen_ms integer NOT NULL, PRIMARY KEY (reader, topic)) \
             WITHOUT ROWID",
        ] {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }
}

/// What a post counts for in the size of its topic.
pub(super) fn size(post: &Post) -> u64 {
    ROW_BYTES + u64::try_from(post.payload.len()).unwrap_or(u64::MAX)
}

/// The newest id and the bytes of each topic.
pub(super) async fn extent(
    database: &Database,
) -> Result<(PerTopic, [u64; Topic::ALL.len()]), DbErr> {
    let sql = "SELECT topic, max(id) AS head, sum(bytes) AS bytes FROM log GROUP BY topic";
    let (mut heads, mut bytes) = (PerTopic::default(), <[u64; Topic::ALL.len()]>::default());
    let db = database.reader();
    for row in db
        .query_all_raw(sql::statement(db, sql, Vec::new()))
        .await?
    {
        if let Some(topic) = Topic::of_name(&row.try_get::<String>("", "topic")?) {
            heads[topic as usize] = row.try_get("", "head")?;
            bytes[topic as usize] = row.try_get::<i64>("", "bytes")?.try_into().unwrap_or(0);
        }
    }
    Ok((heads, bytes))
}

/// How far each group has read.
pub(super) async fn groups(
    database: &Database,
) -> Result<HashMap<String, Vec<(Topic, Position)>>, DbErr> {
    let db = database.reader();
    let sql = "SELECT reader, topic, last, seen_ms FROM position";
    let mut groups: HashMap<String, Vec<_>> = HashMap::new();
    for row in db
        .query_all_raw(sql::statement(db, sql, Vec::new()))
        .await?
    {
        let Some(topic) = Topic::of_name(&row.try_get::<String>("", "topic")?) else {
            continue;
        };
        let position = Position {
            last: row.try_get("", "last")?,
            seen_ms: row.try_get("", "seen_ms")?,
        };
        groups
            .entry(row.try_get("", "reader")?)
            .or_default()
            .push((topic, position));
    }
    Ok(groups)
}

/// Writes down how far groups have read.
pub(super) async fn save(
    database: &Database,
    positions: &[(String, Topic, Position)],
) -> Result<(), DbErr> {
    let tx = database.begin().await?;
    for positions in positions.chunks(ROWS) {
        let values: Vec<Value> = positions
            .iter()
            .flat_map(|(group, topic, it)| {
                [
                    group.into(),
                    topic.name().into(),
                    it.last.into(),
                    it.seen_ms.into(),
                ]
            })
            .collect();
        let upsert = format!(
            "INSERT INTO position (reader, topic, last, seen_ms) VALUES {} ON CONFLICT \
             (reader, topic) DO UPDATE SET last = excluded.last, seen_ms = excluded.seen_ms",
            sql::rows(positions.len(), 4)
        );
        tx.execute_raw(sql::statement(&*tx, upsert, values)).await?;
    }
    tx.commit().await
}

/// Appends `posts` and answers the newest id of each topic that has some.
pub(super) async fn append(
    tx: &DatabaseTransaction,
    posts: &[Post],
    now_ms: i64,
) -> Result<PerTopic, DbErr> {
    let mut heads = PerTopic::default();
    for posts in posts.chunks(ROWS) {
        let values = posts.iter().flat_map(|post| row(post, now_ms)).collect();
        let insert = format!(
            "INSERT INTO log (topic, message_id, message_key, kind, time_ms, traceparent, \
             headers, stored_ms, bytes, payload) VALUES {}",
            sql::rows(posts.len(), 10)
        );
        let done = tx.execute_raw(sql::statement(tx, insert, values)).await?;
        let last = i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX);
        // One statement of the one writer: its ids are consecutive.
        for (id, post) in (0..=last).rev().zip(posts.iter().rev()) {
            let head = &mut heads[post.topic as usize];
            *head = (*head).max(id);
        }
    }
    Ok(heads)
}

fn row(post: &Post, now_ms: i64) -> [Value; 10] {
    let headers = (!post.headers.is_empty())
        .then(|| serde_json::to_string(&post.headers).unwrap_or_default());
    [
        post.topic.name().into(),
        post.id.clone().into(),
        post.key.clone().into(),
        post.kind.clone().into(),
        post.time_ms.into(),
        post.traceparent.clone().into(),
        headers.into(),
        now_ms.into(),
        i64::try_from(size(post)).unwrap_or(i64::MAX).into(),
        post.payload.to_vec().into(),
    ]
}

/// The oldest messages of `topic` after the id `last`, at most `most`.
pub(super) async fn after(
    database: &Database,
    topic: Topic,
    last: i64,
    most: usize,
) -> Result<Vec<Heard>, DbErr> {
    let sql = "SELECT id, message_id, message_key, kind, time_ms, traceparent, headers, payload \
               FROM log WHERE topic = $1 AND id > $2 ORDER BY id LIMIT $3";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let db = database.reader();
    let values = vec![topic.name().into(), last.into(), most.into()];
    let rows = db.query_all_raw(sql::statement(db, sql, values)).await?;
    rows.iter().map(|row| heard(topic, row)).collect()
}

fn heard(topic: Topic, row: &QueryResult) -> Result<Heard, DbErr> {
    let headers: Option<String> = row.try_get_by_index(6)?;
    Ok(Heard {
        topic,
        position: bus::Position {
            partition: 0,
            offset: row.try_get_by_index(0)?,
        },
        id: row.try_get_by_index(1)?,
        key: row.try_get_by_index(2)?,
        kind: row.try_get_by_index(3)?,
        time_ms: row.try_get_by_index(4)?,
        traceparent: row.try_get_by_index(5)?,
        headers: headers
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        payload: row.try_get_by_index::<Vec<u8>>(7)?.into(),
    })
}

/// A kept message, as far as retention looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) id: i64,
    pub(super) bytes: u64,
    pub(super) stored_ms: i64,
}

/// The oldest messages of `topic`, at most `most`.
pub(super) async fn oldest(
    database: &Database,
    topic: Topic,
    most: u32,
) -> Result<Vec<Kept>, DbErr> {
    let sql = "SELECT id, bytes, stored_ms FROM log WHERE topic = $1 ORDER BY id LIMIT $2";
    let db = database.reader();
    let values = vec![topic.name().into(), most.into()];
    let rows = db.query_all_raw(sql::statement(db, sql, values)).await?;
    rows.iter()
        .map(|row| {
            Ok(Kept {
                id: row.try_get_by_index(0)?,
                bytes: row.try_get_by_index::<i64>(1)?.try_into().unwrap_or(0),
                stored_ms: row.try_get_by_index(2)?,
            })
        })
        .collect()
}

/// Drops the messages of `topic` up to the id `last`.
pub(super) async fn drop_until(database: &Database, topic: Topic, last: i64) -> Result<(), DbErr> {
    let tx = database.begin().await?;
    let delete: Statement = sql::statement(
        &*tx,
        "DELETE FROM log WHERE topic = $1 AND id <= $2",
        vec![topic.name().into(), last.into()],
    );
    tx.execute_raw(delete).await?;
    tx.commit().await
}
