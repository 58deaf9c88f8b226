//! What a start lets a gate of its run ask, and an index of the retries that are due.

use sea_orm_migration::prelude::*;

pub(super) struct Asked;

impl MigrationName for Asked {
    fn name(&self) -> &'static str {
        "m0011_asked"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Asked {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in [
            "ALTER TABLE run ADD COLUMN asked TEXT",
            "CREATE INDEX run_step_retrying ON run_step (due_ms) WHERE state = 'retrying'",
        ] {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
