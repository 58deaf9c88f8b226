//! Services behind the gateway whose answers a test decides, and a client of the gateway.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request as HttpRequest, StatusCode};
use contracts::audit::audit_log_server::{AuditLog, AuditLogServer};
use contracts::audit::{
    LatestActivityRequest, LatestActivityResponse, QueryActivityRequest, QueryActivityResponse,
};
use contracts::message::{Actor, RunState};
use contracts::pipeline::pipelines_server::{Pipelines, PipelinesServer};
use contracts::pipeline::{
    DefineRequest, DeletePipelineRequest, DeletePipelineResponse, GetPipelineRequest,
    GetRunRequest, ListPipelinesRequest, ListPipelinesResponse, ListRunsRequest, ListRunsResponse,
    Pipeline, ResetRequest, ResetResponse, Run, StartRunRequest, StartRunResponse, Step,
    StopRunsRequest, StopRunsResponse,
};
use contracts::registry::registry_server::{Registry, RegistryServer};
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, PutSecretRequest, PutSecretResponse,
    RevealSecretsRequest, RevealSecretsResponse, Secret,
};
use contracts::scheduler::scheduler_server::{Scheduler, SchedulerServer};
use contracts::scheduler::{
    DrainRequest, DrainResponse, Executor, ExplainRequest, ExplainResponse, FromExecutor,
    ListExecutorsRequest, ListExecutorsResponse, ToExecutor,
};
use futures::Stream;
use gateway::{Config, Upstreams};
use runtime::{Tasks, route};
use serde_json::Value;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

pub(crate) const PIPELINE: &str = "5fd56d90979ee048ee660624";
pub(crate) const RUN: &str = "5fd56d90979ee048ee660aaa";

/// A stream of the audit log: its messages, then its end or an error.
pub(crate) type Tail = Vec<Result<QueryActivityResponse, Status>>;

/// What the services answer and have been asked.
#[derive(Default)]
pub(crate) struct Behind {
    pub(crate) pipeline: Pipeline,
    pub(crate) runs: BTreeMap<i64, Run>,
    /// What the next calls of the pipeline service fail with, first to last.
    pub(crate) failures: VecDeque<Status>,
    pub(crate) queue_position: u32,
    pub(crate) starts: Vec<StartRunRequest>,
    pub(crate) defined: Vec<DefineRequest>,
    pub(crate) stops: Vec<StopRunsRequest>,
    pub(crate) resets: Vec<ResetRequest>,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    pub(crate) drained: Vec<DrainRequest>,
    pub(crate) explains: ExplainResponse,
    pub(crate) activity: QueryActivityResponse,
    pub(crate) tails: VecDeque<Tail>,
    pub(crate) asked: Vec<QueryActivityRequest>,
    pub(crate) latest: LatestActivityResponse,
    pub(crate) latest_asked: Vec<LatestActivityRequest>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    behind: Arc<Mutex<Behind>>,
    pub(crate) authentications: Arc<AtomicU32>,
}

/// The gateway, with services behind it.
pub(crate) struct World {
    pub(crate) fake: Fake,
    pub(crate) tasks: Tasks,
    router: Router,
}

/// An answer of the gateway.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Config::default())
    }

    pub(crate) fn with(config: &Config) -> Self {
        let fake = Fake::default();
        fake.set(|behind| {
            behind.pipeline = pipeline();
            behind.runs = [(3, run(3, RunState::Succeeded))].into();
        });
        let local = |routes| route::local(routes, route::LIMIT);
        let upstreams = Upstreams {
            pipeline: local(Routes::new(PipelinesServer::new(fake.clone()))),
            registry: local(Routes::new(RegistryServer::new(fake.clone()))),
            scheduler: local(Routes::new(SchedulerServer::new(fake.clone()))),
            audit_log: local(Routes::new(AuditLogServer::new(fake.clone()))),
        };
        let tasks = Tasks::new();
        let router = gateway::start(config, upstreams, None, &tasks);
        Self {
            fake,
            tasks,
            router,
        }
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behind)) {
        self.fake.set(change);
    }

    pub(crate) fn behind<T>(&self, look: impl FnOnce(&Behind) -> T) -> T {
        look(&self.fake.behind.lock().unwrap())
    }

    /// Asks as the administrator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(
            request(method, path)
                .body(Body::from(body.to_owned()))
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    pub(crate) async fn send(&self, request: HttpRequest<Body>) -> Answer {
        let (parts, body) = self.stream(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    pub(crate) async fn stream(&self, request: HttpRequest<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }
}

/// A request of the administrator.
pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer admin")
}

pub(crate) fn pipeline() -> Pipeline {
    Pipeline {
        id: PIPELINE.into(),
        number: 7,
        name: "Blank Template".into(),
        account: "org".into(),
        owner: "5e1cbf251c26d68f7ce6361e".into(),
        owner_name: "Ada".into(),
        version: 2,
        run_count: 3,
        created_at_ms: 1_600_000_000_000,
        updated_at_ms: 1_600_000_001_000,
        definition_json: r#"{"name":"Blank Template","visibility":"public_rw","concurrency":1,
            "steps":[{"id":"build","run":"make"},{"id":"go","name":"Go?","approval":{"message":"ok?"}}]}"#
            .into(),
        steps: vec![
            Step { slug: "build".into(), id: "1".repeat(24), number: 1, name: "build".into() },
            Step { slug: "go".into(), id: "2".repeat(24), number: 2, name: "Go?".into() },
        ],
        ..Default::default()
    }
}

pub(crate) fn run(run_count: i64, state: RunState) -> Run {
    Run {
        id: RUN.into(),
        number: 40 + run_count,
        pipeline_id: PIPELINE.into(),
        pipeline_name: "Blank Template".into(),
        run_count,
        version: 2,
        state: state.into(),
        attempt: 1,
        concurrency: 1,
        requested_at_ms: 1_600_000_002_000,
        ..Default::default()
    }
}

/// A status as the services make them.
pub(crate) fn fault(code: Code, reason: &str, message: &str) -> Status {
    Status::with_error_details(
        code,
        message,
        ErrorDetails::with_error_info(reason, "penstock", []),
    )
}

impl Fake {
    pub(crate) fn set(&self, change: impl FnOnce(&mut Behind)) {
        change(&mut self.behind.lock().unwrap());
    }

    fn answer<T>(
        &self,
        answer: impl FnOnce(&mut Behind) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        answer(&mut self.behind.lock().unwrap()).map(Response::new)
    }

    fn of_pipeline<T>(
        &self,
        text: Option<contracts::pipeline::PipelineRef>,
        answer: impl FnOnce(&mut Behind) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.answer(|behind| {
            if let Some(failure) = behind.failures.pop_front() {
                return Err(failure);
            }
            let text = text.map_or_else(String::new, |it| it.text);
            let known = [PIPELINE, "7", "Blank Template"].contains(&text.as_str());
            if !known {
                let message = format!("there is no pipeline \"{text}\"");
                return Err(fault(Code::NotFound, "NO_PIPELINE", &message));
            }
            answer(behind)
        })
    }
}

#[async_trait::async_trait]
impl Pipelines for Fake {
    async fn define(&self, request: Request<DefineRequest>) -> Result<Response<Pipeline>, Status> {
        let request = request.into_inner();
        self.answer(|behind| {
            if let Some(failure) = behind.failures.pop_front() {
                return Err(failure);
            }
            behind.defined.push(request);
            Ok(behind.pipeline.clone())
        })
    }

    async fn get_pipeline(
        &self,
        request: Request<GetPipelineRequest>,
    ) -> Result<Response<Pipeline>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |behind| {
            Ok(behind.pipeline.clone())
        })
    }

    async fn list_pipelines(
        &self,
        request: Request<ListPipelinesRequest>,
    ) -> Result<Response<ListPipelinesResponse>, Status> {
        let ListPipelinesRequest { limit, cursor, .. } = request.into_inner();
        self.answer(|behind| {
            // Three pipelines, numbered by the cursor.
            let from: i64 = cursor.parse().unwrap_or(0);
            let to = (from + i64::from(limit)).min(3);
            let each = (from..to).map(|number| Pipeline {
                number,
                ..behind.pipeline.clone()
            });
            let next_cursor = if to < 3 {
                to.to_string()
            } else {
                String::new()
            };
            Ok(ListPipelinesResponse {
                pipelines: each.collect(),
                next_cursor,
            })
        })
    }

    async fn delete_pipeline(
        &self,
        request: Request<DeletePipelineRequest>,
    ) -> Result<Response<DeletePipelineResponse>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |_| {
            Ok(DeletePipelineResponse {})
        })
    }

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<StartRunResponse>, Status> {
        let request = request.into_inner();
        self.set(|behind| behind.starts.push(request.clone()));
        self.of_pipeline(request.pipeline, |behind| {
            let run = run(behind.pipeline.run_count + 1, RunState::Queued);
            let queue_position = behind.queue_position;
            Ok(StartRunResponse {
                run: Some(run),
                repeated: false,
                queue_position,
            })
        })
    }

    async fn stop_runs(
        &self,
        request: Request<StopRunsRequest>,
    ) -> Result<Response<StopRunsResponse>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline.clone(), |behind| {
            let named = request.run_count;
            let each = behind
                .runs
                .values()
                .filter(|it| named == 0 || it.run_count == named);
            let runs = each.cloned().collect();
            behind.stops.push(request);
            Ok(StopRunsResponse {
                runs,
                queued_runs_cancelled: behind.queue_position,
            })
        })
    }

    async fn reset(
        &self,
        request: Request<ResetRequest>,
    ) -> Result<Response<ResetResponse>, Status> {
        let request = request.into_inner();
        self.of_pipeline(request.pipeline.clone(), |behind| {
            behind.resets.push(request);
            Ok(ResetResponse {})
        })
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        let GetRunRequest {
            pipeline,
            run_count,
            ..
        } = request.into_inner();
        self.of_pipeline(pipeline, |behind| {
            let found = match run_count {
                0 => behind.runs.values().next_back(),
                named => behind.runs.get(&named),
            };
            let message = format!("pipeline \"Blank Template\" has no run {run_count}");
            found
                .cloned()
                .ok_or_else(|| fault(Code::NotFound, "NO_RUN", &message))
        })
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        self.of_pipeline(request.into_inner().pipeline, |behind| {
            let runs = behind.runs.values().rev().cloned().collect();
            Ok(ListRunsResponse {
                runs,
                next_cursor: "more".into(),
            })
        })
    }
}

#[async_trait::async_trait]
impl Registry for Fake {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.authentications.fetch_add(1, Ordering::SeqCst);
        let roles: &[&str] = match request.into_inner().token.as_str() {
            "admin" => &["site_administrator"],
            "user" => &["site_user"],
            "away" => return Err(Status::unavailable("the registry sleeps at 10.0.0.7")),
            _ => return Err(fault(Code::Unauthenticated, "TOKEN", "no such token")),
        };
        Ok(Response::new(AuthenticateResponse {
            token_id: "61043b2bbcb6d95b55adc5fd".into(),
            user_id: "5e1cbf251c26d68f7ce6361e".into(),
            user_name: "Ada".into(),
            account: "org".into(),
            scopes: vec!["api".into()],
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            expires_at_ms: 0,
        }))
    }

    async fn put_secret(
        &self,
        request: Request<PutSecretRequest>,
    ) -> Result<Response<PutSecretResponse>, Status> {
        let PutSecretRequest { name, value, .. } = request.into_inner();
        self.answer(|behind| {
            let created = behind.secrets.insert(name, value).is_none();
            Ok(PutSecretResponse { created })
        })
    }

    async fn delete_secret(
        &self,
        request: Request<DeleteSecretRequest>,
    ) -> Result<Response<DeleteSecretResponse>, Status> {
        let name = request.into_inner().name;
        self.answer(|behind| match behind.secrets.remove(&name) {
            Some(_) => Ok(DeleteSecretResponse {}),
            None => Err(fault(
                Code::NotFound,
                "NO_SECRET",
                "there is no such secret",
            )),
        })
    }

    async fn list_secrets(
        &self,
        request: Request<ListSecretsRequest>,
    ) -> Result<Response<ListSecretsResponse>, Status> {
        let ListSecretsRequest { after, limit, .. } = request.into_inner();
        self.answer(|behind| {
            let names = behind
                .secrets
                .keys()
                .filter(|name| **name > after)
                .take(limit as usize);
            let secrets = names
                .map(|name| Secret {
                    name: name.clone(),
                    created_at_ms: 1,
                    updated_at_ms: 2,
                })
                .collect();
            Ok(ListSecretsResponse { secrets })
        })
    }

    async fn reveal_secrets(
        &self,
        _: Request<RevealSecretsRequest>,
    ) -> Result<Response<RevealSecretsResponse>, Status> {
        Err(Status::permission_denied("not the gateway"))
    }
}

#[async_trait::async_trait]
impl Scheduler for Fake {
    type WorkStream = Pin<Box<dyn Stream<Item = Result<ToExecutor, Status>> + Send>>;

    async fn work(
        &self,
        _: Request<Streaming<FromExecutor>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        Err(Status::permission_denied("not the gateway"))
    }

    async fn list_executors(
        &self,
        _: Request<ListExecutorsRequest>,
    ) -> Result<Response<ListExecutorsResponse>, Status> {
        let executor = Executor {
            name: "one".into(),
            boot: 1,
            slots: 4,
            busy: 1,
            ..Default::default()
        };
        Ok(Response::new(ListExecutorsResponse {
            executors: vec![executor],
        }))
    }

    async fn drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<DrainResponse>, Status> {
        let request = request.into_inner();
        self.answer(|behind| {
            behind.drained.push(request);
            Ok(DrainResponse {})
        })
    }

    async fn explain(
        &self,
        _: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        self.answer(|behind| Ok(behind.explains.clone()))
    }
}

#[async_trait::async_trait]
impl AuditLog for Fake {
    type TailActivityStream =
        Pin<Box<dyn Stream<Item = Result<QueryActivityResponse, Status>> + Send>>;

    async fn query_activity(
        &self,
        request: Request<QueryActivityRequest>,
    ) -> Result<Response<QueryActivityResponse>, Status> {
        self.answer(|behind| {
            behind.asked.push(request.into_inner());
            Ok(behind.activity.clone())
        })
    }

    async fn tail_activity(
        &self,
        request: Request<QueryActivityRequest>,
    ) -> Result<Response<Self::TailActivityStream>, Status> {
        self.answer(|behind| {
            behind.asked.push(request.into_inner());
            let tail = behind.tails.pop_front();
            Ok(match tail {
                Some(tail) => Box::pin(futures::stream::iter(tail)) as Self::TailActivityStream,
                None => Box::pin(futures::stream::pending()),
            })
        })
    }

    async fn latest_activity(
        &self,
        request: Request<LatestActivityRequest>,
    ) -> Result<Response<LatestActivityResponse>, Status> {
        self.answer(|behind| {
            behind.latest_asked.push(request.into_inner());
            Ok(behind.latest.clone())
        })
    }
}

/// Somebody who stops a run.
pub(crate) fn ada() -> Actor {
    Actor {
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        name: "Ada".into(),
        token_id: "t".into(),
    }
}
