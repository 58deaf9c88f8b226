//! Where a world keeps its data: a folder, or a database and topics of its own.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::{ConnectionTrait as _, DatabaseConnection};

use super::Shape;

/// Ports that no connection of this machine takes for itself.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// The stores and the bus of a world.
#[derive(Debug)]
pub(crate) struct Place {
    /// Unique among worlds: part of the names of executors, the database and the topics.
    pub(crate) name: String,
    /// Where embedded stores are.
    pub(crate) data: PathBuf,
    /// The database, unless stores are embedded.
    pub(crate) postgres: Option<String>,
    /// The brokers, unless the bus is embedded.
    pub(crate) kafka: Option<String>,
}

impl Place {
    pub(super) async fn make(shape: Shape, dir: &Path) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut place = Self {
            name: format!("world-{}-{count}", std::process::id()),
            data: dir.join("all"),
            postgres: None,
            kafka: None,
        };
        if shape != Shape::Embedded {
            place.kafka = crate::variable("TEST_KAFKA");
            place.postgres = Some(place.made_database().await);
        }
        place
    }

    fn database(&self) -> String {
        format!("penstock_{}", self.name.replace('-', "_"))
    }

    async fn made_database(&self) -> String {
        let make = format!("CREATE DATABASE {}", self.database());
        let server = server().await;
        server
            .execute_unprepared(&make)
            .await
            .expect("a database can be made");
        let _ = server.close().await;
        let (base, _) = server_url_parts();
        format!("{base}/{}", self.database())
    }

    /// Removes what lies outside of the world's folder.
    pub(super) async fn remove(&self) {
        if self.postgres.is_some() {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database());
            let server = server().await;
            let _ = server.execute_unprepared(&drop).await;
            let _ = server.close().await;
        }
    }

    /// The name of an executor.
    pub(crate) fn executor(&self, number: u32) -> String {
        format!("{}-{number}", self.name)
    }

    /// What stands before the names of topics and groups.
    pub(crate) fn prefix(&self) -> String {
        format!("{}.", self.name)
    }

    /// What tells a process where everything is.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        if let Some(postgres) = &self.postgres {
            variables.push(("PENSTOCK_DATABASE__URL".to_owned(), postgres.clone()));
        }
        if let Some(kafka) = &self.kafka {
            variables.push(("PENSTOCK_BUS__URL".to_owned(), kafka.clone()));
            variables.push(("PENSTOCK_BUS__PREFIX".to_owned(), self.prefix()));
        }
        variables
    }

    /// A port that nobody has and that was not answered before.
    #[allow(clippy::unused_self, reason = "ports are of a world")]
    pub(super) fn free_port(&self) -> u16 {
        static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
        let mut given = GIVEN.lock().expect("nobody panics in here");
        // Processes of several test programs begin at different places.
        let shift = u16::try_from(std::process::id() * 37 % 16_000).unwrap_or_default();
        let all = PORTS.end - PORTS.start;
        let port = (0..all)
            .map(|at| PORTS.start + (shift + at) % all)
            .find(|port| !given.contains(port) && TcpListener::bind(("127.0.0.1", *port)).is_ok());
        let port = port.expect("a port is free");
        given.insert(port);
        port
    }
}

fn server_url_parts() -> (String, String) {
    let url = crate::variable("TEST_POSTGRES").expect("TEST_POSTGRES is set");
    let (base, database) = url.rsplit_once('/').expect("a URL with a database");
    (base.to_owned(), database.to_owned())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test's own connection, besides the program's"
)]
async fn server() -> DatabaseConnection {
    let url = crate::variable("TEST_POSTGRES").expect("TEST_POSTGRES is set");
    sea_orm::Database::connect(url)
        .await
        .expect("PostgreSQL answers")
}
