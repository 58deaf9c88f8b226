//! Who is who, and what is secret.
//!
//! The registry owns users, groups, their tokens, tools ([`tool`]), plug-ins ([`mod@plugin`]) with
//! their files ([`files`]), and secrets. It is
//! asked to authenticate a token or a password and, by `pipeline` alone, to reveal secrets to a step
//! that is granted, which leaves a record each time. It asks nobody, hears nothing, and announces
//! what has changed, with who changed it.
//!
//! The first user is the administrator, whose token is made at the first start ([`administrator`]).
//! Who may do what with users, groups and tokens is decided here ([`authority`]). Tokens are kept as
//! hashes, passwords as Argon2id ones; secrets are sealed under a key that the database doesn't hold
//! ([`vault`]) and that can be changed while everything goes on ([`rotation`]).
//!
//! **Invariants:** nothing crosses an account. No token, password or secret's value appears in a
//! log, an error, an event or any answer but the one that makes or reveals it. A change and its
//! announcements commit together.

use std::path::PathBuf;
use std::time::Duration;

use contracts::registry::identities_server::IdentitiesServer;
use contracts::registry::people_server::PeopleServer;
use contracts::registry::plugins_server::PluginsServer;
use contracts::registry::registry_server::RegistryServer;
use contracts::registry::tokens_server::TokensServer;
use contracts::registry::tools_server::ToolsServer;
use contracts::registry::vault_server::VaultServer;
use outbox::Bus;
use runtime::config::Secret;
use runtime::private_file as file;
use runtime::{Bell, Database, Fault as _, Kind, Progress, Tasks, clock, fault};
use serde::{Deserialize, Serialize};
use tonic::service::Routes;

mod administrator;
mod api;
mod authority;
mod caller;
mod entity;
mod error;
mod files;
mod group;
mod identity;
mod keeper;
mod migration;
mod news;
mod password;
mod plugin;
mod role;
mod rotation;
mod secret;
mod sign_in;
mod store;
#[cfg(test)]
mod testing;
mod token;
mod tool;
mod user;
mod uses;
mod vault;

pub use error::Error;
pub use migration::Migrator;

/// The pause between two tries of what needs the store.
const RETRY: Duration = Duration::from_secs(1);
/// How often tokens are looked for that ended long ago.
const PRUNE_PERIOD: Duration = Duration::from_hours(1);
/// How long a token is kept once it has ended.
const KEPT: Duration = Duration::from_hours(24 * 400);

/// What can be configured about the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The administrator's token, 32 to 512 characters. Empty: the one in `admin_token_file`.
    pub admin_token: Secret,
    /// Where the administrator's token lies. Made at the first start, readable by its owner only.
    pub admin_token_file: PathBuf,
    /// What secrets are sealed with: 32 bytes, as 64 hex digits or as base64. Several with commas
    /// between them: the first seals, all open. Empty: `key_file`.
    pub key: Secret,
    /// Where the key lies, or several, one a line. Made at the first start, readable by its owner
    /// only.
    pub key_file: PathBuf,
    /// Where the files of plug-ins lie: a directory, or `s3://bucket/prefix`, with the standard
    /// variables `AWS_…` for its endpoint, region and credentials.
    pub plugin_store: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admin_token: Secret::default(),
            admin_token_file: "penstock-data/admin-token".into(),
            key: Secret::default(),
            key_file: "penstock-data/secrets-key".into(),
            plugin_store: "penstock-data/plugins".into(),
        }
    }
}

/// Starts the registry on a `database` that [`Migrator`] has migrated.
///
/// Fails if the administrator's token or the key can't be had, or is not the store's.
pub async fn start(
    config: Config,
    database: Database,
    bus: Bus,
    tasks: &Tasks,
) -> Result<Routes, Error> {
    let vault = vault::Vault::open(&config.key, &config.key_file)?;
    let files = files::Files::open(&config.plugin_store)?;
    let store = store::Store::new(database.clone(), vault);
    install_administrator(&store, &config).await?;
    let bell = Bell::new();
    outbox::relay(&database, &bus, &bell, tasks, "registry");
    prune_tokens(&store, tasks);
    let uses = uses::Uses::start(&store, tasks);
    let people = api::People::new(store.clone(), bell.clone());
    let identities = api::Identities::new(store.clone(), bell.clone());
    let tokens = api::Tokens::new(store.clone(), bell.clone());
    let tools = api::Tools::new(store.clone(), bell.clone());
    let plugins = api::Plugins::new(store.clone(), files, bell.clone());
    let rotation = rotation::start(&store, tasks);
    let keys = api::Keys::new(store.clone(), bell.clone(), rotation);
    let registry = api::Api::new(store, bell, uses);
    Ok(Routes::new(RegistryServer::new(registry))
        .add_service(PeopleServer::new(people))
        .add_service(IdentitiesServer::new(identities))
        .add_service(TokensServer::new(tokens))
        .add_service(ToolsServer::new(tools))
        .add_service(PluginsServer::new(plugins))
        .add_service(VaultServer::new(keys)))
}

/// Removes tokens that ended long ago as long as the process lives.
fn prune_tokens(store: &store::Store, tasks: &Tasks) {
    let store = store.clone();
    tasks.answer("prune tokens", &Bell::new(), PRUNE_PERIOD, move || {
        let store = store.clone();
        async move {
            let before_ms = clock::now_ms() - clock::millis(KEPT);
            let more = store.prune_tokens(before_ms).await?;
            Ok::<_, Error>(if more { Progress::More } else { Progress::Idle })
        }
    });
}

/// A text from outside, as an error may show it.
fn shown(text: &str) -> String {
    let plain = text.chars().filter(|it| !it.is_control());
    plain.take(64).collect()
}

/// Waits, without limit, while the store is away.
async fn install_administrator(store: &store::Store, config: &Config) -> Result<(), Error> {
    loop {
        let installed = store
            .install_administrator(&config.admin_token, &config.admin_token_file)
            .await;
        match installed {
            Err(error) if error.kind() == Kind::Unavailable => {
                tracing::warn!(
                    "the administrator can't be set up yet: {}",
                    fault::chain(&error)
                );
                tokio::time::sleep(RETRY).await;
            }
            outcome => return outcome,
        }
    }
}
