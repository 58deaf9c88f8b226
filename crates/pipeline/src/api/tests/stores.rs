//! The service on each kind of store that a test can have: `SQLite` and, where `TEST_POSTGRES`
//! names a server, a fresh database there.

use sea_orm::{ConnectionTrait as _, FromQueryResult, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::*;

struct Nothing;

#[async_trait::async_trait]
impl MigratorTrait for Nothing {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}

/// One service a kind of store.
pub(super) async fn services() -> Vec<Service> {
    let mut services = vec![service().await];
    if let Some(server) = runtime::config::variable("TEST_POSTGRES") {
        let url = fresh_database(&server).await;
        services.push(service_on(tempfile::tempdir().unwrap(), &url).await);
    }
    services
}

async fn fresh_database(server: &str) -> String {
    let name = format!("pipeline_{:016x}", rand::random::<u64>());
    let first = Database::open::<Nothing>(server, "testing", &Readiness::new())
        .await
        .unwrap();
    first
        .reader()
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let (base, query) = server.split_once('?').unwrap_or((server, ""));
    let base = base.rsplit_once('/').unwrap().0;
    format!("{base}/{name}?{query}")
}

#[derive(Debug, FromQueryResult)]
struct Count {
    count: i64,
}

impl Service {
    /// The number that a query answers as `count`.
    pub(super) async fn count(&self, sql: &str) -> i64 {
        let db = self.database.reader();
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = Count::find_by_statement(statement).one(db).await.unwrap();
        row.unwrap().count
    }

    /// Changes rows as no version of the service does.
    pub(super) async fn tamper(&self, sql: &str) {
        let tx = self.database.begin().await.unwrap();
        tx.execute_unprepared(sql).await.unwrap();
        tx.commit().await.unwrap();
    }
}
