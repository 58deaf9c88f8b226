//! The tables of the audit log, oldest migration first. A released one is never edited.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Migrates the audit log's database.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(outbox::Tables),
            Box::new(Activity),
            Box::new(Days),
            Box::new(Ledger),
        ]
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

/// User actions, token uses, and the chains that they are in.
struct Ledger;

impl MigrationName for Ledger {
    fn name(&self) -> &'static str {
        "m0003_ledger"
    }
}

const LEDGER: &[&str] = &[
    "CREATE TABLE user_action (
        account TEXT NOT NULL,
        position BIGINT NOT NULL,
        id VARCHAR(24) NOT NULL,
        user_id TEXT NOT NULL,
        user_name TEXT NOT NULL,
        user_email TEXT NOT NULL,
        token_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        action TEXT NOT NULL,
        target_id TEXT NOT NULL,
        target_name TEXT NOT NULL,
        before_json TEXT NOT NULL,
        after_json TEXT NOT NULL,
        at_ms BIGINT NOT NULL,
        use_id TEXT NOT NULL,
        PRIMARY KEY (account, position))",
    "CREATE UNIQUE INDEX user_action_by_id ON user_action (account, id)",
    "CREATE INDEX user_action_by_time ON user_action (account, at_ms, id)",
    "CREATE INDEX user_action_by_user ON user_action (account, user_id, at_ms, id)",
    "CREATE INDEX user_action_by_email ON user_action (account, user_email, at_ms, id)",
    "CREATE INDEX user_action_by_kind ON user_action (account, kind, at_ms, id)",
    "CREATE INDEX user_action_by_action ON user_action (account, action, at_ms, id)",
    "CREATE INDEX user_action_by_target ON user_action (account, target_id, at_ms, id)",
    "CREATE TABLE token_use (
        account TEXT NOT NULL,
        position BIGINT NOT NULL,
        number BIGINT NOT NULL,
        id VARCHAR(24) NOT NULL,
        token_id TEXT NOT NULL,
        user_id TEXT NOT NULL,
        scope TEXT NOT NULL,
        target TEXT NOT NULL,
        path TEXT NOT NULL,
        outcome TEXT NOT NULL,
        ip TEXT NOT NULL,
        user_agent TEXT NOT NULL,
        http_status BIGINT NOT NULL,
        at_ms BIGINT NOT NULL,
        PRIMARY KEY (account, position, number))",
    "CREATE UNIQUE INDEX token_use_by_id ON token_use (account, id)",
    "CREATE INDEX token_use_by_time ON token_use (account, at_ms, id)",
    "CREATE INDEX token_use_by_user ON token_use (account, user_id, at_ms, id)",
    "CREATE INDEX token_use_by_token ON token_use (account, token_id, at_ms, id)",
    "CREATE INDEX token_use_by_scope ON token_use (account, scope, at_ms, id)",
    "CREATE INDEX token_use_by_path ON token_use (account, path, at_ms, id)",
    "CREATE INDEX token_use_by_outcome ON token_use (account, outcome, at_ms, id)",
    "CREATE TABLE audit_link (
        account TEXT NOT NULL,
        book VARCHAR(16) NOT NULL,
        position BIGINT NOT NULL,
        hash VARCHAR(64) NOT NULL,
        stored_ms BIGINT NOT NULL,
        PRIMARY KEY (account, book, position))",
    "CREATE INDEX audit_link_by_time ON audit_link (account, book, stored_ms)",
    "CREATE TABLE audit_checkpoint (
        account TEXT NOT NULL,
        book VARCHAR(16) NOT NULL,
        position BIGINT NOT NULL,
        hash VARCHAR(64) NOT NULL,
        stored_ms BIGINT NOT NULL,
        at_ms BIGINT NOT NULL,
        key_id VARCHAR(16) NOT NULL,
        signature VARCHAR(128) NOT NULL,
        PRIMARY KEY (account, book, position))",
    "CREATE INDEX audit_checkpoint_by_age ON audit_checkpoint (stored_ms)",
    "CREATE TABLE audit_key (
        key_id VARCHAR(16) NOT NULL PRIMARY KEY,
        public_key VARCHAR(64) NOT NULL,
        at_ms BIGINT NOT NULL)",
    "CREATE TABLE audit_head (
        account TEXT NOT NULL,
        book VARCHAR(16) NOT NULL,
        position BIGINT NOT NULL,
        hash VARCHAR(64) NOT NULL,
        stored_ms BIGINT NOT NULL,
        unsigned_records BIGINT NOT NULL,
        unsigned_since_ms BIGINT NOT NULL,
        touched_ms BIGINT NOT NULL,
        PRIMARY KEY (account, book))",
];

#[async_trait::async_trait]
impl MigrationTrait for Ledger {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for sql in LEDGER {
            db.execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in crate::store::LEDGER_TABLES {
            db.execute_unprepared(&format!("DROP TABLE {table}"))
                .await?;
        }
        db.execute_unprepared("DROP TABLE audit_head").await?;
        Ok(())
    }
}
