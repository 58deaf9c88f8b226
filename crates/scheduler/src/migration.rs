//! The tables of the scheduler, oldest migration first. A released one is never edited.

use sea_orm_migration::prelude::*;

mod schedules;

/// Migrates the scheduler's database.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(outbox::Tables),
            Box::new(Queue),
            Box::new(WaitsFor),
            Box::new(schedules::Schedules),
            Box::new(schedules::OpenSlots),
        ]
    }
}

/// The run queue and the executors with their leases.
struct Queue;

impl MigrationName for Queue {
    fn name(&self) -> &'static str {
        "m0001_queue"
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE queue (
        run_id VARCHAR(24) NOT NULL PRIMARY KEY,
        pipeline_id VARCHAR(24) NOT NULL,
        run_count BIGINT NOT NULL,
        attempt INTEGER NOT NULL,
        concurrency INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        enqueued_at_ms BIGINT NOT NULL,
        not_before_ms BIGINT NOT NULL,
        traceparent VARCHAR(64),
        executor VARCHAR(256),
        boot BIGINT,
        assigned_at_ms BIGINT)",
    "CREATE INDEX queue_waiting ON queue (priority, enqueued_at_ms, run_count)
        WHERE executor IS NULL",
    "CREATE INDEX queue_assigned ON queue (executor) WHERE executor IS NOT NULL",
    "CREATE INDEX queue_pipeline ON queue (pipeline_id, run_count)",
    "CREATE TABLE executor (
        name VARCHAR(256) NOT NULL PRIMARY KEY,
        boot BIGINT NOT NULL,
        slots INTEGER NOT NULL,
        draining BOOLEAN NOT NULL,
        expires_at_ms BIGINT NOT NULL)",
];

#[async_trait::async_trait]
impl MigrationTrait for Queue {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.get_connection().execute_unprepared(table).await?;
        }
        Ok(())
    }
}

/// Which other pipeline's run a waiting run waits for.
struct WaitsFor;

impl MigrationName for WaitsFor {
    fn name(&self) -> &'static str {
        "m0002_waits_for"
    }
}

const WAITS_FOR: &[&str] = &[
    "ALTER TABLE queue ADD COLUMN waits_for VARCHAR(24)",
    "CREATE INDEX queue_waits_for ON queue (waits_for) WHERE waits_for IS NOT NULL",
    "CREATE INDEX queue_held ON queue (pipeline_id, run_count) WHERE waits_for IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for WaitsFor {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in WAITS_FOR {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
