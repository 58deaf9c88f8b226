//! What it costs to look at a token that was good lately, inside the gateway.

use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::http::{Request as Asked, StatusCode};
use contracts::registry::registry_server::{Registry, RegistryServer};
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, NameUserRequest, NameUserResponse, PutSecretRequest,
    PutSecretResponse, RevealSecretsRequest, RevealSecretsResponse,
};
use gateway::Upstreams;
use runtime::{Tasks, route};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::ServiceExt as _;

use crate::table::Table;

/// Requests of each kind.
const SAMPLES: usize = 20_000;

/// A request that shows no token, and one whose good token has no scope for what it asks: all that
/// the second does more is to look at its token, and to refuse.
pub(crate) async fn check(table: &mut Table) {
    let router = gateway();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        without.push(us(&router, None, StatusCode::UNAUTHORIZED).await);
        with.push(us(&router, Some("Bearer bench"), StatusCode::FORBIDDEN).await);
    }
    without.sort_by(f64::total_cmp);
    with.sort_by(f64::total_cmp);
    let at = |samples: &[f64], percent: usize| samples[(samples.len() - 1) * percent / 100];
    let row = |samples: &[f64]| format!("{:.1} / {:.1} µs", at(samples, 50), at(samples, 99));
    table.row(
        "refused without a token, in the gateway, p50 / p99",
        row(&without),
    );
    table.row(
        "the same with a check of a token from the cache, p50 / p99",
        row(&with),
    );
}

/// Microseconds of a request through the gateway's router.
async fn us(router: &Router, token: Option<&str>, expected: StatusCode) -> f64 {
    let mut request = Asked::builder().uri("/api/v2/executors");
    if let Some(token) = token {
        request = request.header("authorization", token);
    }
    let request = request.body(Body::empty()).expect("a request");
    let router = router.clone();
    let begun = Instant::now();
    let Ok(answer) = router.oneshot(request).await;
    let took = begun.elapsed();
    assert_eq!(answer.status(), expected);
    took.as_secs_f64() * 1e6
}

fn gateway() -> Router {
    let nobody = route::local(Routes::default(), route::LIMIT);
    let registry = Routes::new(RegistryServer::new(Known));
    let upstreams = Upstreams {
        pipeline: nobody.clone(),
        registry: route::local(registry, route::LIMIT),
        scheduler: nobody.clone(),
        audit_log: nobody,
    };
    gateway::start(&gateway::Config::default(), upstreams, None, &Tasks::new())
}

/// A registry to which every token is good for what is about tasks, which no route is.
struct Known;

type Answer<T> = Result<Response<T>, Status>;

fn nothing<T>() -> Answer<T> {
    Err(Status::unimplemented("tokens alone are looked at here"))
}

#[tonic::async_trait]
impl Registry for Known {
    async fn authenticate(&self, _: Request<AuthenticateRequest>) -> Answer<AuthenticateResponse> {
        Ok(Response::new(AuthenticateResponse {
            token_id: "61043b2bbcb6d95b55adc5fd".into(),
            user_id: "5e1cbf251c26d68f7ce6361e".into(),
            account: "default".into(),
            scopes: vec!["tasks".into()],
            ..Default::default()
        }))
    }

    async fn name_user(&self, _: Request<NameUserRequest>) -> Answer<NameUserResponse> {
        nothing()
    }

    async fn put_secret(&self, _: Request<PutSecretRequest>) -> Answer<PutSecretResponse> {
        nothing()
    }

    async fn delete_secret(&self, _: Request<DeleteSecretRequest>) -> Answer<DeleteSecretResponse> {
        nothing()
    }

    async fn list_secrets(&self, _: Request<ListSecretsRequest>) -> Answer<ListSecretsResponse> {
        nothing()
    }

    async fn reveal_secrets(
        &self,
        _: Request<RevealSecretsRequest>,
    ) -> Answer<RevealSecretsResponse> {
        nothing()
    }
}
