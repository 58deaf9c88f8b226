//! Steps that outside consumers carry out: what was heard of their latest tries.

use sea_orm_migration::prelude::*;

pub(super) struct Served;

impl MigrationName for Served {
    fn name(&self) -> &'static str {
        "m0007_served"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE run_step ADD COLUMN served_heard BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE run_step ADD COLUMN served_lines INTEGER NOT NULL DEFAULT 0",
];

#[async_trait::async_trait]
impl MigrationTrait for Served {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
