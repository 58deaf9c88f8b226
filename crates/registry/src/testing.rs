//! Stores of a test's own: a `SQLite` directory and, where `TEST_POSTGRES` names a server, a
//! fresh database on it.

use contracts::registry::registry_client::RegistryClient;
use contracts::registry::tools_client::ToolsClient;
use outbox::{Bus, bus};
use runtime::{Database, Readiness, Route, Tasks, route};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tempfile::TempDir;

use crate::{Config, Migrator, start};

/// A registry's surroundings; several registries may be started in them.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) config: Config,
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    pub(crate) tasks: Tasks,
}

struct Nothing;

#[async_trait::async_trait]
impl MigratorTrait for Nothing {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}

impl World {
    /// One world a kind of store that this test can have.
    pub(crate) async fn each() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().display());
        let mut worlds = vec![Self::on(folder, &sqlite).await];
        if let Some(server) = runtime::config::variable("TEST_POSTGRES") {
            let folder = tempfile::tempdir().unwrap();
            worlds.push(Self::on(folder, &fresh_database(&server).await).await);
        }
        worlds
    }

    async fn on(folder: TempDir, url: &str) -> Self {
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let config = Config {
            admin_token_file: folder.path().join("admin-token"),
            key_file: folder.path().join("secrets-key"),
            ..Config::default()
        };
        let url_of_bus = format!("embedded:{}", folder.path().join("bus").display());
        let bus_config = bus::Config {
            url: url_of_bus,
            ..bus::Config::default()
        };
        let bus = Bus::open(&bus_config, &ready, &tasks).await.unwrap();
        let database = Database::open::<Migrator>(url, "registry", &ready)
            .await
            .unwrap();
        Self {
            folder,
            config,
            database,
            bus,
            tasks,
        }
    }

    /// A client of one more registry.
    pub(crate) async fn registry(&self) -> RegistryClient<Route> {
        RegistryClient::new(self.route().await)
    }

    /// The same, to ask about tools.
    pub(crate) async fn tools(&self) -> ToolsClient<Route> {
        ToolsClient::new(self.route().await)
    }

    /// The way to one more registry.
    pub(crate) async fn route(&self) -> Route {
        let (database, bus) = (self.database.clone(), self.bus.clone());
        let routes = start(self.config.clone(), database, bus, &self.tasks)
            .await
            .unwrap();
        route::local(routes, route::LIMIT)
    }

    /// What the token file holds.
    pub(crate) fn token(&self) -> String {
        std::fs::read_to_string(&self.config.admin_token_file)
            .unwrap()
            .trim()
            .to_owned()
    }
}

async fn fresh_database(server: &str) -> String {
    let name = format!("registry_{:016x}", rand::random::<u64>());
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
