//! What can be told of a configuration before anything is started.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use runtime::config::Secret;
use runtime::serve;

use super::Config;
use crate::Shape;
use crate::role::Role;

/// The port for peers, where `serve` isn't told another.
const GRPC: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);
/// The master account's password of old, which everybody knows.
const MASTER_PASSWORD: &str = "commander";
/// The shortest token.
const TOKEN_MIN_CHARS: usize = 32;

/// What is wrong with the configuration, and what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The layers can't be read, or hold a wrong key or value.
    #[error(transparent)]
    Layers(#[from] runtime::config::Error),
    /// The data directory can't be one.
    #[error("data_dir \"{}\" can't be used", .0.display())]
    DataDir(PathBuf, #[source] io::Error),
    /// A value that its own type can't rule out.
    #[error("configuration: {key} {why}")]
    Value {
        /// Its place.
        key: &'static str,
        /// What is wrong and what to write.
        why: String,
    },
    /// A service of this process calls one that is nowhere.
    #[error(
        "{caller} calls {peer}, which is not a service of this process: say where it is with \
         PENSTOCK_PEERS__{}=http://host:port, or serve it here too",
        .peer.name().to_uppercase().replace('-', "_")
    )]
    NoPeer {
        /// Who calls.
        caller: Role,
        /// Who is missing.
        peer: Role,
    },
    /// The services of other processes would never hear of anything.
    #[error(
        "bus.url is {0}, which one process alone can use, but this one has not all services: set \
         PENSTOCK_BUS__URL=kafka://host:port on each, or start all with `penstock up`"
    )]
    LonelyBus(String),
    /// The port for peers may not open like this.
    #[error(transparent)]
    Port(#[from] serve::Error),
    /// It can't be printed.
    #[error("the configuration can't be printed as TOML")]
    Print(#[from] toml::ser::Error),
}

impl Config {
    /// The configuration of a process with these roles, if it can be one.
    pub fn checked(mut self, roles: &BTreeSet<Role>, shape: Shape) -> Result<Self, Error> {
        let is_called = roles.iter().any(|role| role.is_called());
        if shape == Shape::Spread && is_called {
            self.grpc.listen.get_or_insert(GRPC);
        }
        if !is_called {
            self.grpc.listen = None;
        }
        if let Some(address) = self.grpc.listen {
            serve::check_peer_key(address, &self.peer_key)?;
        }
        self.check_values()?;
        self.check_peers(roles)?;
        if self.has_embedded_bus() && roles.len() < Role::ALL.len() {
            return Err(Error::LonelyBus(self.bus.url));
        }
        if roles.contains(&Role::Gateway) {
            self.give_master_a_password(shape)?;
        }
        Ok(self)
    }

    /// The known password is good where all services are one process, and where somebody says it.
    fn give_master_a_password(&mut self, shape: Shape) -> Result<(), Error> {
        let face = &mut self.gateway.unifiedviews;
        if !face.enabled || !face.password.is_empty() {
            return Ok(());
        }
        if shape == Shape::Spread {
            let why = "is not set: write the password of the UnifiedViews API's master account \
                       (PENSTOCK_GATEWAY__UNIFIEDVIEWS__PASSWORD), or \
                       gateway.unifiedviews.enabled = false";
            return Err(wrong("gateway.unifiedviews.password", why));
        }
        face.password = Secret::new(MASTER_PASSWORD);
        Ok(())
    }

    fn check_values(&self) -> Result<(), Error> {
        if !(1..=1024).contains(&self.workers) {
            return Err(wrong("workers", "must be 1 to 1024"));
        }
        if let Some(why) = self.gateway.unifiedviews.prefix_fault() {
            return Err(wrong("gateway.unifiedviews.prefix", why));
        }
        let user = &self.gateway.unifiedviews.user;
        if user.is_empty() || user.contains(':') {
            let why = "is empty or has a colon, which ends a name that one signs in with";
            return Err(wrong("gateway.unifiedviews.user", why));
        }
        let token = self.admin_token.expose().chars().count();
        if (1..TOKEN_MIN_CHARS).contains(&token) {
            let why = format!("is shorter than {TOKEN_MIN_CHARS} characters");
            return Err(wrong("admin_token", why));
        }
        check_scheme(
            "database.url",
            &self.database.url,
            &["sqlite://", "postgres://", "postgresql://"],
            "write sqlite://<directory> or postgres://user@host/database",
        )?;
        let (owner, postgres) = (
            self.audit_log.database_owner.expose(),
            ["postgres://", "postgresql://"],
        );
        if !owner.is_empty() {
            let write = "write postgres://owner@host/database, the database of database.url";
            check_scheme("audit_log.database_owner", owner, &postgres, write)?;
            let why = "write postgres://…: only there is an owner of audit records another role";
            check_scheme("database.url", &self.database.url, &postgres, why)?;
        }
        check_scheme(
            "bus.url",
            &self.bus.url,
            &["embedded:", "kafka://"],
            "write embedded:<directory> or kafka://host:port[,host:port]",
        )
    }

    fn check_peers(&self, roles: &BTreeSet<Role>) -> Result<(), Error> {
        for caller in roles.iter().copied() {
            let outside = caller.calls().iter().filter(|it| !roles.contains(it));
            for peer in outside.copied() {
                let url = self.peers.url(peer);
                check_peer(peer, url.ok_or(Error::NoPeer { caller, peer })?)?;
            }
        }
        Ok(())
    }
}

fn check_peer(peer: Role, url: &str) -> Result<(), Error> {
    let is_url = url.parse::<http::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.port_u16().is_some()
    });
    if is_url {
        return Ok(());
    }
    let key = match peer {
        Role::Pipeline => "peers.pipeline",
        Role::Registry => "peers.registry",
        Role::Scheduler => "peers.scheduler",
        Role::AuditLog => "peers.audit_log",
        Role::Executor | Role::Gateway => "peers",
    };
    let why = format!("is \"{url}\": write local: or http://host:port");
    Err(wrong(key, why))
}

/// Quotes the scheme alone: the rest may hold a password.
fn check_scheme(key: &'static str, url: &str, schemes: &[&str], write: &str) -> Result<(), Error> {
    let has_rest = |scheme: &&str| url.strip_prefix(*scheme).is_some_and(|it| !it.is_empty());
    if schemes.iter().any(has_rest) {
        return Ok(());
    }
    let scheme = url.split(':').next().unwrap_or_default();
    Err(wrong(key, format!("begins with \"{scheme}\": {write}")))
}

fn wrong(key: &'static str, why: impl Into<String>) -> Error {
    Error::Value {
        key,
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(flags: serde_json::Value, roles: &[Role], shape: Shape) -> Result<Config, String> {
        Config::load(None, flags)
            .and_then(|config| config.checked(&roles.iter().copied().collect(), shape))
            .map_err(|error| runtime::fault::chain(&error))
    }

    #[test]
    fn the_defaults_are_enough_for_up() {
        let config = said(json!({}), &Role::ALL, Shape::AllInOne).unwrap();
        assert_eq!(config.grpc.listen, None);
        assert!(config.data_dir.is_absolute());
        let folder = config.data_dir.display().to_string();
        assert_eq!(config.database.url, format!("sqlite://{folder}"));
        assert_eq!(config.bus.url, format!("embedded:{folder}"));
        assert!(config.executor.work_dir.starts_with(&config.data_dir));
    }

    #[test]
    fn what_can_not_work_is_said_by_name() {
        for (flags, named) in [
            (json!({"workers": 0}), "workers"),
            (json!({"admin_token": "short"}), "admin_token"),
            (json!({"database": {"url": "mysql://x"}}), "database.url"),
            (
                json!({"audit_log": {"database_owner": "postgres://o@h/d"}}),
                "database.url",
            ),
            (json!({"bus": {"url": "amqp://x"}}), "bus.url"),
            (json!({"executor": {"slotz": 1}}), "slotz"),
            (json!({"gateway": {"listen": "here"}}), "gateway.listen"),
            (
                json!({"gateway": {"unifiedviews": {"prefix": "/api/v2"}}}),
                "gateway.unifiedviews.prefix",
            ),
            (
                json!({"gateway": {"unifiedviews": {"locale": "de"}}}),
                "gateway.unifiedviews.locale",
            ),
            (json!({"grpc": {"listen": "nowhere"}}), "grpc.listen"),
            (
                json!({"grpc": {"listen": "0.0.0.0:7070"}}),
                "PENSTOCK_PEER_KEY",
            ),
        ] {
            let error = said(flags.clone(), &Role::ALL, Shape::AllInOne).unwrap_err();
            assert!(error.contains(named), "{flags}: {error}");
        }
    }

    #[test]
    fn a_process_must_know_whom_it_calls() {
        let bus = json!({"url": "kafka://localhost:9092"});
        let gateway = &[Role::Gateway][..];
        let error = said(json!({"bus": bus}), gateway, Shape::Spread).unwrap_err();
        assert!(error.contains("PENSTOCK_PEERS__PIPELINE"), "{error}");
        let peers = json!({"pipeline": "localhost:7070"});
        let error = said(json!({"bus": bus, "peers": peers}), gateway, Shape::Spread);
        assert!(error.unwrap_err().contains("peers.pipeline"));
        let registry = said(json!({"bus": bus}), &[Role::Registry], Shape::Spread).unwrap();
        assert_eq!(registry.grpc.listen, Some(GRPC));
    }

    #[test]
    fn the_known_password_is_good_for_up_or_where_it_is_said() {
        let up = said(json!({}), &Role::ALL, Shape::AllInOne).unwrap();
        assert_eq!(up.gateway.unifiedviews.password.expose(), "commander");
        let spread = |face: serde_json::Value| {
            let flags = json!({
                "bus": {"url": "kafka://localhost:9092"}, "gateway": {"unifiedviews": face},
            });
            said(flags, &Role::ALL, Shape::Spread)
        };
        let error = spread(json!({})).unwrap_err();
        assert!(error.contains("gateway.unifiedviews.password"), "{error}");
        let said = spread(json!({"password": "commander"})).unwrap();
        assert_eq!(said.gateway.unifiedviews.password.expose(), "commander");
        spread(json!({"enabled": false})).unwrap();
    }

    #[test]
    fn a_lonely_process_can_not_have_an_embedded_bus() {
        let error = said(json!({}), &[Role::Registry], Shape::Spread).unwrap_err();
        assert!(error.contains("kafka://"), "{error}");
    }

    #[test]
    fn the_example_files_are_right() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/config/");
        let load = |name: &str, flags| {
            let file = PathBuf::from(format!("{folder}{name}"));
            Config::load(Some(&file), flags).unwrap()
        };
        let single = load("single.toml", json!({}));
        assert_eq!(
            single.shown().unwrap(),
            load_defaults().shown().unwrap(),
            "single.toml says the defaults"
        );
        let key = json!({"peer_key": "k".repeat(32)});
        for role in Role::ALL {
            let spread = load("spread.toml", key.clone());
            spread.checked(&[role].into(), Shape::Spread).unwrap();
        }
    }

    fn load_defaults() -> Config {
        Config::load(None, json!({})).unwrap()
    }

    #[test]
    fn a_password_is_not_quoted() {
        let flags = json!({"database": {"url": "mysql://me:hunter2@host/x"}});
        let error = said(flags, &Role::ALL, Shape::AllInOne).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
