//! The tables of the registry, oldest migration first. A released one is never edited.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

/// Migrates the registry's database.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(outbox::Tables), Box::new(Accounts)]
    }
}

/// Users, tokens, secrets.
struct Accounts;

impl MigrationName for Accounts {
    fn name(&self) -> &'static str {
        "m0001_accounts"
    }
}

const TABLES: &[&str] = &[
    "CREATE TABLE users (
        id VARCHAR(24) NOT NULL PRIMARY KEY,
        name VARCHAR(256) NOT NULL,
        account VARCHAR(128) NOT NULL,
        roles TEXT NOT NULL,
        created_at_ms BIGINT NOT NULL)",
    "CREATE TABLE tokens (
        id VARCHAR(24) NOT NULL PRIMARY KEY,
        user_id VARCHAR(24) NOT NULL REFERENCES users (id),
        hash {bytes} NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        installed BOOLEAN NOT NULL,
        created_at_ms BIGINT NOT NULL,
        expires_at_ms BIGINT,
        revoked_at_ms BIGINT)",
    "CREATE INDEX tokens_user ON tokens (user_id)",
    "CREATE TABLE secrets (
        account VARCHAR(128) NOT NULL,
        name VARCHAR(128) NOT NULL,
        sealed {bytes} NOT NULL,
        version BIGINT NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL,
        PRIMARY KEY (account, name))",
    "CREATE TABLE installed_token (
        user_id VARCHAR(24) NOT NULL PRIMARY KEY REFERENCES users (id),
        sealed {bytes} NOT NULL)",
];

#[async_trait::async_trait]
impl MigrationTrait for Accounts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let bytes = if postgres { "BYTEA" } else { "BLOB" };
        for table in TABLES {
            db.execute_unprepared(&table.replace("{bytes}", bytes))
                .await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["installed_token", "secrets", "tokens", "users"] {
            db.execute_unprepared(&format!("DROP TABLE {table}"))
                .await?;
        }
        Ok(())
    }
}
