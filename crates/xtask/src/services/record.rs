//! `services.json`: where the services are. It holds a password, so only its owner may read it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Urls;

const FILE: &str = "services.json";

/// What is known of both services.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub postgres: Database,
    pub kafka: Broker,
}

/// Where the database is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Database {
    pub url: String,
    pub port: u16,
    pub password: String,
    pub pid: Option<u32>,
}

/// Where the broker is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Broker {
    pub url: String,
    pub port: u16,
    pub controller_port: u16,
    pub pid: Option<u32>,
}

impl Record {
    /// Services that have never run, on ports that nobody has.
    pub(super) fn with_free_ports() -> anyhow::Result<Self> {
        let [postgres, kafka, controller_port] = free_ports().context("no port is free")?;
        let password = password().context("no password could be made")?;
        Ok(Self {
            postgres: Database {
                url: format!("postgres://postgres:{password}@127.0.0.1:{postgres}/postgres"),
                port: postgres,
                password,
                pid: None,
            },
            kafka: Broker {
                url: format!("kafka://127.0.0.1:{kafka}"),
                port: kafka,
                controller_port,
                pid: None,
            },
        })
    }

    /// What an earlier command wrote, if one did.
    pub(super) fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(FILE);
        match fs::read(&path) {
            Ok(text) => {
                let record = serde_json::from_slice(&text);
                record
                    .map(Some)
                    .with_context(|| format!("{} is damaged; remove it", path.display()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} is unreadable", path.display())),
        }
    }

    /// Replaces the file in one step.
    pub(super) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let (path, draft) = (dir.join(FILE), dir.join("services.json.new"));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(&draft, &path)
            .with_context(|| format!("{} could not be written", path.display()))
    }

    pub(super) fn remove(dir: &Path) -> anyhow::Result<()> {
        fs::remove_file(dir.join(FILE)).context("services.json could not be removed")
    }

    pub(super) fn urls(&self) -> Urls {
        Urls {
            postgres: self.postgres.url.clone(),
            kafka: self.kafka.url.clone(),
        }
    }
}

/// Ports that are free now; they are all held until all are known, so they differ.
fn free_ports<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// 128 random bits in hex, which need no escape in a URL.
fn password() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_written_and_only_its_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        assert!(Record::read(dir.path()).unwrap().is_none());
        let record = Record::with_free_ports().unwrap();
        record.write(dir.path()).unwrap();
        let again = Record::read(dir.path()).unwrap().unwrap();
        assert_eq!(again.urls(), record.urls());
        let mode = fs::metadata(dir.path().join(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
