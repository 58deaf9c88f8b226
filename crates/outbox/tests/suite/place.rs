//! A bus, and a service's store beside it.

use std::time::Duration;

use contracts::id::{MessageId, RunId};
use contracts::message::RunRequested;
use outbox::bus::Config;
use outbox::{Bus, Heard, Post, Reader, Tables};
use runtime::{Bell, Database, Readiness, Tasks, clock};
use sea_orm::{ConnectionTrait as _, Statement};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

#[cfg(feature = "kafka")]
pub(crate) type Mock =
    rdkafka::mocking::MockCluster<'static, rdkafka::producer::DefaultProducerContext>;

/// How long anything may take here.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Place {
    pub(crate) config: Config,
    /// The store's URL, and the name of the service that owns it.
    store: (String, &'static str),
    _folder: tempfile::TempDir,
    #[cfg(feature = "kafka")]
    mock: Option<Mock>,
}

impl Place {
    pub(crate) fn embedded() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("embedded:{}", folder.path().join("bus").display());
        Self::on(url, folder)
    }

    /// The embedded bus, beside a store in the database of `TEST_POSTGRES`.
    pub(crate) fn postgres() -> Option<Self> {
        let url = runtime::config::variable("TEST_POSTGRES")?;
        Some(Self {
            store: (url, group()),
            ..Self::embedded()
        })
    }

    /// The broker of `TEST_KAFKA`, for instance `127.0.0.1:9092`. One that wants TLS and a password
    /// is told about as a process is: `PENSTOCK_BUS__SECURITY_PROTOCOL` and so on.
    #[cfg(feature = "kafka")]
    pub(crate) fn kafka() -> Option<Self> {
        let broker = runtime::config::variable("TEST_KAFKA")?;
        let url = format!("kafka://{}", broker.trim_start_matches("kafka://"));
        let flags = serde_json::json!({"bus": {"url": url}});
        let settings: Settings = runtime::config::load(None, flags).unwrap();
        let mut place = Self::on(url, tempfile::tempdir().unwrap());
        place.config = settings.bus;
        Some(place)
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn mock() -> Self {
        use outbox::bus::Topic;
        let mock = Mock::new(1).unwrap();
        for topic in Topic::ALL {
            mock.create_topic(topic.name(), 2, 1).unwrap();
        }
        let url = format!("kafka://{}", mock.bootstrap_servers());
        let mut place = Self::on(url, tempfile::tempdir().unwrap());
        // The mock holds an empty fetch for as long as it is told.
        place
            .config
            .properties
            .insert("fetch.wait.max.ms".into(), "1".into());
        place.mock = Some(mock);
        place
    }

    #[cfg(feature = "kafka")]
    pub(crate) fn mock_cluster(&self) -> &Mock {
        self.mock.as_ref().unwrap()
    }

    fn on(url: String, folder: tempfile::TempDir) -> Self {
        Self {
            config: Config {
                url,
                ..Config::default()
            },
            store: (
                format!("sqlite://{}", folder.path().join("store").display()),
                "notes",
            ),
            _folder: folder,
            #[cfg(feature = "kafka")]
            mock: None,
        }
    }

    /// A process: its bus, its store and its tasks.
    pub(crate) async fn process(&self) -> Process {
        let (ready, tasks) = (Readiness::new(), Tasks::new());
        let bus = within(Box::pin(Bus::open(&self.config, &ready, &tasks)))
            .await
            .unwrap();
        assert_eq!(ready.report(), [].into());
        self.process_on(bus, tasks).await
    }

    /// A process on a bus that others may share.
    pub(crate) async fn process_on(&self, bus: Bus, tasks: Tasks) -> Process {
        let (url, service) = &self.store;
        let ready = Readiness::new();
        let opened = Box::pin(Database::open::<Migrator>(url, service, &ready));
        let database = within(opened).await.unwrap();
        let bell = Bell::new();
        outbox::relay(&database, &bus, &bell, &tasks, "notes");
        Process {
            bus,
            database,
            bell,
            tasks,
        }
    }
}

/// The part of a process's settings that is about the bus.
#[cfg(feature = "kafka")]
#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Settings {
    bus: Config,
}

pub(crate) struct Process {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) bell: Bell,
    pub(crate) tasks: Tasks,
}

impl Process {
    pub(crate) async fn end(self) {
        self.tasks.drain();
        within(self.tasks.ended()).await;
    }

    /// Announces `message` in a transaction of its own.
    pub(crate) async fn announce(&self, message: &RunRequested) {
        let tx = self.database.begin().await.unwrap();
        outbox::announce(&tx, message, clock::now_ms())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        self.bell.ring();
    }

    pub(crate) async fn publish(&self, posts: Vec<Post>) {
        for outcome in within(self.bus.publish(posts)).await.unwrap() {
            outcome.unwrap();
        }
    }

    /// The counts that were noted under `run`, in the order of their noting.
    pub(crate) async fn notes(&self, run: &str) -> Vec<i64> {
        let sql = "SELECT count FROM note WHERE run = $1 ORDER BY id";
        let select = Statement::from_sql_and_values(self.database.backend(), sql, [run.into()]);
        let rows = self.database.reader().query_all_raw(select).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "count").unwrap())
            .collect()
    }
}

struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables), Box::new(Notes)]
    }
}

struct Notes;

impl sea_orm_migration::MigrationName for Notes {
    fn name(&self) -> &'static str {
        "m0001_notes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Notes {
    async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), sea_orm::DbErr> {
        let db = manager.get_connection();
        let postgres = db.get_database_backend() == sea_orm::DatabaseBackend::Postgres;
        let id = if postgres {
            "bigint GENERATED ALWAYS AS IDENTITY"
        } else {
            "integer"
        };
        let table = format!("CREATE TABLE note (id {id} PRIMARY KEY, run text, count bigint)");
        db.execute_unprepared(&table).await.map(drop)
    }
}

/// A run id that no other test has.
pub(crate) fn run_id() -> String {
    RunId::made_at(clock::now_ms()).into()
}

/// A group's name that no other test has.
pub(crate) fn group() -> &'static str {
    Box::leak(format!("test-{}", run_id()).into_boxed_str())
}

pub(crate) fn message(run: &str, count: i64) -> RunRequested {
    RunRequested {
        run_id: run.into(),
        run_count: count,
        ..RunRequested::default()
    }
}

pub(crate) fn post(run: &str, count: i64) -> Post {
    let now = clock::now_ms();
    Post::of(&message(run, count), MessageId::made_at(now), now).unwrap()
}

/// Reads until there are `count` messages of `runs`; brokers may hold those of other tests.
pub(crate) async fn read(reader: &mut Reader, runs: &[&str], count: usize) -> Vec<Heard> {
    let mut found = Vec::new();
    while found.len() < count {
        let some = within(reader.next(10)).await.unwrap();
        found.extend(
            some.into_iter()
                .filter(|heard| runs.contains(&heard.key.as_str())),
        );
    }
    found
}

pub(crate) fn counts(heard: &[Heard]) -> Vec<i64> {
    heard
        .iter()
        .map(|heard| heard.decode::<RunRequested>().unwrap().run_count)
        .collect()
}

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work)
        .await
        .expect("it takes too long")
}
