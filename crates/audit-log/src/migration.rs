//! The tables of the audit log, oldest migration first. A released one is never edited.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Migrates the audit log's database.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(outbox::Tables), Box::new(Activity), Box::new(Days)]
    }
}

/// Chunks of output, life-cycle lines, and what is known of runs and attempts.
struct Activity;

impl MigrationName for Activity {
    fn name(&self) -> &'static str {
        "m0001_activity"
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE chunk (
        run_id VARCHAR(24) NOT NULL,
        attempt BIGINT NOT NULL,
        first_seq BIGINT NOT NULL,
        last_seq BIGINT NOT NULL,
        entries BIGINT NOT NULL,
        first_time_ms BIGINT NOT NULL,
        last_time_ms BIGINT NOT NULL,
        stored_ms BIGINT NOT NULL,
        step_id TEXT,
        pipeline_id VARCHAR(24) NOT NULL,
        bytes {bytes} NOT NULL,
        PRIMARY KEY (run_id, attempt, first_seq))",
    "CREATE INDEX chunk_of_pipeline ON chunk (pipeline_id, last_time_ms)",
    "CREATE INDEX chunk_of_run ON chunk (run_id, last_time_ms)",
    "CREATE INDEX chunk_by_age ON chunk (stored_ms)",
    "CREATE TABLE life (
        run_id VARCHAR(24) NOT NULL,
        seq BIGINT NOT NULL,
        pipeline_id VARCHAR(24) NOT NULL,
        time_ms BIGINT NOT NULL,
        heard_ms BIGINT NOT NULL,
        kind VARCHAR(32) NOT NULL,
        attempt BIGINT NOT NULL,
        step_id TEXT NOT NULL,
        tried BIGINT NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (run_id, seq))",
    "CREATE INDEX life_of_pipeline ON life (pipeline_id, time_ms)",
    "CREATE INDEX life_by_age ON life (heard_ms)",
    "CREATE TABLE run (
        run_id VARCHAR(24) NOT NULL PRIMARY KEY,
        pipeline_id VARCHAR(24) NOT NULL,
        run_count BIGINT NOT NULL,
        state INTEGER NOT NULL,
        ended_at_ms BIGINT,
        ended_heard_ms BIGINT,
        life_seq BIGINT NOT NULL,
        touched_ms BIGINT NOT NULL)",
    "CREATE INDEX run_by_age ON run (touched_ms)",
    "CREATE TABLE attempt (
        run_id VARCHAR(24) NOT NULL,
        attempt BIGINT NOT NULL,
        pipeline_id VARCHAR(24) NOT NULL,
        last_seq BIGINT NOT NULL,
        end_seq BIGINT,
        ended_heard_ms BIGINT,
        first_heard_ms BIGINT NOT NULL,
        touched_ms BIGINT NOT NULL,
        PRIMARY KEY (run_id, attempt))",
    "CREATE INDEX attempt_by_age ON attempt (touched_ms)",
];

#[async_trait::async_trait]
impl MigrationTrait for Activity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let bytes = if postgres { "BYTEA" } else { "BLOB" };
        for table in TABLES {
            db.execute_unprepared(&table.replace("{bytes}", bytes))
                .await?;
        }
        if postgres {
            // They are compressed already.
            db.execute_unprepared("ALTER TABLE chunk ALTER COLUMN bytes SET STORAGE EXTERNAL")
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["attempt", "run", "life", "chunk"] {
            db.execute_unprepared(&format!("DROP TABLE {table}"))
                .await?;
        }
        Ok(())
    }
}

/// On `PostgreSQL`, entries lie in a partition a day, and what was there before in one for the rest.
struct Days;

impl MigrationName for Days {
    fn name(&self) -> &'static str {
        "m0002_days"
    }
}

/// A table that gets partitions: its name, its key, and its other indexes.
type Partitioned = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const PARTITIONED: [Partitioned; 2] = [
    (
        "chunk",
        "run_id, attempt, first_seq",
        &[
            ("of_pipeline", "pipeline_id, last_time_ms"),
            ("of_run", "run_id, last_time_ms"),
            ("by_age", "stored_ms"),
        ],
    ),
    (
        "life",
        "run_id, seq",
        &[
            ("of_pipeline", "pipeline_id, time_ms"),
            ("by_age", "heard_ms"),
        ],
    ),
];

/// The statements that put partitions under a table. Rows stay where they are.
fn partitioned((table, key, indexes): &Partitioned) -> Vec<String> {
    let mut sql = vec![
        format!("ALTER TABLE {table} RENAME TO {table}_rest"),
        format!("ALTER INDEX {table}_pkey RENAME TO {table}_rest_pkey"),
        format!(
            "CREATE TABLE {table} (LIKE {table}_rest INCLUDING STORAGE) PARTITION BY RANGE (run_id)"
        ),
        format!("ALTER TABLE {table} ADD CONSTRAINT {table}_pkey PRIMARY KEY ({key})"),
    ];
    for (index, columns) in *indexes {
        sql.push(format!(
            "ALTER INDEX {table}_{index} RENAME TO {table}_rest_{index}"
        ));
        sql.push(format!(
            "CREATE INDEX {table}_{index} ON {table} ({columns})"
        ));
    }
    sql.push(format!(
        "ALTER TABLE {table} ATTACH PARTITION {table}_rest DEFAULT"
    ));
    sql
}

#[async_trait::async_trait]
impl MigrationTrait for Days {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        if db.get_database_backend() == DatabaseBackend::Postgres {
            for sql in PARTITIONED.iter().flat_map(partitioned) {
                db.execute_unprepared(&sql).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        // The tables are the same for who reads and writes them.
        Ok(())
    }
}
