//! What lies in which day's partition, and when that goes; on `PostgreSQL` alone.

use std::collections::BTreeMap;

use contracts::id::RunId;
use contracts::message::{ActivityEntry, RunState};
use runtime::{Database, Progress, Readiness};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::*;
use crate::cursor::Cursor;
use crate::page::Page;
use crate::store::{Ask, Key, Log, News};
use crate::testing::{PIPELINE, World, batch};
use crate::{Config, Migrator, Stores};

/// The first moment of a day so far ahead that the world's own pruning leaves it alone.
const DAY: i64 = 40_000 * DAY_MS;
const HOUR: i64 = 3600 * 1000;

/// The worlds on `PostgreSQL`, with the store of an audit log that keeps activity for a day.
async fn stores() -> Vec<(World, Store)> {
    let config = Config {
        retention_days: 1,
        ..Config::default()
    };
    let mut stores = Vec::new();
    for world in World::each().await {
        if world.database.backend() == DatabaseBackend::Postgres {
            let store = world.store(config.retention());
            stores.push((world, store));
        }
    }
    stores
}

async fn make_days(store: &Store, now_ms: i64) {
    for table in TABLES {
        store.make_days(&table, now_ms).await.unwrap();
    }
}

/// A line and the entries `first` to `last` of a run are heard at `now_ms`.
async fn hear(store: &Store, run: &RunId, (first, last): (u64, u64), now_ms: i64) {
    let tx = store.database.begin().await.unwrap();
    let key = Key {
        run_id: run.to_string(),
        attempt: 1,
    };
    let entries: Vec<ActivityEntry> = batch(1, first, last).entries;
    let pipeline_id = PIPELINE.to_owned();
    let log = Log {
        pipeline_id: pipeline_id.clone(),
        entries,
    };
    let logs = BTreeMap::from([(key, log)]);
    store.keep_output(&tx, logs, now_ms).await.unwrap();
    let line = crate::line::of_run(&crate::testing::changed(
        RunState::Queued,
        RunState::Succeeded,
        1,
        last,
    ));
    let news = News {
        run_id: run.to_string(),
        pipeline_id,
        line,
        run: Some((1, RunState::Succeeded)),
        attempt: Some((1, Some(last))),
        at_ms: now_ms,
    };
    store.keep_news(&tx, vec![news], now_ms).await.unwrap();
    tx.commit().await.unwrap();
}

/// How many chunks lie in each partition.
async fn chunks(database: &Database) -> BTreeMap<String, i64> {
    counted(
        database,
        "SELECT tableoid::regclass::text AS part, count(*) AS n FROM chunk GROUP BY 1",
    )
    .await
}

async fn counted(database: &Database, sql: &str) -> BTreeMap<String, i64> {
    let all = Statement::from_string(DatabaseBackend::Postgres, sql);
    let rows = database.reader().query_all_raw(all).await.unwrap();
    let row = |row: &sea_orm::QueryResult| {
        (
            row.try_get("", "part").unwrap(),
            row.try_get("", "n").unwrap(),
        )
    };
    rows.iter().map(row).collect()
}

fn parts<const N: usize>(parts: [(&str, i64); N]) -> BTreeMap<String, i64> {
    parts.map(|(part, count)| (part.to_owned(), count)).into()
}

async fn prune(store: &Store, now_ms: i64) {
    while store.prune(now_ms).await.unwrap() == Progress::More {}
}

async fn page(store: &Store, run: &RunId, now_ms: i64) -> Page {
    let ask = Ask {
        run_id: run.clone(),
        after: Cursor::default(),
        limit: 1000,
        step_id: String::new(),
        life_only: false,
    };
    store.page(&ask, now_ms).await.unwrap()
}

fn numbers(page: &Page) -> Vec<u64> {
    let output = page.shown.iter().filter(|it| it.attempt > 0);
    output.map(|it| it.entry.seq).collect()
}

#[tokio::test]
async fn a_day_goes_as_a_whole_when_all_of_it_is_too_old() {
    for (world, store) in stores().await {
        make_days(&store, DAY).await;
        let (old, new) = (RunId::made_at(DAY), RunId::made_at(DAY + DAY_MS + HOUR));
        hear(&store, &old, (1, 3), DAY + HOUR).await;
        hear(&store, &new, (1, 3), DAY + DAY_MS + HOUR).await;
        let both = parts([("chunk_day_40000", 1), ("chunk_day_40001", 1)]);
        assert_eq!(chunks(&world.database).await, both);

        prune(&store, DAY + 2 * DAY_MS - 1).await;
        assert_eq!(chunks(&world.database).await, both, "the day is not over");
        let now_ms = DAY + 2 * DAY_MS + 1;
        prune(&store, now_ms).await;
        let left = parts([("chunk_day_40001", 1)]);
        assert_eq!(chunks(&world.database).await, left);
        let days: Vec<i64> = days(world.database.reader(), &TABLES[1]).await.unwrap();
        assert!(
            !days.contains(&40_000),
            "its lines have gone, too: {days:?}"
        );
        assert!(days.contains(&40_004), "days are made ahead: {days:?}");
        assert_eq!(numbers(&page(&store, &new, now_ms).await), [1, 2, 3]);
        let gone = page(&store, &old, now_ms).await;
        assert_eq!((gone.shown.len(), gone.complete), (1, true));
        assert_eq!(gone.shown[0].kind, "log.removed");
    }
}

#[tokio::test]
async fn a_repeat_after_midnight_is_dropped() {
    for (world, store) in stores().await {
        make_days(&store, DAY).await;
        let midnight = DAY + DAY_MS;
        let run = RunId::made_at(midnight - 5000);
        hear(&store, &run, (1, 10), midnight - 1).await;
        hear(&store, &run, (1, 10), midnight).await;
        hear(&store, &run, (5, 15), midnight + 1).await;
        hear(&store, &run, (12, 20), midnight + HOUR).await;
        let all = page(&store, &run, midnight + HOUR).await;
        assert_eq!(numbers(&all), (1..=20).collect::<Vec<u64>>());
        let one_day = parts([("chunk_day_40000", 3)]);
        assert_eq!(chunks(&world.database).await, one_day);
    }
}

#[tokio::test]
async fn a_day_waits_for_a_run_that_went_on_and_loses_the_others_meanwhile() {
    for (world, store) in stores().await {
        make_days(&store, DAY).await;
        let (long, short) = (RunId::made_at(DAY), RunId::made_at(DAY + HOUR));
        hear(&store, &short, (1, 3), DAY + HOUR).await;
        hear(&store, &long, (1, 3), DAY + HOUR).await;
        let later = DAY + 3 * DAY_MS;
        hear(&store, &long, (4, 6), later).await;
        prune(&store, later + HOUR).await;
        let young = parts([("chunk_day_40000", 1)]);
        assert_eq!(chunks(&world.database).await, young);
        let shown = numbers(&page(&store, &long, later + HOUR).await);
        assert!(shown.ends_with(&[4, 5, 6]), "{shown:?}");
        prune(&store, later + 2 * DAY_MS).await;
        assert_eq!(chunks(&world.database).await, parts([]));
        assert!(!has_table(&world.database, "chunk_day_40000").await);
    }
}

async fn has_table(database: &Database, table: &str) -> bool {
    let sql = format!("SELECT to_regclass('{table}')::text AS found");
    let asked = Statement::from_string(DatabaseBackend::Postgres, sql);
    let row = database.reader().query_one_raw(asked).await.unwrap();
    let found: Option<String> = row.unwrap().try_get("", "found").unwrap();
    found.is_some()
}

#[tokio::test]
async fn what_has_no_day_is_kept_and_pruned_all_the_same() {
    for (world, store) in stores().await {
        let run = RunId::made_at(DAY);
        hear(&store, &run, (1, 3), DAY).await;
        make_days(&store, DAY).await;
        hear(&store, &run, (2, 6), DAY + HOUR).await;
        assert_eq!(
            chunks(&world.database).await,
            parts([("chunk_rest", 2)]),
            "a day is not made over runs that lie elsewhere"
        );
        assert!(has_table(&world.database, "chunk_day_40001").await);
        let all = page(&store, &run, DAY + HOUR).await;
        assert_eq!(numbers(&all), [1, 2, 3, 4, 5, 6]);
        prune(&store, DAY + DAY_MS + 2 * HOUR).await;
        assert_eq!(chunks(&world.database).await, parts([]));
        make_days(&store, DAY).await;
        assert!(has_table(&world.database, "chunk_day_40000").await);
    }
}

#[tokio::test]
async fn a_page_looks_at_the_partition_of_its_run_alone() {
    for (world, store) in stores().await {
        for day in 0..20 {
            make_days(&store, DAY + day * DAY_MS).await;
        }
        let sql = "EXPLAIN SELECT bytes FROM chunk WHERE run_id = $1 AND attempt = $2";
        let run = RunId::made_at(DAY + 7 * DAY_MS);
        let values = [run.as_str().into(), 1_i64.into()];
        let reader = world.database.reader();
        let plan = reader.query_all_raw(statement(reader, sql, values)).await;
        let plan: Vec<String> = plan
            .unwrap()
            .iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect();
        let plan = plan.join("\n");
        assert!(plan.contains("chunk_day_40007"), "{plan}");
        assert_eq!(plan.matches(" on chunk_").count(), 1, "{plan}");
    }
}

#[tokio::test]
async fn several_instances_make_and_drop_days_at_once() {
    for (world, store) in stores().await {
        let now_ms = DAY + 10 * DAY_MS;
        let all = (0..6).map(|day| {
            let store = store.clone();
            async move {
                make_days(&store, DAY + (day % 2) * DAY_MS).await;
                store.prune(now_ms).await.unwrap();
            }
        });
        futures::future::join_all(all).await;
        assert!(!has_table(&world.database, "life_day_40001").await);
    }
}

struct First;

#[async_trait::async_trait]
impl MigratorTrait for First {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Migrator::migrations().into_iter().take(2).collect()
    }
}

fn kept_in(database: Database) -> Store {
    let retention = Config::default().retention();
    Store::new(Stores::of(database), retention, retention)
}

#[tokio::test]
async fn what_was_stored_before_there_were_days_stays() {
    let Some(url) = outbox::testing::postgres("audit_log").await else {
        return;
    };
    let ready = Readiness::new();
    let run = RunId::made_at(DAY);
    let open = Database::open::<First>(&url, "audit-log", &ready);
    let store = kept_in(open.await.unwrap());
    hear(&store, &run, (1, 9), DAY).await;
    let open = Database::open::<Migrator>(&url, "audit-log", &ready);
    let store = kept_in(open.await.unwrap());
    hear(&store, &run, (5, 12), DAY + 1).await;
    let all = page(&store, &run, DAY + HOUR).await;
    assert_eq!(numbers(&all), (1..=12).collect::<Vec<u64>>());
}
