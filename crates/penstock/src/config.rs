//! The configuration of a process: the services' own sections, and what they share.
//!
//! Each section's struct lives beside the code that it configures. Layers: defaults ← file ←
//! environment ← flags.

mod check;
mod shown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::config::Secret;
use runtime::telemetry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::role::Role;

pub use check::Error;

/// The file of the administrator's token in a data directory.
pub const TOKEN_FILE: &str = "admin-token";
/// The peer that is in this process.
const LOCAL: &str = "local:";

/// What a process can be told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where data is kept: embedded stores and bus, work directories, the administrator's token.
    pub data_dir: PathBuf,
    /// Threads that work on requests and messages.
    pub workers: usize,
    /// The key that peers show each other, 32 characters or more. Needed off loopback.
    pub peer_key: Secret,
    /// The administrator's token, 32 characters or more. Empty: made at the first start.
    pub admin_token: Secret,
    /// Logs and traces.
    pub telemetry: telemetry::Config,
    /// The services' stores.
    pub database: Store,
    /// The bus.
    pub bus: outbox::bus::Config,
    /// The port for peers.
    pub grpc: Grpc,
    /// Where peers are.
    pub peers: Peers,
    /// HTTP in front.
    pub gateway: gateway::Config,
    /// Pipelines and runs.
    pub pipeline: pipeline::Config,
    /// Users, tokens and secrets.
    pub registry: registry::Config,
    /// The queue and leases.
    pub scheduler: scheduler::Config,
    /// Steps.
    pub executor: executor::Config,
    /// Logs of runs, and records of who did what.
    pub audit_log: audit_log::Config,
}

/// The services' stores.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite://<directory>` or `postgres://user@host/database`. Empty: `SQLite` in the data
    /// directory.
    pub url: String,
}

/// The port for peers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Its address. Unset: none with `up`, 127.0.0.1:7070 with `serve`.
    pub listen: Option<SocketAddr>,
}

/// Where peers are: `local:` in this process, or `http://host:port`. A service of this process is
/// always called here, whatever is said.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peers {
    /// The pipeline service.
    pub pipeline: String,
    /// The registry.
    pub registry: String,
    /// The scheduler.
    pub scheduler: String,
    /// The audit log.
    pub audit_log: String,
}

impl Default for Config {
    /// As the services have it, but with no place yet for what goes into the data directory.
    fn default() -> Self {
        let registry = registry::Config {
            admin_token_file: PathBuf::new(),
            key_file: PathBuf::new(),
            plugin_store: PathBuf::new(),
            ..registry::Config::default()
        };
        let audit_log = audit_log::Config {
            key_file: PathBuf::new(),
            ..audit_log::Config::default()
        };
        let executor = executor::Config {
            work_dir: PathBuf::new(),
            ..executor::Config::default()
        };
        Self {
            data_dir: "./penstock-data".into(),
            workers: 2,
            peer_key: Secret::default(),
            admin_token: Secret::default(),
            telemetry: telemetry::Config::default(),
            database: Store::default(),
            bus: outbox::bus::Config::default(),
            grpc: Grpc::default(),
            peers: Peers::default(),
            gateway: gateway::Config::default(),
            pipeline: pipeline::Config::default(),
            registry,
            scheduler: scheduler::Config::default(),
            executor,
            audit_log,
        }
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            pipeline: LOCAL.into(),
            registry: LOCAL.into(),
            scheduler: LOCAL.into(),
            audit_log: LOCAL.into(),
        }
    }
}

impl Peers {
    /// The URL of a peer, unless it is in this process or nobody calls it.
    pub fn url(&self, role: Role) -> Option<&str> {
        let url = match role {
            Role::Pipeline => &self.pipeline,
            Role::Registry => &self.registry,
            Role::Scheduler => &self.scheduler,
            Role::AuditLog => &self.audit_log,
            Role::Executor | Role::Gateway => return None,
        };
        (url != LOCAL).then_some(url)
    }
}

impl Config {
    /// Reads the layers, and places in the data directory what has no place yet.
    pub fn load(file: Option<&Path>, flags: Value) -> Result<Self, Error> {
        let config: Self = runtime::config::load(file, flags)?;
        config.placed()
    }

    fn placed(mut self) -> Result<Self, Error> {
        let data_dir = std::path::absolute(&self.data_dir)
            .map_err(|source| Error::DataDir(self.data_dir.clone(), source))?;
        if self.database.url.is_empty() {
            self.database.url = format!("sqlite://{}", data_dir.display());
        }
        if matches!(self.bus.url.as_str(), "" | "embedded:") {
            self.bus.url = format!("embedded:{}", data_dir.display());
        }
        place(&mut self.executor.work_dir, &data_dir, "executor");
        if self.gateway.workspace_dir.as_os_str().is_empty() {
            self.gateway.workspace_dir = self.executor.workspaces();
        }
        place(&mut self.registry.admin_token_file, &data_dir, TOKEN_FILE);
        place(&mut self.registry.key_file, &data_dir, "secrets-key");
        place(&mut self.registry.plugin_store, &data_dir, "plugins");
        place(&mut self.audit_log.key_file, &data_dir, "audit-key");
        if self.registry.admin_token.is_empty() {
            self.registry.admin_token = self.admin_token.clone();
        }
        self.data_dir = data_dir;
        Ok(self)
    }

    /// Whether the bus is this process's own.
    pub(crate) fn has_embedded_bus(&self) -> bool {
        self.bus.url.starts_with("embedded:")
    }

    /// Whether the stores are this process's own.
    pub(crate) fn has_embedded_stores(&self) -> bool {
        self.database.url.starts_with("sqlite:")
    }
}

/// Places what has no place yet.
fn place(path: &mut PathBuf, data_dir: &Path, name: &str) {
    if path.as_os_str().is_empty() {
        *path = data_dir.join(name);
    }
}
