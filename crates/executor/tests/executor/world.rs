//! A scheduler and a pipeline service as an executor sees them, in this process.
//!
//! The pipeline service carries out a plan by the rules of `steps`' plans in their simplest form: it
//! grants what a test's script says when the test's script says so.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::message::{ActivityBatch, ActivityEntry, StopMode, Topic};
use contracts::pipeline::attempts_server::AttemptsServer;
use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{Grant, ReportRequest, StepReport};
use contracts::scheduler::scheduler_server::SchedulerServer;
use contracts::scheduler::{Assignment, Ended, Stop, ToExecutor, from_executor, to_executor::Says};
use executor::{Config, Executor, Peers};
use outbox::{Bus, Reader, Tuning, bus};
use runtime::{Readiness, Tasks, route};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::service::Routes;

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
pub(crate) const RUN: &str = "0123456789abcdef01234567";

/// What the tests' pipeline service answers, and what it was asked.
#[derive(Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a way to answer of its own"
)]
pub(crate) struct Script {
    pub(crate) plan: String,
    pub(crate) parameters: HashMap<String, String>,
    /// Answers to `BeginAttempt`, the last one for ever.
    pub(crate) verdict: Verdict,
    pub(crate) first: Vec<Grant>,
    /// The grants that follow the end of a step (any try), by its id.
    pub(crate) after: BTreeMap<String, Vec<Grant>>,
    /// The attempt is over after so many reported steps.
    pub(crate) over_after: usize,
    pub(crate) stop: StopMode,
    pub(crate) wake_after_ms: u32,
    pub(crate) refuses: bool,
    /// Reports are at fault themselves.
    pub(crate) declines: bool,
    pub(crate) outage: bool,
    /// The report of so many steps kills this process.
    pub(crate) killed_by: Option<usize>,
    pub(crate) debugging: bool,
    pub(crate) ended_runs: Vec<String>,
    pub(crate) reports: Vec<ReportRequest>,
    pub(crate) begun: usize,
    /// Answers to `BeginAttempt` wait.
    pub(crate) holds_begin: bool,
}

impl Script {
    pub(crate) fn steps(&self) -> Vec<StepReport> {
        self.reports
            .iter()
            .flat_map(|report| report.steps.clone())
            .collect()
    }
}

/// What the tests' scheduler has heard, and the stream on which it says something.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) heard: Vec<from_executor::Said>,
    pub(crate) say: Option<mpsc::Sender<Result<ToExecutor, Status>>>,
    pub(crate) answers_renewals: bool,
    pub(crate) lease_ms: u32,
    pub(crate) streams: usize,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) desk: Arc<Mutex<Desk>>,
    folder: PathBuf,
    /// Kept until the last clone of this goes.
    own: Option<Arc<TempDir>>,
    pub(crate) executor: Option<Executor>,
    pub(crate) bus: Bus,
    pub(crate) tasks: Tasks,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self::at(folder.path()).await;
        world.own = Some(Arc::new(folder));
        world
    }

    /// A world in a folder, with what an earlier one left there.
    pub(crate) async fn at(folder: &Path) -> Self {
        let tasks = Tasks::new();
        let url = format!("embedded:{}", folder.join("bus").display());
        let config = bus::Config {
            url,
            ..bus::Config::default()
        };
        let bus = Bus::open(&config, &Readiness::new(), &tasks).await.unwrap();
        let desk = Desk {
            answers_renewals: true,
            lease_ms: 30_000,
            ..Desk::default()
        };
        let script = Script {
            verdict: Verdict::Begun,
            ..Script::default()
        };
        Self {
            script: Arc::new(Mutex::new(script)),
            desk: Arc::new(Mutex::new(desk)),
            folder: folder.to_owned(),
            own: None,
            executor: None,
            bus,
            tasks,
        }
    }

    /// A world whose executor is at work on a plan. All steps are granted in order; see
    /// [`World::in_order`].
    pub(crate) async fn with(definition: &str) -> Self {
        let mut world = Self::new().await;
        world.plan(definition);
        world.start(world.config()).await;
        world
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            slots: 2,
            work_dir: self.work_dir(),
            grace_ms: 2000,
            warm_keepers: 1,
            ..Config::default()
        }
    }

    pub(crate) fn work_dir(&self) -> PathBuf {
        self.folder.join("executor")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.work_dir().join("workspaces").join(RUN)
    }

    pub(crate) async fn start(&mut self, config: Config) {
        self.executor = Some(self.try_start(config).await.unwrap());
    }

    pub(crate) async fn try_start(&self, config: Config) -> Result<Executor, executor::Error> {
        let routes = |routes| route::local(routes, Duration::from_secs(5));
        let peers = Peers {
            scheduler: routes(Routes::new(SchedulerServer::new(self.clone()))),
            pipeline: routes(Routes::new(AttemptsServer::new(self.clone()))),
            bus: self.bus.clone(),
        };
        let program = executor::process::OWN_PROGRAM.into();
        executor::start(config, peers, program, &self.tasks).await
    }

    /// Takes a plan whose steps are granted one after the other.
    pub(crate) fn plan(&self, definition: &str) {
        let definition = format!("name: test\nsteps:\n{definition}");
        let definition = steps::Definition::from_source(&definition).unwrap();
        let plan = steps::Plan::of(&definition);
        let ids: Vec<_> = plan.steps.iter().map(|step| step.id.clone()).collect();
        let mut script = self.script();
        script.plan = serde_json::to_string(&plan).unwrap();
        script.first = ids.first().map(|id| grant(id, 1)).into_iter().collect();
        let pairs = ids
            .windows(2)
            .map(|pair| (pair[0].clone(), vec![grant(&pair[1], 1)]));
        script.after = pairs.collect();
        script.over_after = ids.len();
    }

    pub(crate) fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something to the executor, once it listens.
    pub(crate) async fn says(&self, says: Says) {
        loop {
            eventually("a stream", || self.desk().say.is_some()).await;
            let say = self.desk().say.clone();
            let Some(say) = say else { continue };
            if say
                .send(Ok(ToExecutor {
                    says: Some(says.clone()),
                }))
                .await
                .is_ok()
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn assign(&self, attempt: u32) {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
        let assignment = Assignment {
            run_id: RUN.into(),
            attempt,
            traceparent,
        };
        self.says(Says::Assignment(assignment)).await;
    }

    pub(crate) async fn stop(&self, mode: StopMode) {
        self.script().stop = mode;
        let stop = Stop {
            run_id: RUN.into(),
            mode: mode.into(),
        };
        self.says(Says::Stop(stop)).await;
    }

    /// Ends the stream, as a scheduler that ends does.
    pub(crate) fn hang_up(&self) {
        self.desk().say = None;
    }

    /// Waits until the executor has said that it is through with an attempt.
    pub(crate) async fn ended(&self) -> Ended {
        let said = || {
            self.desk().heard.iter().find_map(|said| match said {
                from_executor::Said::Ended(ended) => Some(ended.clone()),
                _ => None,
            })
        };
        eventually("the attempt ends", || said().is_some()).await;
        said().unwrap()
    }

    pub(crate) async fn handed_back(&self) {
        let said = || {
            let desk = self.desk();
            desk.heard
                .iter()
                .any(|said| matches!(said, from_executor::Said::HandBack(_)))
        };
        eventually("the attempt is handed back", said).await;
    }

    /// Waits until the executor has said that an attempt is lost.
    pub(crate) async fn lost(&self) {
        let said = || {
            let desk = self.desk();
            let lost = |said: &_| matches!(said, from_executor::Said::HandBack(back) if back.lost);
            desk.heard.iter().any(lost)
        };
        eventually("the attempt is lost", said).await;
    }

    /// Waits until a step's process has written a line to a file of the workspace, and answers what
    /// is in it.
    pub(crate) async fn made(&self, name: &str) -> String {
        let path = self.workspace().join(name);
        let text = || std::fs::read_to_string(&path).unwrap_or_default();
        eventually(&format!("{name} is written"), || text().ends_with('\n')).await;
        text()
    }

    /// Runs attempt 1 to its end, and answers what was reported.
    pub(crate) async fn carried_out(&self) -> Vec<StepReport> {
        self.assign(1).await;
        self.ended().await;
        self.script().steps()
    }

    pub(crate) async fn drain(&self) {
        self.executor.clone().unwrap().drain().await;
    }

    /// The first entries of the log, as many as are wanted.
    pub(crate) async fn log(&self, wanted: usize) -> Vec<ActivityEntry> {
        let mut reader: Reader = self
            .bus
            .read("test", &[Topic::Activity], Tuning::Prompt)
            .await
            .unwrap();
        let mut entries = Vec::new();
        while entries.len() < wanted {
            for heard in reader.next(100).await.unwrap() {
                entries.extend(heard.decode::<ActivityBatch>().unwrap().entries);
            }
        }
        entries
    }
}

pub(crate) fn grant(step: &str, number: u32) -> Grant {
    Grant {
        step_id: step.into(),
        r#try: number,
        secrets: HashMap::new(),
        tool_json: Vec::new(),
    }
}

pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE / 2, look).await;
    assert!(looked.is_ok(), "never: {what}");
}

/// Whether a process of this id lives.
pub(crate) fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
