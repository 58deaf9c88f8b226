//! The service on each kind of store that a test can have: `SQLite` and, where `TEST_POSTGRES`
//! names a server, a fresh database there.

use sea_orm::ConnectionTrait as _;
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
