//! A scheduler of a test's own, on every kind of store; with a pipeline service that a test makes up,
//! and executors.

mod executor;
mod pipeline;
mod schedules;
mod scheduling;

use std::ops::Deref;
use std::time::Duration;

use contracts::message::{RunChanged, RunRequested, RunState, StopMode, StopRequested};
use contracts::scheduler::scheduler_client::SchedulerClient;
use contracts::scheduler::schedules_client::SchedulesClient;
use contracts::scheduler::{ExplainRequest, ExplainResponse, ListExecutorsRequest};
use outbox::Bus;
use outbox::testing::{self, Ground, LIMIT};
use runtime::{Database, Route, Tasks, clock, route};
use tonic::service::Routes;

pub(crate) use executor::Executor;
pub(crate) use pipeline::Pipeline;
pub(crate) use schedules::{after, caller, minutely, named, secondly};

use crate::{Config, Migrator, Period, start};

/// A lease that no test waits for.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// A store, a bus, a pipeline service, and the first scheduler on them.
pub(crate) struct World {
    ground: Ground,
    pub(crate) pipeline: Pipeline,
    pub(crate) scheduler: Scheduler,
    config: Config,
}

/// A scheduler at work.
pub(crate) struct Scheduler {
    pub(crate) client: SchedulerClient<Route>,
    pub(crate) schedules: SchedulesClient<Route>,
    tasks: Tasks,
}

impl World {
    /// One world a kind of store that this test can have.
    pub(crate) async fn each(lease: Duration) -> Vec<Self> {
        let grounds = Ground::each::<Migrator>("scheduler").await;
        let on = |ground| Self::on(ground, lease);
        grounds.into_iter().map(on).collect()
    }

    fn on(ground: Ground, lease: Duration) -> Self {
        let config = Config {
            lease: Period(lease),
            reconcile: Period(Duration::from_millis(100)),
            ..Config::default()
        };
        let pipeline = Pipeline::default();
        let scheduler = Scheduler::start(&config, &ground.database, &ground.bus, &pipeline);
        Self {
            ground,
            pipeline,
            scheduler,
            config,
        }
    }

    /// Another scheduler on the same store.
    pub(crate) fn another(&self) -> Scheduler {
        Scheduler::start(&self.config, &self.database, &self.bus, &self.pipeline)
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
    pub(crate) async fn until(&self, what: &str, is: impl AsyncFnMut() -> bool) {
        testing::until(what, is).await;
    }
}

impl Deref for World {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl Scheduler {
    fn start(config: &Config, database: &Database, bus: &Bus, pipeline: &Pipeline) -> Self {
        let tasks = Tasks::new();
        let served = Routes::new(pipeline.server()).add_service(pipeline.scheduling());
        let pipeline = route::local(served, route::LIMIT);
        let routes = start(config.clone(), database, bus, pipeline, &tasks);
        let route = route::local(routes, route::LIMIT);
        Self {
            client: SchedulerClient::new(route.clone()),
            schedules: SchedulesClient::new(route),
            tasks,
        }
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
        order_number: 1,
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
