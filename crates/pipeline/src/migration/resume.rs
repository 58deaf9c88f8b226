//! Runs that go on from another: which, and in whose workspace.

use sea_orm_migration::prelude::*;

pub(super) struct Resume;

impl MigrationName for Resume {
    fn name(&self) -> &'static str {
        "m0005_resume"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE run ADD COLUMN resumed_from BIGINT",
    "ALTER TABLE run ADD COLUMN workspace_id VARCHAR(24)",
    "ALTER TABLE run ADD COLUMN workspace_base INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX run_workspace ON run (workspace_id) WHERE workspace_id IS NOT NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Resume {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
