//! The one table of routes: method, path, who may call, what answers.
//!
//! **Invariant:** a route exists only as a row, so none can be added without saying who may call
//! it; the `OpenAPI` document has the rows of `/api/v2` and no others (asserted by a test).

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use runtime::Kind;
use tracing::Span;

use crate::access::Target;
use crate::auth::{Identity, Who, bearer};
use crate::limits::Cost;
use crate::problem::Problem;
use crate::{Gateway, front, opsera, v2};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone, without a token.
    Public,
    /// A token with one of these scopes.
    Token(&'static [&'static str]),
    /// The same, of an owner with one of these site roles.
    Owner(&'static [&'static str], &'static [&'static str]),
}

/// A route.
pub(crate) struct Row {
    /// In lowercase.
    pub(crate) method: &'static str,
    /// In the router's and `OpenAPI`'s notation, which are the same.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// What a request takes from the budgets of its token.
    cost: Cost,
    handler: fn() -> MethodRouter<Arc<Gateway>>,
}

/// Site roles of those who look after the whole site.
const ADMINISTRATORS: &[&str] = &["opsera_administrator", "site_administrator"];
const POWER_USERS: &[&str] = &[
    "opsera_administrator",
    "site_administrator",
    "site_power_user",
];

const PIPELINE: Access = Access::Token(&["api", "pipeline"]);
const READING: Access = Access::Token(&["api", "pipeline", "api-readonly"]);
const LOGS: Access = Access::Token(&["api", "pipeline", "pipeline-readonly", "api-readonly"]);
const LISTING: Access = Access::Owner(&["api", "pipeline", "api-readonly"], POWER_USERS);
const API: Access = Access::Token(&["api"]);
const API_READING: Access = Access::Token(&["api", "api-readonly"]);
const ACT: Cost = Cost::Act;
const LIST: Cost = Cost::LIST;
const LOG: Cost = Cost::LOG;
const OPERATING: Access = Access::Owner(&["api"], ADMINISTRATORS);

macro_rules! rows {
    ($($method:ident $path:literal, $access:expr, $cost:expr => $handler:path;)*) => {
        &[$(Row {
            method: stringify!($method),
            path: $path,
            access: $access,
            cost: $cost,
            handler: || $method($handler),
        }),*]
    };
}

/// Every route.
#[rustfmt::skip]
pub(crate) const ROWS: &[Row] = rows! {
    post   "/api/v1/pipeline/run",                              PIPELINE,       ACT   => opsera::pipeline::run;
    post   "/api/v1/pipeline/status",                           LOGS,           ACT   => opsera::pipeline::status;
    post   "/api/v1/pipeline/reset",                            PIPELINE,       ACT   => opsera::pipeline::reset;
    post   "/api/v1/pipeline/stop",                             PIPELINE,       ACT   => opsera::pipeline::stop;
    post   "/api/v1/pipeline/summary",                          READING,        ACT   => opsera::pipeline::summary;
    post   "/api/v1/pipeline/logs",                             LOGS,           LOG   => opsera::activity::logs;
    get    "/api/v1/pipeline/pipelines",                        LISTING,        LIST  => opsera::listing::pipelines;
    post   "/api/v1/pipeline/create",                           PIPELINE,       ACT   => opsera::create::create;
    post   "/api/v1/pipeline/demo",                             PIPELINE,       ACT   => opsera::create::demo;

    get    "/api/v2/pipelines",                                 READING,        LIST  => v2::pipelines::list;
    post   "/api/v2/pipelines",                                 PIPELINE,       ACT   => v2::pipelines::create;
    get    "/api/v2/pipelines/{p}",                             READING,        ACT   => v2::pipelines::read;
    put    "/api/v2/pipelines/{p}",                             PIPELINE,       ACT   => v2::pipelines::replace;
    delete "/api/v2/pipelines/{p}",                             PIPELINE,       ACT   => v2::pipelines::delete;
    post   "/api/v2/pipelines/{p}/stop",                        PIPELINE,       ACT   => v2::pipelines::stop;
    post   "/api/v2/pipelines/{p}/reset",                       PIPELINE,       ACT   => v2::pipelines::reset;

    get    "/api/v2/pipelines/{p}/runs",                        READING,        LIST  => v2::runs::list;
    post   "/api/v2/pipelines/{p}/runs",                        PIPELINE,       ACT   => v2::runs::start;
    get    "/api/v2/pipelines/{p}/runs/{runCount}",             READING,        ACT   => v2::runs::read;
    post   "/api/v2/pipelines/{p}/runs/{runCount}/stop",        PIPELINE,       ACT   => v2::runs::stop;
    get    "/api/v2/pipelines/{p}/runs/{runCount}/logs",        LOGS,           LOG   => v2::logs::read;
    get    "/api/v2/pipelines/{p}/runs/{runCount}/explain",     READING,        ACT   => v2::explain::read;

    get    "/api/v2/secrets",                                   API_READING,    LIST  => v2::secrets::list;
    put    "/api/v2/secrets/{name}",                            API,            ACT   => v2::secrets::set;
    delete "/api/v2/secrets/{name}",                            API,            ACT   => v2::secrets::delete;

    get    "/api/v2/executors",                                 API_READING,    LIST  => v2::executors::list;
    post   "/api/v2/executors/{name}/drain",                    OPERATING,      ACT   => v2::executors::drain;

    get    "/api/v2/openapi.json",                              Access::Public, ACT   => v2::openapi::document;
    get    "/api/v2/schemas/pipeline.json",                     Access::Public, ACT   => v2::openapi::pipeline_schema;
};

/// The router of all rows. A path may end in a slash.
pub(crate) fn router(gateway: &Arc<Gateway>) -> Router {
    let mut router = Router::new().fallback(|| async {
        Problem::new(Kind::NotFound, "NO_ROUTE", "there is nothing at this path")
    });
    for row in ROWS {
        tracing::debug!(row.method, row.path, ?row.access, "serving a route");
        let guard = from_fn_with_state((gateway.clone(), row), guarded);
        let handler = (row.handler)().route_layer(guard);
        router = router
            .route(&format!("{}/", row.path), handler.clone())
            .route(row.path, handler);
    }
    router
        .layer(from_fn_with_state(gateway.clone(), front::front))
        .with_state(gateway.clone())
}

async fn guarded(
    State((gateway, row)): State<(Arc<Gateway>, &'static Row)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if row.access == Access::Public {
        return Ok(next.run(request).await);
    }
    let token = bearer(request.headers())?;
    check_text(&request)?;
    let target = Target::of(&request);
    let address = front::address(&request);
    let identity = match gateway
        .tokens
        .identify(token, &gateway.limits, address)
        .await
    {
        Ok(identity) => identity,
        Err(problem) => {
            let refusal = problem.into_response();
            gateway.access.note(target, None, "", &refusal);
            return Ok(refusal);
        }
    };
    let (scope, answer) = match row.access.check(&identity) {
        Ok(scope) => {
            if let Some(actor) = &identity.caller.actor {
                Span::current().record("user.id", actor.user_id.as_str());
            }
            request.extensions_mut().insert(Who(identity.clone()));
            (
                scope,
                within_budget(&gateway, row, &identity, next.run(request)).await,
            )
        }
        Err(problem) => ("", problem.into_response()),
    };
    gateway.access.note(target, Some(&identity), scope, &answer);
    Ok(answer)
}

/// Answers once the token's budget has been charged, and a read when there is room for it.
async fn within_budget(
    gateway: &Gateway,
    row: &Row,
    identity: &Identity,
    answer: impl Future<Output = Response>,
) -> Response {
    let left = match gateway.limits.spend(identity.token_id(), row.cost) {
        Ok(left) => left,
        Err(problem) => return problem.into_response(),
    };
    let _room = match row.cost {
        Cost::Read(_) => gateway.reads.acquire().await.ok(),
        Cost::Act => None,
    };
    let mut answer = answer.await;
    if let Some(left) = left {
        left.tell(answer.headers_mut());
    }
    answer
}

/// Refuses what no store can look for.
fn check_text(request: &Request) -> Result<(), Problem> {
    let asked = request.uri().path_and_query();
    if asked.is_some_and(|it| it.as_str().contains("%00")) {
        let detail = "the path or its query holds U+0000 (%00), and nothing is called that";
        return Err(Problem::invalid(detail));
    }
    Ok(())
}

impl Access {
    /// The scope that opens a route to this owner, or why none does.
    fn check(self, identity: &Identity) -> Result<&'static str, Problem> {
        let (scopes, roles) = match self {
            Self::Public => return Ok(""),
            Self::Token(scopes) => (scopes, None),
            Self::Owner(scopes, roles) => (scopes, Some(roles)),
        };
        let has = |scope: &&&str| identity.scopes.iter().any(|it| it == **scope);
        let Some(scope) = scopes.iter().find(has) else {
            let detail = format!(
                "the token's scope does not open this: {} does",
                scopes.join(" or ")
            );
            return Err(Problem::new(Kind::Denied, "SCOPE", detail));
        };
        if roles.is_some_and(|roles| !identity.has_role(roles)) {
            let detail = "this is for administrators of the site, and some of it for power users";
            return Err(Problem::new(Kind::Denied, "ROLE", detail));
        }
        Ok(scope)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use contracts::registry::registry_server::{Registry, RegistryServer};
    use contracts::registry::{
        AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
        ListSecretsRequest, ListSecretsResponse, PutSecretRequest, PutSecretResponse,
        RevealSecretsRequest, RevealSecretsResponse,
    };
    use runtime::{Tasks, route};
    use tonic::service::Routes;
    use tonic::{Response as Answer, Status};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{Config, Upstreams};

    /// Knows every token, and gives it the scope that the token names.
    struct Scopes;

    #[async_trait::async_trait]
    impl Registry for Scopes {
        async fn authenticate(
            &self,
            request: tonic::Request<AuthenticateRequest>,
        ) -> Result<Answer<AuthenticateResponse>, Status> {
            let scopes = vec![request.into_inner().token];
            Ok(Answer::new(AuthenticateResponse {
                scopes,
                ..Default::default()
            }))
        }
        async fn put_secret(
            &self,
            _: tonic::Request<PutSecretRequest>,
        ) -> Result<Answer<PutSecretResponse>, Status> {
            Err(Status::internal("not here"))
        }
        async fn delete_secret(
            &self,
            _: tonic::Request<DeleteSecretRequest>,
        ) -> Result<Answer<DeleteSecretResponse>, Status> {
            Err(Status::internal("not here"))
        }
        async fn list_secrets(
            &self,
            _: tonic::Request<ListSecretsRequest>,
        ) -> Result<Answer<ListSecretsResponse>, Status> {
            Err(Status::internal("not here"))
        }
        async fn reveal_secrets(
            &self,
            _: tonic::Request<RevealSecretsRequest>,
        ) -> Result<Answer<RevealSecretsResponse>, Status> {
            Err(Status::internal("not here"))
        }
    }

    fn gateway() -> Router {
        let nobody = route::local(Routes::default(), route::LIMIT);
        let registry = Routes::new(RegistryServer::new(Scopes));
        let upstreams = Upstreams {
            pipeline: nobody.clone(),
            registry: route::local(registry, route::LIMIT),
            scheduler: nobody.clone(),
            audit_log: nobody,
        };
        crate::start(&Config::default(), upstreams, None, &Tasks::new())
    }

    async fn status(row: &Row, token: Option<&str>) -> StatusCode {
        let path = row
            .path
            .replace("{p}", "x")
            .replace("{runCount}", "1")
            .replace("{name}", "x");
        let mut request = Request::builder()
            .method(row.method.to_uppercase().as_str())
            .uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        gateway().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn no_route_but_the_public_ones_answers_without_a_token() {
        for row in ROWS {
            let expected = match row.access {
                Access::Public => StatusCode::OK,
                Access::Token(_) | Access::Owner(..) => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(
                status(row, None).await,
                expected,
                "{} {}",
                row.method,
                row.path
            );
        }
        let public: Vec<_> = ROWS
            .iter()
            .filter(|row| row.access == Access::Public)
            .map(|row| row.path)
            .collect();
        assert_eq!(
            public,
            ["/api/v2/openapi.json", "/api/v2/schemas/pipeline.json"]
        );
    }

    #[tokio::test]
    async fn a_scope_opens_the_routes_that_name_it_and_no_others() {
        for row in ROWS {
            for scope in [
                "api",
                "pipeline",
                "pipeline-readonly",
                "api-readonly",
                "registry",
            ] {
                let opens = match row.access {
                    Access::Public => true,
                    Access::Token(scopes) => scopes.contains(&scope),
                    Access::Owner(..) => false,
                };
                let is_denied = status(row, Some(scope)).await == StatusCode::FORBIDDEN;
                assert_eq!(is_denied, !opens, "{scope}: {} {}", row.method, row.path);
            }
        }
    }

    #[tokio::test]
    async fn what_no_store_can_look_for_is_refused() {
        for path in [
            "/api/v2/secrets?cursor=%00",
            "/api/v2/pipelines/x/runs/1/logs?step=a%00b",
            "/api/v2/pipelines/%00",
        ] {
            let request = Request::builder().uri(path);
            let request = request.header("authorization", "Bearer api");
            let request = request.body(Body::empty()).unwrap();
            let answer = gateway().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        }
    }

    #[test]
    fn no_route_is_there_twice() {
        let routes: std::collections::HashSet<_> =
            ROWS.iter().map(|row| (row.method, row.path)).collect();
        assert_eq!(routes.len(), ROWS.len());
    }
}
