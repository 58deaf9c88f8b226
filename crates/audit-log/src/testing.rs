//! An audit log of a test's own: on a `SQLite` directory and, where `TEST_POSTGRES` names a
//! server, on a fresh database there.

use std::time::Duration;

use contracts::audit::audit_log_client::AuditLogClient;
use contracts::audit::{Entry, QueryActivityRequest, QueryActivityResponse};
use contracts::message::{
    ActivityBatch, ActivityEntry, AttemptBegan, AttemptEnd, AttemptEnded, Message, RunChanged,
    RunState, Stream,
};
use outbox::{Bus, testing};
use runtime::config::Secret;
use runtime::{Database, Readiness, Route, Tasks, route};
use tempfile::TempDir;

use crate::store::Store;
use crate::{Config, Stores, start};

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

impl World {
    /// One world a kind of store that this test can have.
    pub(crate) async fn each() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().display());
        let mut worlds = vec![Self::on(folder, &sqlite).await];
        if let Some(url) = testing::postgres("audit_log").await {
            let folder = tempfile::tempdir().unwrap();
            worlds.push(Self::on(folder, &url).await);
        }
        worlds
    }

    async fn on(folder: TempDir, url: &str) -> Self {
        Self::told(folder, url, Config::default()).await
    }

    /// A world whose audit log was told this.
    pub(crate) async fn told(folder: TempDir, url: &str, config: Config) -> Self {
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let bus = testing::embedded_bus(folder.path(), &tasks).await;
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
        testing::tell(&self.bus, message, id).await;
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
        let mut entries = Vec::new();
        testing::until("the entries come", async || {
            entries = self.page("", 1000).await.entries;
            entries.len() >= count
        })
        .await;
        entries
    }

    /// The log of the run once it is complete: followed live, then read in pages of `limit`.
    ///
    /// A live log has everything, too, though a line may come before output that was on its way.
    pub(crate) async fn whole(&self, limit: u32) -> Vec<Entry> {
        let live = testing::within("the log is complete", self.followed(limit));
        let mut live = names(&live.await);
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
        ..Default::default()
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
        waited: false,
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
