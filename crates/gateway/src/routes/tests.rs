use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use contracts::registry::registry_server::{Registry, RegistryServer};
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, NameUserRequest, NameUserResponse, PutSecretRequest,
    PutSecretResponse, RevealSecretsRequest, RevealSecretsResponse,
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
    async fn name_user(
        &self,
        _: tonic::Request<NameUserRequest>,
    ) -> Result<Answer<NameUserResponse>, Status> {
        Err(Status::internal("not here"))
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
    let segment = |segment: &'static str| match segment {
        "{runCount}" => "1",
        variable if variable.starts_with('{') => "x",
        plain => plain,
    };
    let path: Vec<_> = row.path.split('/').map(segment).collect();
    let path = path.join("/");
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
            Access::Token(..) | SignIn(_) => StatusCode::UNAUTHORIZED,
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
    for row in ROWS.iter().filter(|row| !matches!(row.access, SignIn(_))) {
        for scope in [
            "api",
            "pipeline",
            "pipeline-readonly",
            "api-readonly",
            "registry",
        ] {
            let opens = match row.access {
                Access::Public => true,
                // Nobody of this test has a site role.
                Access::Token(_, Need::Site(_)) => false,
                Access::Token(scopes, _) => scopes.contains(&scope),
                SignIn(_) => unreachable!("left out above"),
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

#[tokio::test]
async fn an_empty_name_in_a_path_names_nothing() {
    for path in [
        "/api/v2/users//",
        "/api/v2/users//tokens",
        "/api/v2/pipelines//",
    ] {
        for method in ["GET", "DELETE"] {
            let request = Request::builder().uri(path).method(method);
            let request = request.header("authorization", "Bearer api");
            let request = request.body(Body::empty()).unwrap();
            let status = gateway().oneshot(request).await.unwrap().status();
            let is_refused = status == StatusCode::NOT_FOUND;
            let has_no_such_method = status == StatusCode::METHOD_NOT_ALLOWED;
            assert!(
                is_refused || has_no_such_method,
                "{method} {path}: {status}"
            );
        }
    }
}

#[test]
fn no_route_is_there_twice() {
    let routes: std::collections::HashSet<_> =
        ROWS.iter().map(|row| (row.method, row.path)).collect();
    assert_eq!(routes.len(), ROWS.len());
}
