//! The tables that a service's store has for its outbox and its inbox.

use sea_orm::{ConnectionTrait as _, DatabaseBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

/// Makes `outbox`, `outbox_refused`, `relay` and `inbox`: the first migration of each service that
/// announces or consumes.
pub struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &'static str {
        "m0000_outbox"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let (id, without_rowid) = if postgres {
            ("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "")
        } else {
            ("integer PRIMARY KEY", "WITHOUT ROWID")
        };
        let message = "message_id text NOT NULL, topic text NOT NULL, message_key text NOT NULL, \
                       kind text NOT NULL, time_ms bigint NOT NULL, traceparent text, \
                       payload text NOT NULL";
        for table in [
            format!("CREATE TABLE outbox (id {id}, {message})"),
            format!(
                "CREATE TABLE outbox_refused (id {id}, {message}, error text NOT NULL, \
                 refused_ms bigint NOT NULL)"
            ),
            "CREATE TABLE relay (id integer PRIMARY KEY)".into(),
            "INSERT INTO relay (id) VALUES (1)".into(),
            format!(
                "CREATE TABLE inbox (consumer text NOT NULL, message_id text NOT NULL, \
                 heard_ms bigint NOT NULL, PRIMARY KEY (consumer, message_id)) {without_rowid}"
            ),
            "CREATE INDEX inbox_heard ON inbox (consumer, heard_ms)".into(),
        ] {
            db.execute_unprepared(&table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for table in ["outbox", "outbox_refused", "relay", "inbox"] {
            db.execute_unprepared(&format!("DROP TABLE {table}"))
                .await?;
        }
        Ok(())
    }
}
