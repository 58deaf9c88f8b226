//! The service as its peers meet it: the generated clients over a local route, on `SQLite`.

use std::collections::{BTreeSet, HashMap};

use contracts::message::{Actor, AttemptEnd, Caller, EndCause, RunState, StopMode};
use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::pipelines_client::PipelinesClient;
use contracts::pipeline::scheduling_client::SchedulingClient;
use contracts::pipeline::{
    BeginAttemptRequest, BeginAttemptResponse, DefineRequest, EndAttemptRequest, GetRunRequest,
    ListPipelinesRequest, Outcome, Pipeline, PipelineRef, ReportRequest, ReportResponse, Run,
    StartRunRequest, StartRunResponse, StepReport, StopRunsRequest,
};
use contracts::registry::registry_server::RegistryServer;
use contracts::registry::tools_server::ToolsServer;
use outbox::Bus;
use runtime::{Database, Readiness, Route, Tasks, route};
use tonic::Code;
use tonic::service::Routes;

mod acting;
mod actions;
mod children;
mod company;
mod conflicts;
mod custody;
mod faults;
mod gates;
mod pruning;
mod refusals;
mod registry;
mod resuming;
mod rights;
mod scheduled;
mod served;
mod stores;

use registry::NoSuchName;

struct Service {
    pipelines: PipelinesClient<Route>,
    attempts: AttemptsClient<Route>,
    scheduling: SchedulingClient<Route>,
    database: Database,
    tasks: Tasks,
    bus: Bus,
    _folder: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.tasks.drain();
    }
}

async fn service() -> Service {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().display());
    service_on(folder, &url).await
}

/// The same where outside consumers are as far away.
async fn service_with(outside: crate::Outside) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().display());
    service_as(folder, &url, (crate::Config::default(), outside)).await
}

/// The same with this configuration.
async fn service_of(config: crate::Config) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().display());
    service_as(folder, &url, (config, crate::Outside::Reached)).await
}

async fn service_on(folder: tempfile::TempDir, url: &str) -> Service {
    // The tests are on the bus, too.
    let usual = (crate::Config::default(), crate::Outside::Reached);
    service_as(folder, url, usual).await
}

async fn service_as(
    folder: tempfile::TempDir,
    url: &str,
    (config, outside): (crate::Config, crate::Outside),
) -> Service {
    let (tasks, ready) = (Tasks::new(), Readiness::new());
    let database = Database::open::<crate::Migrator>(url, "pipeline", &ready)
        .await
        .unwrap();
    let of_bus = outbox::bus::Config {
        url: format!("embedded:{}", folder.path().join("bus").display()),
        ..Default::default()
    };
    let bus = Bus::open(&of_bus, &ready, &tasks).await.unwrap();
    let registry =
        Routes::new(RegistryServer::new(NoSuchName)).add_service(ToolsServer::new(NoSuchName));
    let registry = route::local(registry, route::LIMIT);
    let own = database.clone();
    let routes = crate::start_with(config, own, (&bus, outside), registry, &tasks);
    let route = route::local(routes, route::LIMIT);
    Service {
        pipelines: PipelinesClient::new(route.clone()),
        attempts: AttemptsClient::new(route.clone()),
        scheduling: SchedulingClient::new(route),
        database,
        tasks,
        bus,
        _folder: folder,
    }
}

fn caller() -> Caller {
    user("u", &["site_user"])
}

/// Somebody of the account, with these site roles.
fn user(id: &str, roles: &[&str]) -> Caller {
    let actor = Actor {
        user_id: id.into(),
        name: format!("user {id}"),
        token_id: String::new(),
        email: format!("{id}@example.org"),
    };
    Caller {
        actor: Some(actor),
        account: "default".into(),
        roles: roles.iter().map(|it| (*it).to_owned()).collect(),
        ..Caller::default()
    }
}

fn start_of(pipeline: &Pipeline, key: &str) -> StartRunRequest {
    StartRunRequest {
        caller: Some(caller()),
        pipeline: Some(PipelineRef {
            text: pipeline.id.clone(),
        }),
        idempotency_key: key.into(),
        fingerprint: "f".into(),
        key_given: true,
        ..Default::default()
    }
}

impl Service {
    async fn define(&mut self, source: &str) -> Pipeline {
        let request = DefineRequest {
            caller: Some(caller()),
            source: source.into(),
            ..Default::default()
        };
        self.pipelines.define(request).await.unwrap().into_inner()
    }

    async fn start(&mut self, pipeline: &Pipeline, key: &str) -> Result<Run, tonic::Status> {
        Ok(self.ask_to_start(pipeline, key).await?.run.unwrap())
    }

    async fn ask_to_start(
        &mut self,
        pipeline: &Pipeline,
        key: &str,
    ) -> Result<StartRunResponse, tonic::Status> {
        let request = start_of(pipeline, key);
        let answer = self.pipelines.clone().start_run(request).await?;
        Ok(answer.into_inner())
    }

    async fn begin(&mut self, run: &Run, attempt: u32, executor: &str) -> BeginAttemptResponse {
        let request = BeginAttemptRequest {
            run_id: run.id.clone(),
            attempt,
            executor: executor.into(),
            boot: 1,
        };
        self.attempts
            .begin_attempt(request)
            .await
            .unwrap()
            .into_inner()
    }

    async fn report(&mut self, run: &Run, attempt: u32, outcome: Outcome) -> ReportResponse {
        let step = StepReport {
            step_id: "one".into(),
            r#try: 1,
            outcome: outcome.into(),
            exit_code: Some(0),
            message: String::new(),
            outputs: HashMap::new(),
            started_at_ms: 1,
            ended_at_ms: 2,
        };
        let request = ReportRequest {
            run_id: run.id.clone(),
            attempt,
            steps: vec![step],
            last_seq: 7,
        };
        self.attempts.report(request).await.unwrap().into_inner()
    }

    async fn end(&mut self, run: &Run, attempt: u32, how: AttemptEnd) -> u32 {
        let request = EndAttemptRequest {
            run_id: run.id.clone(),
            attempt,
            how: how.into(),
            executor: "x".into(),
            fault: String::new(),
        };
        self.attempts
            .end_attempt(request)
            .await
            .unwrap()
            .into_inner()
            .next_attempt
    }

    async fn stop(&mut self, pipeline: &Pipeline) -> Vec<Run> {
        let request = StopRunsRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.id.clone(),
            }),
            mode: StopMode::Graceful.into(),
            ..Default::default()
        };
        self.pipelines
            .stop_runs(request)
            .await
            .unwrap()
            .into_inner()
            .runs
    }

    async fn run(&mut self, pipeline: &Pipeline, run_count: i64) -> Run {
        let request = GetRunRequest {
            caller: Some(caller()),
            pipeline: Some(PipelineRef {
                text: pipeline.name.clone(),
            }),
            run_count,
            ..Default::default()
        };
        self.pipelines.get_run(request).await.unwrap().into_inner()
    }
}

const ONE: &str = "{name: one, steps: [{id: one, run: 'true'}]}";

#[tokio::test]
async fn a_hundred_starts_at_once_take_a_hundred_consecutive_numbers() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let starts = (0..100).map(|number| {
        let (pipelines, pipeline) = (service.pipelines.clone(), pipeline.clone());
        let mut one = Service {
            pipelines,
            attempts: service.attempts.clone(),
            scheduling: service.scheduling.clone(),
            database: service.database.clone(),
            tasks: Tasks::new(),
            bus: service.bus.clone(),
            _folder: tempfile::tempdir().unwrap(),
        };
        async move {
            one.start(&pipeline, &format!("key {number}"))
                .await
                .unwrap()
                .run_count
        }
    });
    let numbers: BTreeSet<i64> = futures::future::join_all(starts)
        .await
        .into_iter()
        .collect();
    assert_eq!(numbers, (1..=100).collect());
}

#[tokio::test]
async fn the_same_key_is_the_same_run_and_takes_no_number() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let first = service.start(&pipeline, "a").await.unwrap();
    assert_eq!(service.start(&pipeline, "a").await.unwrap().id, first.id);
    assert_eq!(service.start(&pipeline, "b").await.unwrap().run_count, 2);
}

#[tokio::test]
async fn a_pipeline_without_a_free_place_is_busy_until_its_run_ends() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let first = service.start(&pipeline, "a").await.unwrap();
    let second = service.start(&pipeline, "b").await.unwrap();
    assert_eq!(
        service.begin(&second, 1, "x").await.verdict(),
        Verdict::Busy,
        "first come"
    );
    assert_eq!(
        service.begin(&first, 1, "x").await.verdict(),
        Verdict::Begun
    );
    assert_eq!(
        service.begin(&second, 1, "x").await.verdict(),
        Verdict::Busy
    );
    assert!(service.report(&first, 1, Outcome::Succeeded).await.over);
    assert_eq!(
        service.begin(&second, 1, "x").await.verdict(),
        Verdict::Begun
    );
}

#[tokio::test]
async fn what_a_lost_attempt_reports_is_refused_and_a_repeated_last_report_is_not() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    service.begin(&run, 1, "x").await;
    assert_eq!(service.end(&run, 1, AttemptEnd::Lost).await, 2);
    let late = service.report(&run, 1, Outcome::Succeeded).await;
    assert!(late.refused && late.over);
    assert_eq!(service.begin(&run, 1, "x").await.verdict(), Verdict::Over);
    let begun = service.begin(&run, 2, "y").await;
    assert_eq!(
        (begun.verdict(), begun.grants[0].r#try),
        (Verdict::Begun, 2)
    );
}

#[tokio::test]
async fn a_repeated_last_report_is_answered_again() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let run = service.start(&pipeline, "a").await.unwrap();
    service.begin(&run, 1, "x").await;
    for _ in 0..2 {
        let answer = service.report(&run, 1, Outcome::Succeeded).await;
        assert!(answer.over && answer.run_ended && !answer.refused);
    }
    let run = service.run(&pipeline, 1).await;
    assert_eq!(
        (run.state(), run.end_cause()),
        (RunState::Succeeded, EndCause::Completed)
    );
}

#[tokio::test]
async fn stopping_a_pipeline_ends_what_waits_and_tells_what_runs() {
    let mut service = service().await;
    let pipeline = service.define(ONE).await;
    let first = service.start(&pipeline, "a").await.unwrap();
    service.start(&pipeline, "b").await.unwrap();
    service.begin(&first, 1, "x").await;
    let states: Vec<RunState> = service
        .stop(&pipeline)
        .await
        .iter()
        .map(Run::state)
        .collect();
    assert_eq!(states, [RunState::Cancelled, RunState::Cancelling]);
    assert!(service.report(&first, 1, Outcome::Succeeded).await.over);
    assert_eq!(service.run(&pipeline, 1).await.state(), RunState::Cancelled);
}

#[tokio::test]
async fn a_definition_again_makes_no_version_and_another_of_the_name_is_refused() {
    let mut service = service().await;
    assert_eq!(service.define(ONE).await.version, 1);
    let again = DefineRequest {
        caller: Some(caller()),
        source: ONE.into(),
        upsert: true,
        ..Default::default()
    };
    let same = service
        .pipelines
        .define(again.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((same.version, same.created), (1, false));
    let refused = service
        .pipelines
        .define(DefineRequest {
            upsert: false,
            ..again
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn others_are_answered_while_a_monstrous_definition_is_read() {
    let service = service().await;
    let monster = DefineRequest {
        caller: Some(caller()),
        source: format!(
            "{{\"name\": \"x\", \"steps\": [{}1]}}",
            "1,".repeat(500_000)
        ),
        ..Default::default()
    };
    // The one thread of this test would be busy until the monster is read, were it read there.
    let mut pipelines = service.pipelines.clone();
    let mut read = Box::pin(pipelines.define(monster));
    let mut others = service.pipelines.clone();
    let listed = others.list_pipelines(ListPipelinesRequest {
        caller: Some(caller()),
        limit: 1,
        ..Default::default()
    });
    tokio::select! {
        biased;
        answer = &mut read => panic!("the monster was read first: {answer:?}"),
        answer = listed => assert!(answer.unwrap().into_inner().pipelines.is_empty()),
    }
    assert_eq!(read.await.unwrap_err().code(), Code::InvalidArgument);
}
