//! The scheduler and the pipeline service themselves, as far as an executor calls them.

use std::collections::HashMap;

use contracts::pipeline::attempts_server::Attempts;
use contracts::pipeline::{
    Attempt, AttemptTruth, BeginAttemptRequest, BeginAttemptResponse, CheckAttemptsRequest,
    CheckAttemptsResponse, EndAttemptRequest, EndAttemptResponse, ListLiveRequest,
    ListLiveResponse, ListQueuedRequest, ListQueuedResponse, ReportRequest, ReportResponse,
};
use contracts::scheduler::scheduler_server::Scheduler;
use contracts::scheduler::{
    DrainRequest, DrainResponse, ExplainRequest, ExplainResponse, FromExecutor,
    ListExecutorsRequest, ListExecutorsResponse, Renewed, ToExecutor, from_executor,
    to_executor::Says,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::world::{World, eventually};

#[tonic::async_trait]
impl Attempts for World {
    async fn begin_attempt(
        &self,
        _: Request<BeginAttemptRequest>,
    ) -> Result<Response<BeginAttemptResponse>, Status> {
        if self.script().outage {
            return Err(Status::unavailable("away"));
        }
        self.script().begun += 1;
        eventually("beginning is let on", || !self.script().holds_begin).await;
        let script = self.script();
        Ok(Response::new(BeginAttemptResponse {
            workspace_id: String::new(),
            workspace_base: 0,
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
            ..Default::default()
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
        if script.declines {
            return Err(Status::invalid_argument("no such report"));
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
        let reported = script.steps().len();
        let over = reported >= script.over_after;
        if Some(reported) == script.killed_by {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)
                .unwrap();
        }
        Ok(Response::new(ReportResponse {
            workspace_kept: false,
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
        let truth = |attempt: Attempt| AttemptTruth {
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
