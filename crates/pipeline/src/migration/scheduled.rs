//! Runs that schedules start: which slot each is for, and its order in the queue.

use sea_orm_migration::prelude::*;

pub(super) struct Scheduled;

impl MigrationName for Scheduled {
    fn name(&self) -> &'static str {
        "m0008_scheduled"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE run ADD COLUMN order_number BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE run ADD COLUMN silent BOOLEAN NOT NULL DEFAULT TRUE",
    "ALTER TABLE run ADD COLUMN schedule_id VARCHAR(24)",
    "ALTER TABLE run ADD COLUMN schedule_number BIGINT",
    "ALTER TABLE run ADD COLUMN slot VARCHAR(32)",
    "ALTER TABLE run ADD COLUMN on_behalf_of VARCHAR(256) NOT NULL DEFAULT ''",
    "CREATE INDEX run_ended ON run (pipeline_id, ended_at_ms) WHERE ended_at_ms IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Scheduled {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
