//! The tables of the registry, oldest migration first. A released one is never edited.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

mod identities;
mod plugins;
mod tools;

/// Migrates the registry's database.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(outbox::Tables),
            Box::new(Accounts),
            Box::new(People),
            Box::new(tools::Tools),
            Box::new(plugins::Plugins),
            Box::new(identities::Identities),
        ]
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

/// What there is to say of users and tokens, and groups.
struct People;

impl MigrationName for People {
    fn name(&self) -> &'static str {
        "m0002_people"
    }
}

const PEOPLE: &[&str] = &[
    "ALTER TABLE users ADD COLUMN number BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE users ADD COLUMN kind VARCHAR(16) NOT NULL DEFAULT 'service'",
    "ALTER TABLE users ADD COLUMN email TEXT",
    "ALTER TABLE users ADD COLUMN email_key TEXT",
    "ALTER TABLE users ADD COLUMN active BOOLEAN NOT NULL DEFAULT TRUE",
    "ALTER TABLE users ADD COLUMN password TEXT",
    "ALTER TABLE users ADD COLUMN updated_at_ms BIGINT NOT NULL DEFAULT 0",
    "UPDATE users SET updated_at_ms = created_at_ms",
    "CREATE UNIQUE INDEX users_email ON users (account, email_key)",
    "CREATE UNIQUE INDEX users_number ON users (number)",
    "CREATE INDEX users_account ON users (account, number)",
    // The administrator, who is there first, has number 1.
    "CREATE TABLE user_numbers (
        id INTEGER NOT NULL PRIMARY KEY,
        latest BIGINT NOT NULL)",
    "INSERT INTO user_numbers (id, latest) VALUES (1, 1)",
    "ALTER TABLE tokens ADD COLUMN name VARCHAR(50) NOT NULL DEFAULT ''",
    "ALTER TABLE tokens ADD COLUMN family VARCHAR(24) NOT NULL DEFAULT ''",
    "ALTER TABLE tokens ADD COLUMN cidrs TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE tokens ADD COLUMN last_used_at_ms BIGINT",
    "ALTER TABLE tokens ADD COLUMN replaced_by VARCHAR(24)",
    "ALTER TABLE tokens ADD COLUMN replaced_until_ms BIGINT",
    "UPDATE tokens SET family = id, name = 'installed'",
    "CREATE INDEX tokens_family ON tokens (family)",
    "CREATE TABLE user_groups (
        id VARCHAR(24) NOT NULL PRIMARY KEY,
        account VARCHAR(128) NOT NULL,
        name VARCHAR(25) NOT NULL,
        created_at_ms BIGINT NOT NULL,
        updated_at_ms BIGINT NOT NULL,
        UNIQUE (account, name))",
    "CREATE TABLE group_members (
        group_id VARCHAR(24) NOT NULL REFERENCES user_groups (id),
        user_id VARCHAR(24) NOT NULL REFERENCES users (id),
        PRIMARY KEY (group_id, user_id))",
    "CREATE INDEX group_members_user ON group_members (user_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for People {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in PEOPLE {
            db.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
