//! Users as systems outside know them, and the actors that such systems name.

use sea_orm_migration::prelude::*;

pub(super) struct Identities;

impl MigrationName for Identities {
    fn name(&self) -> &'static str {
        "m0005_identities"
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN external_id TEXT",
    "ALTER TABLE users ADD COLUMN actor_external_id TEXT",
    "CREATE UNIQUE INDEX users_external ON users (account, external_id)",
    "CREATE TABLE actors (
        account VARCHAR(128) NOT NULL,
        external_id TEXT NOT NULL,
        name TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        PRIMARY KEY (account, external_id))",
];

#[async_trait::async_trait]
impl MigrationTrait for Identities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in STATEMENTS {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
