//! Child runs: what is still to be done about them, and whose they are.

use sea_orm_migration::prelude::*;

pub(super) struct Children;

impl MigrationName for Children {
    fn name(&self) -> &'static str {
        "m0006_children"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE run ADD COLUMN parent_id VARCHAR(24)",
    "ALTER TABLE run ADD COLUMN caller TEXT",
    "CREATE TABLE child (
        parent_id VARCHAR(24) NOT NULL,
        position INTEGER NOT NULL,
        run_id VARCHAR(24),
        stage VARCHAR(8) NOT NULL,
        stop_wanted INTEGER NOT NULL,
        stop_told INTEGER NOT NULL,
        PRIMARY KEY (parent_id, position))",
    "CREATE INDEX child_stage ON child (stage) WHERE stage <> 'over'",
    "CREATE INDEX origin_lasting ON origin (run_id) WHERE expires_at_ms IS NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Children {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in STATEMENTS {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }
}
