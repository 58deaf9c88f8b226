//! What the tests of a service stand on: a store and a bus of a test's own, and waiting.
//!
//! It is there with the feature `testing` only, and panics where something goes wrong.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that can't go on ends"
)]

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use contracts::message::Message;
use runtime::database::MigratorTrait;
use runtime::{Database, Readiness, Tasks, clock};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::MigrationTrait;
use tempfile::TempDir;

use crate::bus::Config;
use crate::{Bus, Post};

/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// A store and an embedded bus. Dropped, it tells its tasks to end.
#[derive(Debug)]
pub struct Ground {
    /// Where a test may keep files.
    pub folder: TempDir,
    /// The service's store.
    pub database: Database,
    /// The bus.
    pub bus: Bus,
    /// What runs on them.
    pub tasks: Tasks,
}

impl Ground {
    /// One a kind of store that this test can have: `SQLite`, and where `TEST_POSTGRES` names a
    /// server, a database of its own there.
    pub async fn each<M: MigratorTrait>(service: &'static str) -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().display());
        let mut all = vec![Self::on::<M>(service, folder, &sqlite).await];
        if let Some(url) = postgres(service).await {
            let folder = tempfile::tempdir().unwrap();
            all.push(Self::on::<M>(service, folder, &url).await);
        }
        all
    }

    async fn on<M: MigratorTrait>(service: &'static str, folder: TempDir, url: &str) -> Self {
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let bus = embedded_bus(folder.path(), &tasks).await;
        let database = Database::open::<M>(url, service, &ready).await.unwrap();
        Self {
            folder,
            database,
            bus,
            tasks,
        }
    }

    /// Publishes a message; `id` is its identity.
    pub async fn tell(&self, message: &impl Message, id: &str) {
        tell(&self.bus, message, id).await;
    }
}

/// Publishes a message; `id` is its identity.
pub async fn tell(bus: &Bus, message: &impl Message, id: &str) {
    let post = Post::of(message, id, clock::now_ms()).unwrap();
    for outcome in bus.publish(vec![post]).await.unwrap() {
        outcome.unwrap();
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.tasks.drain();
    }
}

/// A bus in a folder, with what an earlier one left there.
pub async fn embedded_bus(folder: &Path, tasks: &Tasks) -> Bus {
    let config = Config {
        url: format!("embedded:{}", folder.join("bus").display()),
        ..Config::default()
    };
    Bus::open(&config, &Readiness::new(), tasks).await.unwrap()
}

/// The URL of a new database on the server of `TEST_POSTGRES`, if it names one.
pub async fn postgres(service: &str) -> Option<String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = runtime::config::variable("TEST_POSTGRES")?;
    let name = format!(
        "{}_{:x}_{:x}_{}",
        service.replace('-', "_"),
        std::process::id(),
        clock::now_ms(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let ready = Readiness::new();
    let opened = Database::open::<Nothing>(&server, "testing", &ready).await;
    let first = opened.unwrap();
    let make = format!("CREATE DATABASE {name}");
    first.reader().execute_unprepared(&make).await.unwrap();
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let (base, _) = base.rsplit_once('/').unwrap();
    Some(format!("{base}/{name}?{query}"))
}

/// A store without tables.
struct Nothing;

#[async_trait::async_trait]
impl MigratorTrait for Nothing {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        Vec::new()
    }
}

/// Looks until `is` says so, for [`LIMIT`] at most.
pub async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    within(what, wait).await;
}

/// What a future comes to, within [`LIMIT`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(LIMIT, future).await;
    outcome.unwrap_or_else(|_| panic!("never: {what}"))
}
