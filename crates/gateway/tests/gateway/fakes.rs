//! Services behind the gateway whose answers a test decides, and a client of the gateway.

mod others;
mod people;
mod pipelines;
pub(crate) mod tools;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request as HttpRequest, StatusCode};
use contracts::audit::audit_log_server::AuditLogServer;
use contracts::audit::{LatestActivityRequest, LatestActivityResponse};
use contracts::audit::{ListActionsResponse, ListTokenUsesResponse, RecordFilter};
use contracts::audit::{QueryActivityRequest, QueryActivityResponse};
use contracts::message::{Actor, RunState};
use contracts::pipeline::pipelines_server::PipelinesServer;
use contracts::pipeline::{
    DecideRequest, DefineRequest, Pipeline, PipelineRef, ResetRequest, Run, StartRunRequest, Step,
    StopRunsRequest,
};
use contracts::registry::people_server::PeopleServer;
use contracts::registry::registry_server::RegistryServer;
use contracts::registry::tokens_server::TokensServer;
use contracts::registry::tools_server::ToolsServer;
use contracts::registry::{Tool, UpdateToolRequest};
use contracts::scheduler::scheduler_server::SchedulerServer;
use contracts::scheduler::{DrainRequest, ExplainResponse};
use gateway::{Config, Upstreams};
use outbox::Bus;
use runtime::config::Secret;
use runtime::{Route, Tasks, route};
use serde_json::Value;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Service, ServiceExt as _};

pub(crate) const PIPELINE: &str = "5fd56d90979ee048ee660624";
pub(crate) const RUN: &str = "5fd56d90979ee048ee660aaa";

/// A stream of the audit log: its messages, then its end or an error.
pub(crate) type Tail = Vec<Result<QueryActivityResponse, Status>>;

/// What the services answer and have been asked.
#[derive(Default)]
pub(crate) struct Behind {
    pub(crate) pipeline: Pipeline,
    /// Pipelines of a list beyond the usual three.
    pub(crate) more_pipelines: i64,
    /// Calls of all services.
    pub(crate) calls: usize,
    pub(crate) runs: BTreeMap<i64, Run>,
    /// What the next calls of the pipeline service fail with, first to last.
    pub(crate) failures: VecDeque<Status>,
    pub(crate) queue_position: u32,
    pub(crate) starts: Vec<StartRunRequest>,
    pub(crate) defined: Vec<DefineRequest>,
    pub(crate) stops: Vec<StopRunsRequest>,
    pub(crate) resets: Vec<ResetRequest>,
    pub(crate) decisions: Vec<DecideRequest>,
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    pub(crate) tool: Tool,
    pub(crate) tool_changes: Vec<UpdateToolRequest>,
    pub(crate) people: people::Asked,
    pub(crate) drained: Vec<DrainRequest>,
    pub(crate) explains: ExplainResponse,
    pub(crate) activity: QueryActivityResponse,
    pub(crate) tails: VecDeque<Tail>,
    pub(crate) asked: Vec<QueryActivityRequest>,
    pub(crate) latest: LatestActivityResponse,
    pub(crate) latest_asked: Vec<LatestActivityRequest>,
    pub(crate) actions: ListActionsResponse,
    pub(crate) uses: ListTokenUsesResponse,
    pub(crate) records_asked: Vec<RecordFilter>,
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
        Self::over(config, None)
    }

    pub(crate) fn over(config: &Config, bus: Option<Bus>) -> Self {
        let fake = Fake::known();
        let pipeline = local(PipelinesServer::new(fake.clone()));
        Self::of(config, fake, pipeline, bus)
    }

    /// The same with the pipeline service behind a socket.
    pub(crate) async fn remote() -> Self {
        let fake = Fake::known();
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = runtime::serve::listen(address, "--grpc").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Routes::new(PipelinesServer::new(fake.clone()));
        let (key, ready) = (Secret::default(), runtime::Readiness::new());
        runtime::serve::grpc(listener, routes, key, &ready, &Tasks::new()).await;
        let pipeline = route::remote(&url, &Secret::default(), route::LIMIT).unwrap();
        Self::of(&Config::default(), fake, pipeline, None)
    }

    fn of(config: &Config, fake: Fake, pipeline: Route, bus: Option<Bus>) -> Self {
        let upstreams = Upstreams {
            pipeline,
            registry: registry(&fake),
            scheduler: local(SchedulerServer::new(fake.clone())),
            audit_log: local(AuditLogServer::new(fake.clone())),
        };
        let tasks = Tasks::new();
        let router = gateway::start(config, upstreams, bus, &tasks);
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
        role: "owner".into(),
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

fn registry(fake: &Fake) -> Route {
    let routes = Routes::new(RegistryServer::new(fake.clone()))
        .add_service(ToolsServer::new(fake.clone()))
        .add_service(PeopleServer::new(fake.clone()))
        .add_service(TokensServer::new(fake.clone()));
    route::local(routes, route::LIMIT)
}

fn local<S>(service: S) -> Route
where
    S: Service<HttpRequest<tonic::body::Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Response: axum::response::IntoResponse,
    S::Future: Send + 'static,
{
    route::local(Routes::new(service), route::LIMIT)
}

impl Fake {
    fn known() -> Self {
        let fake = Self::default();
        fake.set(|behind| {
            behind.pipeline = pipeline();
            behind.runs = [(3, run(3, RunState::Succeeded))].into();
        });
        fake
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Behind)) {
        change(&mut self.behind.lock().unwrap());
    }

    fn answer<T>(
        &self,
        answer: impl FnOnce(&mut Behind) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let mut behind = self.behind.lock().unwrap();
        behind.calls += 1;
        answer(&mut behind).map(Response::new)
    }

    fn of_pipeline<T>(
        &self,
        text: Option<PipelineRef>,
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

/// Somebody who stops a run.
pub(crate) fn ada() -> Actor {
    Actor {
        user_id: "5e1cbf251c26d68f7ce6361e".into(),
        name: "Ada".into(),
        token_id: "t".into(),
        ..Actor::default()
    }
}
