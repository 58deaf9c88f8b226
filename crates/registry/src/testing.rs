//! Registries of a test's own, on every kind of store.

use std::ops::Deref;

use contracts::registry::plugins_client::PluginsClient;
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::tools_client::ToolsClient;
use outbox::testing::Ground;
use runtime::{Route, route};

use crate::{Config, Migrator, start};

/// A registry's surroundings; several registries may be started in them.
pub(crate) struct World {
    ground: Ground,
    pub(crate) config: Config,
}

impl Deref for World {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl World {
    /// One world a kind of store that this test can have.
    pub(crate) async fn each() -> Vec<Self> {
        let grounds = Ground::each::<Migrator>("registry").await;
        grounds.into_iter().map(Self::on).collect()
    }

    fn on(ground: Ground) -> Self {
        let folder = ground.folder.path();
        let config = Config {
            admin_token_file: folder.join("admin-token"),
            key_file: folder.join("secrets-key"),
            plugin_store: folder.join("plugins"),
            ..Config::default()
        };
        Self { ground, config }
    }

    /// A client of one more registry.
    pub(crate) async fn registry(&self) -> RegistryClient<Route> {
        RegistryClient::new(self.route().await)
    }

    /// The same, to ask about tools.
    pub(crate) async fn tools(&self) -> ToolsClient<Route> {
        ToolsClient::new(self.route().await)
    }

    /// The same, to ask about plug-ins.
    pub(crate) async fn plugins(&self) -> PluginsClient<Route> {
        PluginsClient::new(self.route().await)
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
