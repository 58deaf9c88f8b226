//! Whose pipelines and runs are that somebody made for another, and runs that keep their workspace.

use sea_orm_migration::prelude::*;

pub(super) struct Acting;

impl MigrationName for Acting {
    fn name(&self) -> &'static str {
        "m0010_acting"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE pipeline ADD COLUMN owner_actor TEXT",
    "CREATE INDEX pipeline_owner ON pipeline (account, owner, number)",
    "ALTER TABLE run ADD COLUMN owner VARCHAR(64)",
    "ALTER TABLE run ADD COLUMN debugging BOOLEAN NOT NULL DEFAULT FALSE",
];

#[async_trait::async_trait]
impl MigrationTrait for Acting {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
