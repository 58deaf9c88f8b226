//! An audit log of a test's own: on a `SQLite` directory and, where `TEST_POSTGRES` names a
//! server, on a fresh database there.

use std::time::Duration;

use contracts::audit::audit_log_client::AuditLogClient;
use contracts::audit::{Entry, QueryActivityRequest, QueryActivityResponse};
use contracts::message::{
    ActivityBatch, ActivityEntry, AttemptBegan, AttemptEnd, AttemptEnded, Message, RunChanged,
    RunState, Stream,
};
use outbox::{Bus, Post, bus};
use runtime::config::Secret;
use runtime::{Database, Readiness, Route, Tasks, clock, route};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tempfile::TempDir;

use crate::store::Store;
use crate::{Config, Stores, start};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(30);

/// The run that tests are about.
pub(crate) const RUN: &str = "aaaaaaaaaaaaaaaaaaaaaaaa";
/// What record chains are signed with.
pub(crate) const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";
/// Its pipeline.
pub(crate) const PIPELINE: &str = "bbbbbbbbbbbbbbbbbbbbbbbb";

/// An audit log and its bus.
pub(crate) struct World {
    _folder: TempDir,
    pub(crate) database: Database,
    pub(crate) stores: Stores,
    pub(crate) bus: Bus,
    pub(crate) tasks: Tasks,
    pub(crate) client: AuditLogClient<Route>,
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
        Self::told(folder, url, Config::default()).await
    }

    /// A world whose audit log was told this.
    pub(crate) async fn told(folder: TempDir, url: &str, config: Config) -> Self {
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let url_of_bus = format!("embedded:{}", folder.path().join("bus").display());
        let bus_config = bus::Config {
            url: url_of_bus,
            ..bus::Config::default()
        };
        let bus = Bus::open(&bus_config, &ready, &tasks).await.unwrap();
        let config = Config {
            followers: 3,
            key: Secret::new(KEY),
            ..config
        };
        let stores = Stores::open(&config, url, &ready).await.unwrap();
        let database = stores.database.clone();
        let routes = start(config, stores.clone(), bus.clone(), &tasks)
            .await
            .unwrap();
        let client = AuditLogClient::new(route::local(routes, route::LIMIT));
        Self {
            _folder: folder,
            database,
            stores,
            bus,
            tasks,
            client,
        }
    }

    /// A store of the same rows that keeps them for `retention`.
    pub(crate) fn store(&self, retention: Duration) -> Store {
        Store::new(self.stores.clone(), retention, retention)
    }

    /// Publishes a message; `id` is its identity.
    pub(crate) async fn tell(&self, message: &impl Message, id: &str) {
        let post = Post::of(message, id, clock::now_ms()).unwrap();
        self.bus
            .publish(vec![post])
            .await
            .unwrap()
            .pop()
            .unwrap()
            .unwrap();
    }

    /// A page from `after` on.
    pub(crate) async fn page(&self, after: &str, limit: u32) -> QueryActivityResponse {
        self.client
            .clone()
            .query_activity(ask(after, limit))
            .await
            .unwrap()
            .into_inner()
    }

    /// The page from the beginning, once it has `count` entries.
    pub(crate) async fn entries(&self, count: usize) -> Vec<Entry> {
        let read = async {
            loop {
                let page = self.page("", 1000).await;
                if page.entries.len() >= count {
                    return page.entries;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, read)
            .await
            .expect("the entries never came")
    }

    /// The log of the run once it is complete: followed live, then read in pages of `limit`.
    ///
    /// A live log has everything, too, though a line may come before output that was on its way.
    pub(crate) async fn whole(&self, limit: u32) -> Vec<Entry> {
        let live = tokio::time::timeout(LIMIT, self.followed(limit));
        let mut live = names(&live.await.expect("the log was never complete"));
        let (mut entries, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.page(&after, limit).await;
            entries.extend(page.entries);
            after = page.next;
            if page.complete {
                break;
            }
        }
        let mut read = names(&entries);
        live.sort();
        read.sort();
        assert_eq!(live, read);
        entries
    }

    async fn followed(&self, limit: u32) -> Vec<Entry> {
        let stream = self.client.clone().tail_activity(ask("", limit)).await;
        let mut stream = stream.unwrap().into_inner();
        let (mut entries, mut complete) = (Vec::new(), false);
        while let Some(page) = stream.message().await.unwrap() {
            assert!(!complete, "a page after the last");
            assert!(page.entries.len() <= usize::try_from(limit).unwrap());
            complete = page.complete;
            entries.extend(page.entries);
        }
        assert!(complete, "the stream ended before the log");
        entries
    }
}

/// Asks for the run's log.
pub(crate) fn ask(after: &str, limit: u32) -> QueryActivityRequest {
    let (run_id, after) = (RUN.into(), after.into());
    QueryActivityRequest {
        run_id,
        after,
        limit,
        step_id: String::new(),
    }
}

/// Entries of an attempt, by number.
pub(crate) fn batch(attempt: u32, first: u64, last: u64) -> ActivityBatch {
    let entry = |seq: u64| ActivityEntry {
        seq,
        time_ms: i64::try_from(1000 * u64::from(attempt) + seq).unwrap(),
        step_id: if seq.is_multiple_of(2) {
            "even".into()
        } else {
            "odd".into()
        },
        r#try: 1,
        stream: Stream::Stdout.into(),
        message: format!("line {seq} of attempt {attempt}"),
        truncated: false,
    };
    let entries = (first..=last).map(entry).collect();
    ActivityBatch {
        run_id: RUN.into(),
        pipeline_id: PIPELINE.into(),
        attempt,
        entries,
    }
}

/// The run goes to a state.
pub(crate) fn changed(from: RunState, to: RunState, attempt: u32, last_seq: u64) -> RunChanged {
    RunChanged {
        run_id: RUN.into(),
        pipeline_id: PIPELINE.into(),
        run_count: 1,
        from: from.into(),
        to: to.into(),
        attempt,
        at_ms: if to.is_final() { 9000 } else { 1 },
        last_seq,
        ..RunChanged::default()
    }
}

/// An attempt begins.
pub(crate) fn began(attempt: u32) -> AttemptBegan {
    AttemptBegan {
        run_id: RUN.into(),
        pipeline_id: PIPELINE.into(),
        attempt,
        executor: "x".into(),
        at_ms: 1000 * i64::from(attempt),
    }
}

/// An attempt ends.
pub(crate) fn ended(attempt: u32, how: AttemptEnd, last_seq: u64) -> AttemptEnded {
    AttemptEnded {
        run_id: RUN.into(),
        pipeline_id: PIPELINE.into(),
        attempt,
        executor: "x".into(),
        how: how.into(),
        at_ms: 1000 * i64::from(attempt) + 900,
        last_seq,
    }
}

/// `kind` of life-cycle lines, `attempt.seq` of output.
pub(crate) fn names(entries: &[Entry]) -> Vec<String> {
    let name = |it: &Entry| match (&it.entry, it.kind.as_str()) {
        (Some(entry), "") => format!("{}.{}", it.attempt, entry.seq),
        (_, kind) => kind.to_owned(),
    };
    entries.iter().map(name).collect()
}

/// A database of a test's own on `server`.
pub(crate) async fn fresh_database(server: &str) -> String {
    let name = format!("audit_log_{:016x}", rand::random::<u64>());
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
