//! A scheduler and a pipeline service as an executor sees them, in this process.
//!
//! The pipeline service carries out a plan by the rules of `steps`' plans in their simplest form: it
//! grants what a test's script says when the test's script says so.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::message::{ActivityBatch, ActivityEntry, StopMode, Topic};
use contracts::pipeline::attempts_server::{Attempts, AttemptsServer};
use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::*;
use contracts::scheduler::scheduler_server::{Scheduler, SchedulerServer};
use contracts::scheduler::{self as at_scheduler, to_executor::Says, *};
use executor::{Config, Executor, Peers};
use outbox::{Bus, Reader, Tuning, bus};
use runtime::{Readiness, Tasks, route};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, service::Routes};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const RUN: &str = "0123456789abcdef01234567";

/// What the tests' pipeline service answers, and what it was asked.
#[derive(Default)]
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
    pub(crate) outage: bool,
    pub(crate) debugging: bool,
    pub(crate) ended_runs: Vec<String>,
    pub(crate) reports: Vec<ReportRequest>,
    pub(crate) begun: usize,
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
    say: Option<mpsc::Sender<Result<ToExecutor, Status>>>,
    pub(crate) answers_renewals: bool,
    pub(crate) lease_ms: u32,
    pub(crate) streams: usize,
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) desk: Arc<Mutex<Desk>>,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) executor: Option<Executor>,
    pub(crate) bus: Bus,
    pub(crate) tasks: Tasks,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let url = format!("embedded:{}", folder.path().join("bus").display());
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
            folder: Arc::new(folder),
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
        self.folder.path().join("executor")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.work_dir().join("workspaces").join(RUN)
    }

    pub(crate) async fn start(&mut self, config: Config) {
        let routes = |routes| route::local(routes, Duration::from_secs(5));
        let peers = Peers {
            scheduler: routes(Routes::new(SchedulerServer::new(self.clone()))),
            pipeline: routes(Routes::new(AttemptsServer::new(self.clone()))),
            bus: self.bus.clone(),
        };
        let program = executor::process::OWN_PROGRAM.into();
        self.executor = Some(
            executor::start(config, peers, program, &self.tasks)
                .await
                .unwrap(),
        );
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
        let stop = at_scheduler::Stop {
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

#[tonic::async_trait]
impl Attempts for World {
    async fn begin_attempt(
        &self,
        _: Request<BeginAttemptRequest>,
    ) -> Result<Response<BeginAttemptResponse>, Status> {
        let mut script = self.script();
        if script.outage {
            return Err(Status::unavailable("away"));
        }
        script.begun += 1;
        Ok(Response::new(BeginAttemptResponse {
            verdict: script.verdict.into(),
            pipeline_id: "fedcba987654321001234567".into(),
            pipeline_name: "test".into(),
            run_count: 7,
            plan_json: script.plan.clone(),
            parameters: script.parameters.clone(),
            grants: script.first.clone(),
            outputs: HashMap::new(),
            stop: script.stop.into(),
            debugging: script.debugging,
            wake_after_ms: script.wake_after_ms,
        }))
    }

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let mut script = self.script();
        if script.outage {
            return Err(Status::unavailable("away"));
        }
        let request = request.into_inner();
        let mut grants = Vec::new();
        for step in &request.steps {
            grants.extend(script.after.get(&step.step_id).cloned().unwrap_or_default());
        }
        let woken = request
            .steps
            .is_empty()
            .then(|| script.after.remove(""))
            .flatten();
        grants.extend(woken.unwrap_or_default());
        script.reports.push(request);
        let over = script.steps().len() >= script.over_after;
        Ok(Response::new(ReportResponse {
            grants: if over { vec![] } else { grants },
            over: over && !script.refuses,
            refused: script.refuses,
            stop: script.stop.into(),
            wake_after_ms: script.wake_after_ms,
            run_ended: over,
        }))
    }

    async fn end_attempt(
        &self,
        _: Request<EndAttemptRequest>,
    ) -> Result<Response<EndAttemptResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }

    async fn check_attempts(
        &self,
        request: Request<CheckAttemptsRequest>,
    ) -> Result<Response<CheckAttemptsResponse>, Status> {
        let ended = self.script().ended_runs.clone();
        let truth = |attempt: contracts::pipeline::Attempt| AttemptTruth {
            run_ended: ended.contains(&attempt.run_id),
            attempt: Some(attempt),
            ..AttemptTruth::default()
        };
        let attempts = request
            .into_inner()
            .attempts
            .into_iter()
            .map(truth)
            .collect();
        Ok(Response::new(CheckAttemptsResponse { attempts }))
    }

    async fn list_queued(
        &self,
        _: Request<ListQueuedRequest>,
    ) -> Result<Response<ListQueuedResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }

    async fn list_live(
        &self,
        _: Request<ListLiveRequest>,
    ) -> Result<Response<ListLiveResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }
}

#[tonic::async_trait]
impl Scheduler for World {
    type WorkStream = ReceiverStream<Result<ToExecutor, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<FromExecutor>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (say, said) = mpsc::channel(64);
        let stream = {
            let mut desk = self.desk();
            desk.say = Some(say.clone());
            desk.streams += 1;
            desk.streams
        };
        let (world, mut heard) = (self.clone(), request.into_inner());
        let weak = say.downgrade();
        drop(say);
        tokio::spawn(async move {
            while let Ok(Some(message)) = heard.message().await {
                let Some(said) = message.said else { continue };
                let answer = {
                    let mut desk = world.desk();
                    if desk.streams != stream {
                        return;
                    }
                    let answer = match &said {
                        from_executor::Said::Renew(renew) if desk.answers_renewals => {
                            let (sent_at_ns, lease_ms) = (renew.sent_at_ns, desk.lease_ms);
                            Some(Says::Renewed(Renewed {
                                sent_at_ns,
                                lease_ms,
                            }))
                        }
                        _ => None,
                    };
                    desk.heard.push(said);
                    answer
                };
                if let (Some(says), Some(say)) = (answer, weak.upgrade()) {
                    let _ = say.send(Ok(ToExecutor { says: Some(says) })).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(said)))
    }

    async fn list_executors(
        &self,
        _: Request<ListExecutorsRequest>,
    ) -> Result<Response<ListExecutorsResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }

    async fn drain(&self, _: Request<DrainRequest>) -> Result<Response<DrainResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }

    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        Err(Status::unimplemented("executors don't ask this"))
    }
}
