//! What a process stands on before its services start: its data directory and its ports.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use runtime::front::Front;
use runtime::lock::{self, DirectoryLock};
use runtime::telemetry::Telemetry;
use runtime::{Readiness, Tasks, serve};
use tokio::net::TcpSocket;

use super::{Error, address};
use crate::config::Config;
use crate::role::Role;

/// The data directory and the ports of a process. Dropped, it says that nobody answers any more.
pub(super) struct Ground {
    pub(super) ready: Readiness,
    pub(super) tasks: Tasks,
    /// The open HTTP port.
    pub(super) front: Front,
    /// The address at which this machine's users reach the HTTP port.
    pub(super) url: String,
    /// The port for peers, reserved; it opens when there is someone to answer.
    pub(super) grpc: Option<TcpSocket>,
    pub(super) data_dir: PathBuf,
    _lock: Option<DirectoryLock>,
}

impl Ground {
    /// Makes and locks the directory if need be, and takes the ports.
    pub(super) async fn prepare(
        config: &Config,
        roles: &BTreeSet<Role>,
        telemetry: &Telemetry,
    ) -> Result<Self, Error> {
        let data_dir = config.data_dir.clone();
        make(&data_dir).map_err(|source| Error::DataDir(data_dir.clone(), source))?;
        let stores_here = roles.iter().any(|role| role.has_store());
        let lock = if config.has_embedded_bus() || (stores_here && config.has_embedded_stores()) {
            Some(lock::directory(&data_dir)?)
        } else {
            None
        };
        let listener = serve::listen(config.gateway.listen, "--listen").await?;
        let url = url(listener.local_addr()?);
        let grpc = match config.grpc.listen {
            Some(address) => Some(serve::reserve(address, "--grpc-listen").await?),
            None => None,
        };
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        for role in roles {
            ready.missing(role.name(), "it is starting");
        }
        runtime::disk::watch(&data_dir, &ready, &tasks);
        let front = Front::open(listener, ready.clone(), telemetry.metrics(), &tasks);
        if roles.contains(&Role::Gateway) {
            address::write(&data_dir, &url)?;
        }
        Ok(Self {
            ready,
            tasks,
            front,
            url,
            grpc,
            data_dir,
            _lock: lock,
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        address::remove(&self.data_dir);
    }
}

/// Makes a directory that is nobody else's to read: it will hold tokens and secrets.
fn make(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// Who listens everywhere is reached over loopback from here.
fn url(mut listening: SocketAddr) -> String {
    if listening.ip().is_unspecified() {
        listening.set_ip(match listening {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    format!("http://{listening}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_found_on_loopback() {
        for (listening, found) in [
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:80", "http://[::1]:80"),
            ("10.0.0.1:80", "http://10.0.0.1:80"),
        ] {
            assert_eq!(url(listening.parse().unwrap()), found);
        }
    }
}
