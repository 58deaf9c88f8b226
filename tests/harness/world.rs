//! A world: one Penstock of its own, in one of three shapes, as real processes.
//!
//! **Invariant:** when a world is dropped, however that comes about, its processes are gone.

mod client;
mod disk;
mod gate;
mod hurt;
pub(crate) mod place;
mod server;
mod settings;
mod undertaker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::api::Api;
use crate::canary::Canary;
use crate::eventually::eventually_within;
use crate::topics::Topics;
use crate::watch::{Collector, Watch};

pub use client::Said;
pub use disk::SmallDisk;
pub use gate::Gate;
pub use server::Server;
pub use settings::{Settings, Shape};

use place::Place;
use undertaker::Undertaker;

/// The token of the administrator of every world.
pub const TOKEN: &str = "the-token-of-the-administrator-of-the-tests";
/// The name of the secret that must show up nowhere.
pub const CANARY_NAME: &str = "canary";
/// How long a world may take to start, on a busy machine.
const START: Duration = Duration::from_secs(90);

/// A running Penstock.
#[derive(Debug)]
pub struct World {
    // Dropped first: the processes, then what would kill them, then their data.
    servers: Vec<Server>,
    undertaker: Undertaker,
    place: Place,
    topics: Topics,
    shape: Shape,
    settings: Settings,
    watch: Watch,
    collector: Option<Collector>,
    accepted: Mutex<BTreeMap<String, (String, i64)>>,
    names: AtomicU32,
    disk: Option<SmallDisk>,
    path: PathBuf,
    dir: Option<TempDir>,
}

impl World {
    /// Starts the processes of a world and waits until all are ready.
    pub async fn start(settings: Settings) -> Self {
        let world = Self::start_silent(settings).await;
        world.plant_canary().await;
        world
    }

    /// The same without a first request.
    pub async fn start_silent(settings: Settings) -> Self {
        let dir = TempDir::with_prefix("penstock-world-").expect("a folder can be made");
        let place = Place::make(settings.shape, dir.path()).await;
        let disk = settings.disk_mib();
        let disk = disk.map(|mib| SmallDisk::mount(&place.data, mib).expect("a disk is mounted"));
        let watch = Watch::for_canary(Canary::of(&format!("canary \"/{}?+\u{e4}", place.name)));
        let (settings, collector) = traced(settings, &watch).await;
        let servers = settings.servers(&place, dir.path());
        let undertaker = Undertaker::hire();
        for server in &servers {
            server.start(&undertaker);
        }
        let topics = Topics::open(&place).await;
        let world = Self {
            servers,
            undertaker,
            topics,
            shape: settings.shape,
            watch,
            collector,
            place,
            settings,
            accepted: Mutex::default(),
            names: AtomicU32::new(1),
            disk,
            path: dir.path().to_owned(),
            dir: Some(dir),
        };
        world.ready().await;
        world
    }

    /// Waits until every process says that it is ready.
    pub async fn ready(&self) {
        for server in &self.servers {
            self.ready_of(server).await;
        }
    }

    async fn ready_of(&self, server: &Server) {
        let what = format!("{} is ready", server.name);
        eventually_within(START, &what, async || {
            assert!(
                server.is_running(),
                "{} has ended:\n{}",
                server.name,
                server.said()
            );
            let url = self.url_of(server)?;
            let answer = self.api().ask_at(&format!("{url}/readyz")).await?;
            (answer == 200).then_some(())
        })
        .await;
    }

    async fn plant_canary(&self) {
        let path = format!("/api/v2/secrets/{CANARY_NAME}");
        let body = serde_json::json!({"value": self.canary()});
        let answer = self.api().put(&path, &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    /// Which shape it has.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// How it was started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where its stores and its bus are.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Its bus, and everything that was told over it so far.
    pub fn bus(&self) -> &Topics {
        &self.topics
    }

    /// The brokers, as `host:port`, and what stands before the names of topics there. Only where the
    /// bus is a broker.
    pub fn broker(&self) -> (String, String) {
        let url = self.place.kafka.as_deref().unwrap_or_default();
        let brokers = url.strip_prefix("kafka://");
        let brokers = brokers.expect("an embedded bus belongs to its process");
        (brokers.to_owned(), self.place.prefix())
    }

    /// The secret that must show up nowhere.
    pub fn canary(&self) -> &str {
        self.watch.canary().value()
    }

    /// What looks for it in answers and traces.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Where its processes tell their traces, if they do.
    pub fn collector_url(&self) -> Option<&str> {
        self.collector.as_ref().map(|it| it.url.as_str())
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// The data directory of the process that has the gateway.
    pub fn data_dir(&self) -> PathBuf {
        self.dir().join(&self.gateway().name)
    }

    /// A client with the administrator's token.
    pub fn api(&self) -> Api<'_> {
        let url = self.url_of(self.gateway()).unwrap_or_default();
        Api::new(self, url)
    }

    /// The address of HTTP.
    pub fn url(&self) -> String {
        self.url_of(self.gateway())
            .expect("the gateway has an address")
    }

    /// The address of a process's HTTP, once it is known.
    pub fn url_of(&self, server: &Server) -> Option<String> {
        if let Some(port) = server.http_port {
            return Some(format!("http://127.0.0.1:{port}"));
        }
        let text = std::fs::read(self.dir().join(&server.name).join("server.json")).ok()?;
        let file: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let is_its = file["pid"].as_u64() == server.pid().map(u64::from);
        is_its
            .then(|| file["url"].as_str().map(str::to_owned))
            .flatten()
    }

    /// The disk that its data lie on, if it has one of its own.
    pub fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("the world has a small disk")
    }

    /// A name that no other pipeline of this world has.
    pub fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes that a run was accepted, for the checker.
    pub(crate) fn note_accepted(&self, run_id: &str, pipeline_id: &str, run_count: i64) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(run_id.to_owned(), (pipeline_id.to_owned(), run_count));
    }

    /// The runs that were accepted: their pipelines' ids and counts, by their ids.
    pub(crate) fn accepted(&self) -> BTreeMap<String, (String, i64)> {
        self.accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Checks all invariants, once everything has come to rest, and ends the world.
    pub async fn finish(self) {
        crate::invariants::check(&self).await;
        self.end().await;
    }

    /// Ends the world.
    pub async fn end(mut self) {
        for server in &self.servers {
            server.kill();
        }
        self.topics.close();
        self.place.remove().await;
        self.disk.take();
        self.dir.take();
    }
}

/// With a collector that looks at all traces, if they are to be told.
async fn traced(settings: Settings, watch: &Watch) -> (Settings, Option<Collector>) {
    if !settings.is_traced() {
        return (settings, None);
    }
    let collector = Collector::open(watch.clone()).await;
    let settings = settings.with("PENSTOCK_TELEMETRY__OTLP_ENDPOINT", &collector.url);
    (settings, Some(collector))
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &self.servers {
            server.kill();
        }
        if std::thread::panicking() {
            self.tell();
        }
    }
}

impl World {
    /// Prints what the processes said of trouble, and keeps the logs.
    pub fn tell(&mut self) {
        const LINES: usize = 25;
        for server in &self.servers {
            let said = server.said();
            let trouble = |line: &&str| {
                ["WARN", "ERROR", "panicked"]
                    .iter()
                    .any(|it| line.contains(it))
            };
            let lines: Vec<&str> = said.lines().filter(trouble).collect();
            eprintln!("── {} ({} lines of trouble)", server.name, lines.len());
            for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
                eprintln!("{line}");
            }
        }
        if let Some(dir) = self.dir.take() {
            eprintln!("── everything is kept in {}", dir.keep().display());
        }
    }
}
