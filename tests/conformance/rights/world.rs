//! The gateway over a real pipeline service, a real registry and a real scheduler, and what is asked
//! about.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use contracts::audit::audit_log_server::AuditLogServer;
use contracts::message::{Actor, Caller};
use contracts::pipeline::pipelines_client::PipelinesClient;
use contracts::pipeline::{DefineRequest, PipelineRef, StartRunRequest};
use contracts::scheduler::schedules_client::SchedulesClient;
use contracts::scheduler::{CreateScheduleRequest, ScheduleKind, ScheduleSpec};
use gateway::Upstreams;
use outbox::Bus;
use runtime::{Database, Readiness, Tasks, route};
use serde_json::{Value, json};
use tonic::service::Routes;
use tower::ServiceExt as _;

use super::people::Person;
use super::registered::Registered;
use super::tables::Route;

/// The account of all callers.
pub(crate) const ACCOUNT: &str = "ours";
/// The other one.
pub(crate) const OTHER: &str = "theirs";

/// Where that is which a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the callers' account, with rules.
    Rules,
    /// There, without any.
    NoRules,
    /// In another account, without rules.
    OtherAccount,
    /// The caller itself, or what is its own.
    Own,
    /// Another user of the account.
    Colleague,
}

impl Place {
    /// What its pipeline and its tool are called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rules => "with rules",
            Self::NoRules | Self::Own | Self::Colleague => "without rules",
            Self::OtherAccount => "elsewhere",
        }
    }

    /// Which of its kind belongs there.
    const fn at(self) -> usize {
        match self {
            Self::Rules => 0,
            Self::NoRules | Self::Own | Self::Colleague => 1,
            Self::OtherAccount => 2,
        }
    }

    pub(crate) fn account(self) -> &'static str {
        match self {
            Self::Rules | Self::NoRules | Self::Own | Self::Colleague => ACCOUNT,
            Self::OtherAccount => OTHER,
        }
    }

    fn definition(self, name: &str, script: &str) -> String {
        let roles = rules(self);
        json!({"name": name, "roles": roles, "steps": [{"id": "one", "run": script}]}).to_string()
    }
}

/// An answer of the gateway.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

pub(crate) struct World {
    router: Router,
    pipelines: PipelinesClient<runtime::Route>,
    schedules: SchedulesClient<runtime::Route>,
    registered: Registered,
    /// Of the pipelines, by place.
    ids: [String; 3],
    /// Of a schedule of each.
    schedule_ids: [String; 3],
    count: AtomicU32,
    tasks: Tasks,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.drain();
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        let (folder, tasks, ready) = (tempfile::tempdir().unwrap(), Tasks::new(), Readiness::new());
        let path = folder.path().display();
        let url = format!("sqlite://{path}");
        let database = Database::open::<pipeline::Migrator>(&url, "pipeline", &ready);
        let database = Box::pin(database).await.unwrap();
        let config = outbox::bus::Config {
            url: format!("embedded:{path}"),
            ..Default::default()
        };
        let bus = Bus::open(&config, &ready, &tasks).await.unwrap();
        let registered = Registered::start(folder.path(), &bus, &tasks).await;
        let (registry, others) = registered.upstream();
        let others = Routes::new(AuditLogServer::new(others));
        let others = route::local(others, route::LIMIT);
        let config = pipeline::Config::default();
        let pipelines = pipeline::start(config, database, &bus, registry.clone(), &tasks);
        let pipelines = route::local(pipelines, route::LIMIT);
        let database = Database::open::<scheduler::Migrator>(&url, "scheduler", &ready);
        let database = Box::pin(database).await.unwrap();
        let (config, peer) = (scheduler::Config::default(), pipelines.clone());
        let schedulers = scheduler::start(config, &database, &bus, peer, &tasks);
        let schedulers = route::local(schedulers, route::LIMIT);
        let upstreams = Upstreams {
            pipeline: pipelines.clone(),
            registry,
            scheduler: schedulers.clone(),
            audit_log: others,
        };
        let router = gateway::start(&gateway::Config::default(), upstreams, None, &tasks);
        let mut world = Self {
            router,
            pipelines: PipelinesClient::new(pipelines),
            schedules: SchedulesClient::new(schedulers),
            registered,
            ids: Default::default(),
            schedule_ids: Default::default(),
            count: AtomicU32::new(0),
            tasks,
            _folder: folder,
        };
        let places = [Place::Rules, Place::NoRules, Place::OtherAccount];
        for (at, place) in places.into_iter().enumerate() {
            let id = world.define(place, place.name()).await;
            world.run(place, &id).await;
            world.schedule_ids[at] = world.schedule(place, &id).await;
            world.ids[at] = id;
        }
        world
    }

    /// The id of a place's pipeline, which has run once.
    pub(crate) fn pipeline(&self, place: Place) -> &str {
        &self.ids[place.at()]
    }

    /// Asks a route about the pipeline of a place. What a route uses up is made for it.
    pub(crate) async fn ask(
        &self,
        route: &Route,
        who: &Person,
        scope: &str,
        place: Place,
    ) -> Answer {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = if route.method == "delete" && route.path.contains("{p}") {
            self.define(place, &format!("to be deleted {number}")).await
        } else {
            self.pipeline(place).to_owned()
        };
        // Only where the request gets that far is there anything to be used up.
        let uses_up = route.uses_up() && route.scopes.contains(&scope);
        let path = self
            .registered
            .path(route.path, who.id, place, uses_up)
            .await;
        let path = path.replace("{p}", &id).replace("{runCount}", "1");
        let path = path.replace("{name}", "some-name").replace("{id}", &id);
        let schedule_id = if route.method == "delete" && route.path.contains("{s}") {
            self.schedule(place, &id).await
        } else {
            self.schedule_ids[place.at()].clone()
        };
        let path = path.replace("{step}", "one").replace("{s}", &schedule_id);
        let query = self.registered.query(route.method, route.path, place);
        let path = format!("{path}{query}");
        if let Some(body) = self.registered.body(route.method, route.path, place) {
            let token = format!("{scope}.{}", who.id);
            let method = route.method.to_uppercase();
            return self.send(&method, &path, &token, body.to_string()).await;
        }
        let body = match (route.method, route.path) {
            ("put", "/api/v2/pipelines/{p}") => {
                place.definition(place.name(), &format!("echo {number}"))
            }
            ("put", _) => json!({"value": "x"}).to_string(),
            (_, "/api/v2/pipelines/{p}/duplicate") => {
                json!({"name": format!("copy {number}")}).to_string()
            }
            (_, path) if path.ends_with("/transfer") => {
                json!({"owner": "olga@example.org"}).to_string()
            }
            (_, "/api/v2/pipelines" | "/api/v1/pipeline/create") => {
                json!({"name": format!("new {number}"), "steps": []}).to_string()
            }
            ("post", "/api/v2/schedules" | "/api/v2/schedules/preview") => {
                json!({"pipeline": id, "cron": "0 0 1 1 *"}).to_string()
            }
            (_, "/api/v1/pipeline/status" | "/api/v1/pipeline/logs") => {
                json!({"pipelineId": id, "runCount": 1}).to_string()
            }
            (_, path) if path.starts_with("/api/v1/") => {
                json!({"pipelineId": id, "force": true}).to_string()
            }
            (_, path) if path.ends_with("/reset") => json!({"force": true}).to_string(),
            _ => "{}".to_owned(),
        };
        let token = format!("{scope}.{}", who.id);
        self.send(&route.method.to_uppercase(), &path, &token, body)
            .await
    }

    /// Asks with the scope that opens every route.
    pub(crate) async fn get(&self, who: &Person, path: &str) -> Value {
        let token = format!("api.{}", who.id);
        let answer = self.send("GET", path, &token, String::new()).await;
        serde_json::from_str(&answer.text).unwrap()
    }

    pub(crate) async fn post(&self, who: &Person, path: &str, body: &Value) -> Value {
        let token = format!("api.{}", who.id);
        let answer = self.send("POST", path, &token, body.to_string()).await;
        serde_json::from_str(&answer.text).unwrap()
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: String) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body))
            .unwrap();
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn define(&self, place: Place, name: &str) -> String {
        let request = DefineRequest {
            caller: Some(owner(place, self.registered.user_id("olga"))),
            source: place.definition(name, "echo 0"),
            ..Default::default()
        };
        let made = self.pipelines.clone().define(request).await.unwrap();
        made.into_inner().id
    }

    /// Makes a schedule of a place's pipeline that is not due for long.
    async fn schedule(&self, place: Place, pipeline: &str) -> String {
        let request = CreateScheduleRequest {
            caller: Some(owner(place, self.registered.user_id("olga"))),
            pipeline: pipeline.into(),
            owner: None,
            spec: Some(ScheduleSpec {
                kind: ScheduleKind::Cron.into(),
                cron: "0 0 29 2 *".into(),
                enabled: true,
                ..ScheduleSpec::default()
            }),
        };
        let made = self.schedules.clone().create_schedule(request).await;
        made.unwrap().into_inner().id
    }

    async fn run(&self, place: Place, id: &str) {
        let request = StartRunRequest {
            caller: Some(owner(place, self.registered.user_id("olga"))),
            pipeline: Some(PipelineRef { text: id.into() }),
            idempotency_key: "first".into(),
            ..Default::default()
        };
        self.pipelines.clone().start_run(request).await.unwrap();
    }
}

/// The rules of a pipeline or a tool.
pub(crate) fn rules(place: Place) -> Value {
    let rule = |role: &str, id: &str| json!({"role": role, "user": format!("{id}@example.org")});
    match place {
        Place::Rules => json!([
            rule("administrator", "adam"),
            rule("manager", "mary"),
            rule("secops", "sonja"),
            rule("user", "ute"),
            rule("guest", "gus"),
        ]),
        Place::NoRules | Place::OtherAccount | Place::Own | Place::Colleague => json!([]),
    }
}

/// Who owns what is in a place.
pub(crate) fn owner(place: Place, user_id: String) -> Caller {
    let actor = Actor {
        user_id,
        ..Actor::default()
    };
    Caller {
        actor: Some(actor),
        account: place.account().into(),
        roles: vec!["site_user".into()],
        ..Caller::default()
    }
}
