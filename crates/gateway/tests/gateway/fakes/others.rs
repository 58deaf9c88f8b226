//! The registry, the scheduler and the audit log, as far as a test says.

use std::pin::Pin;
use std::sync::atomic::Ordering;

use contracts::audit::audit_log_server::AuditLog;
use contracts::audit::{
    AuditKey, ExportAuditRequest, ExportAuditResponse, LatestActivityRequest,
    LatestActivityResponse, ListActionsRequest, ListActionsResponse, ListAuditKeysRequest,
    ListAuditKeysResponse, ListTokenUsesRequest, ListTokenUsesResponse, QueryActivityRequest,
    QueryActivityResponse,
};
use contracts::registry::registry_server::Registry;
use contracts::registry::{
    AuthenticateRequest, AuthenticateResponse, DeleteSecretRequest, DeleteSecretResponse,
    ListSecretsRequest, ListSecretsResponse, NameUserRequest, NameUserResponse, PutSecretRequest,
    PutSecretResponse, RevealSecretsRequest, RevealSecretsResponse, Secret,
};
use contracts::scheduler::scheduler_server::Scheduler;
use contracts::scheduler::{
    DrainRequest, DrainResponse, Executor, ExplainRequest, ExplainResponse, FromExecutor,
    ListExecutorsRequest, ListExecutorsResponse, ToExecutor,
};
use futures::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::{Fake, fault};

#[async_trait::async_trait]
impl Registry for Fake {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.authentications.fetch_add(1, Ordering::SeqCst);
        let token = request.into_inner().token;
        let roles: &[&str] = match token.as_str() {
            "admin" | "inside" => &["site_administrator"],
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
            cidrs: if token == "inside" {
                vec!["10.0.0.0/8".into()]
            } else {
                Vec::new()
            },
            ..AuthenticateResponse::default()
        }))
    }

    async fn name_user(
        &self,
        _: Request<NameUserRequest>,
    ) -> Result<Response<NameUserResponse>, Status> {
        Err(fault(Code::NotFound, "NO_USER", "there is no such user"))
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

    async fn list_actions(
        &self,
        request: Request<ListActionsRequest>,
    ) -> Result<Response<ListActionsResponse>, Status> {
        self.answer(|behind| {
            behind.records_asked.extend(request.into_inner().filter);
            Ok(behind.actions.clone())
        })
    }

    async fn list_token_uses(
        &self,
        request: Request<ListTokenUsesRequest>,
    ) -> Result<Response<ListTokenUsesResponse>, Status> {
        self.answer(|behind| {
            behind.records_asked.extend(request.into_inner().filter);
            Ok(behind.uses.clone())
        })
    }

    type ExportAuditStream =
        Pin<Box<dyn Stream<Item = Result<ExportAuditResponse, Status>> + Send>>;

    async fn export_audit(
        &self,
        request: Request<ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let request = request.into_inner();
        let lines = ["one\n", "two\nthree\n", &format!("{request:?}\n")].map(|lines| {
            Ok(ExportAuditResponse {
                lines: lines.into(),
            })
        });
        let lines: Self::ExportAuditStream = Box::pin(futures::stream::iter(lines));
        Ok(Response::new(lines))
    }

    async fn list_audit_keys(
        &self,
        _: Request<ListAuditKeysRequest>,
    ) -> Result<Response<ListAuditKeysResponse>, Status> {
        let key = AuditKey {
            id: "0011223344556677".into(),
            public_key: "ab".repeat(32),
            at_ms: 1_600_000_000_000,
        };
        Ok(Response::new(ListAuditKeysResponse { keys: vec![key] }))
    }
}
