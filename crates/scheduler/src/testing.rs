//! A scheduler of a test's own: on a `SQLite` directory and, where `TEST_POSTGRES` names a server,
//! on a fresh database there; with a pipeline service that a test makes up, and executors.

mod executor;
mod pipeline;

use std::time::Duration;

use contracts::message::{Message, RunChanged, RunRequested, RunState, StopMode, StopRequested};
use contracts::scheduler::scheduler_client::SchedulerClient;
use contracts::scheduler::{ExplainRequest, ExplainResponse, ListExecutorsRequest};
use outbox::{Bus, Post, bus};
use runtime::{Database, Readiness, Route, Tasks, clock, route};
use sea_orm::ConnectionTrait as _;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tempfile::TempDir;
use tonic::service::Routes;

pub(crate) use executor::Executor;
pub(crate) use pipeline::Pipeline;

use crate::{Config, Migrator, Period, start};

/// How long a test waits for what must come.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// A lease that no test waits for.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// A store, a bus, a pipeline service, and the first scheduler on them.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) bus: Bus,
    pub(crate) pipeline: Pipeline,
    pub(crate) scheduler: Scheduler,
    config: Config,
    bus_tasks: Tasks,
    _folder: TempDir,
}

/// A scheduler at work.
pub(crate) struct Scheduler {
    pub(crate) client: SchedulerClient<Route>,
    tasks: Tasks,
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
    pub(crate) async fn each(lease: Duration) -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite://{}", folder.path().display());
        let mut worlds = vec![Self::on(folder, &sqlite, lease).await];
        if let Some(server) = runtime::config::variable("TEST_POSTGRES") {
            let folder = tempfile::tempdir().unwrap();
            let url = fresh_database(&server).await;
            worlds.push(Self::on(folder, &url, lease).await);
        }
        worlds
    }

    async fn on(folder: TempDir, url: &str, lease: Duration) -> Self {
        let (ready, bus_tasks) = (Readiness::new(), Tasks::new());
        let url_of_bus = format!("embedded:{}", folder.path().join("bus").display());
        let bus_config = bus::Config {
            url: url_of_bus,
            ..bus::Config::default()
        };
        let bus = Bus::open(&bus_config, &ready, &bus_tasks).await.unwrap();
        let database = Database::open::<Migrator>(url, "scheduler", &ready)
            .await
            .unwrap();
        let config = Config {
            lease: Period(lease),
            reconcile: Period(Duration::from_millis(100)),
        };
        let pipeline = Pipeline::default();
        let scheduler = Scheduler::start(&config, &database, &bus, &pipeline);
        Self {
            database,
            bus,
            pipeline,
            scheduler,
            config,
            bus_tasks,
            _folder: folder,
        }
    }

    /// Another scheduler on the same store.
    pub(crate) fn another(&self) -> Scheduler {
        Scheduler::start(&self.config, &self.database, &self.bus, &self.pipeline)
    }

    /// Publishes a message; `id` is its identity.
    pub(crate) async fn tell(&self, message: &impl Message, id: &str) {
        let post = Post::of(message, id, clock::now_ms()).unwrap();
        let told = self.bus.publish(vec![post]).await.unwrap();
        for outcome in told {
            outcome.unwrap();
        }
    }

    /// A run is requested, and waits in the queue when this returns.
    pub(crate) async fn request(&self, run: RunRequested) {
        let run_id = run.run_id.clone();
        self.tell(&run, &format!("requested-{run_id}-{}", run.attempt))
            .await;
        self.until("the run is in the queue", async || {
            !self.explain(&run_id).await.unknown
        })
        .await;
    }

    /// What the scheduler says of a run.
    pub(crate) async fn explain(&self, run_id: &str) -> ExplainResponse {
        let request = ExplainRequest {
            run_id: run_id.into(),
        };
        let mut client = self.scheduler.client.clone();
        client.explain(request).await.unwrap().into_inner()
    }

    /// Busy slots of an executor, if it is known.
    pub(crate) async fn busy(&self, name: &str) -> Option<u32> {
        let mut client = self.scheduler.client.clone();
        let answer = client.list_executors(ListExecutorsRequest {}).await;
        let executors = answer.unwrap().into_inner().executors;
        let found = executors.into_iter().find(|it| it.name == name)?;
        assert!(found.busy <= found.slots, "I11: {found:?}");
        Some(found.busy)
    }

    /// Waits until `is` says so.
    pub(crate) async fn until(&self, what: &str, mut is: impl AsyncFnMut() -> bool) {
        let wait = async {
            while !is().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, wait).await;
        assert!(waited.is_ok(), "never: {what}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.bus_tasks.drain();
    }
}

impl Scheduler {
    fn start(config: &Config, database: &Database, bus: &Bus, pipeline: &Pipeline) -> Self {
        let tasks = Tasks::new();
        let served = Routes::new(pipeline.server());
        let pipeline = route::local(served, route::LIMIT);
        let routes = start(config.clone(), database, bus, pipeline, &tasks);
        let client = SchedulerClient::new(route::local(routes, route::LIMIT));
        Self { client, tasks }
    }

    /// Ends it, with all its streams.
    pub(crate) async fn end(&self) {
        self.tasks.drain();
        self.tasks.ended().await;
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.tasks.drain();
    }
}

/// An id that ends in a number.
pub(crate) fn id(number: u32) -> String {
    format!("{number:024x}")
}

/// The first attempt of a run of a pipeline without a limit, requested now.
pub(crate) fn run(number: u32) -> RunRequested {
    RunRequested {
        run_id: id(number),
        pipeline_id: id(0xA),
        run_count: number.into(),
        attempt: 1,
        concurrency: 0,
        priority: 0,
        requested_at_ms: clock::now_ms(),
    }
}

/// A run goes to a state.
pub(crate) fn changed(number: u32, to: RunState) -> RunChanged {
    RunChanged {
        run_id: id(number),
        pipeline_id: id(0xA),
        run_count: number.into(),
        to: to.into(),
        at_ms: clock::now_ms(),
        ..RunChanged::default()
    }
}

/// A run is to stop.
pub(crate) fn stop(number: u32, mode: StopMode) -> StopRequested {
    StopRequested {
        run_id: id(number),
        pipeline_id: id(0xA),
        run_count: number.into(),
        mode: mode.into(),
        ..StopRequested::default()
    }
}

async fn fresh_database(server: &str) -> String {
    let name = format!("scheduler_{:016x}", rand::random::<u64>());
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
