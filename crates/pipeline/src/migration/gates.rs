//! Gates: who decided what, whose time is over, and who ended a run there.

use sea_orm_migration::prelude::*;

pub(super) struct Gates;

impl MigrationName for Gates {
    fn name(&self) -> &'static str {
        "m0003_gates"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE run ADD COLUMN ended_by TEXT",
    "CREATE INDEX run_step_waiting ON run_step (due_ms) WHERE state = 'waiting'",
    "CREATE TABLE decision (
        run_id VARCHAR(24) NOT NULL,
        position INTEGER NOT NULL,
        user_id VARCHAR(64) NOT NULL,
        approved BOOLEAN NOT NULL,
        actor TEXT NOT NULL,
        message TEXT NOT NULL,
        at_ms BIGINT NOT NULL,
        PRIMARY KEY (run_id, position, user_id))",
];

#[async_trait::async_trait]
impl MigrationTrait for Gates {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
