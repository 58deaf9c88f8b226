//! A pipeline service that says what a test tells it to, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use contracts::message::AttemptEnd;
use contracts::pipeline::attempts_server::{Attempts, AttemptsServer};
use contracts::pipeline::{
    AttemptTruth, BeginAttemptRequest, BeginAttemptResponse, CheckAttemptsRequest,
    CheckAttemptsResponse, EndAttemptRequest, EndAttemptResponse, ListLiveRequest,
    ListLiveResponse, ListQueuedRequest, ListQueuedResponse, LiveAttempt, QueuedRun, ReportRequest,
    ReportResponse,
};
use tonic::{Request, Response, Status};

use super::scheduling::Started;

/// The pipeline service of a test. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipeline(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
pub(super) struct Known {
    ends: Vec<(String, u32, AttemptEnd)>,
    /// Runs that have no next attempt when one is ended.
    over: Vec<String>,
    truths: HashMap<(String, u32), AttemptTruth>,
    queued: Vec<QueuedRun>,
    live: Vec<LiveAttempt>,
    is_away: bool,
    pub(super) started: Started,
}

impl Pipeline {
    pub(crate) fn server(&self) -> AttemptsServer<Self> {
        AttemptsServer::new(self.clone())
    }

    /// The attempts that were ended, in order.
    pub(crate) fn ends(&self) -> Vec<(String, u32, AttemptEnd)> {
        self.known().ends.clone()
    }

    /// A run has no next attempt.
    pub(crate) fn is_over(&self, run_id: &str) {
        self.known().over.push(run_id.to_owned());
    }

    /// What is true of an attempt; such as it doesn't know are current and live.
    pub(crate) fn knows(&self, truth: AttemptTruth) {
        let attempt = truth.attempt.clone().unwrap();
        let key = (attempt.run_id, attempt.attempt);
        self.known().truths.insert(key, truth);
    }

    /// Runs that it has queued for long.
    pub(crate) fn has_queued(&self, runs: Vec<QueuedRun>) {
        self.known().queued = runs;
    }

    /// Attempts that live.
    pub(crate) fn has_live(&self, attempts: Vec<LiveAttempt>) {
        self.known().live = attempts;
    }

    /// Whether it can't be reached.
    pub(crate) fn goes_away(&self, is_away: bool) {
        self.known().is_away = is_away;
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    pub(super) fn asked(&self) -> Result<MutexGuard<'_, Known>, Status> {
        let known = self.known();
        if known.is_away {
            return Err(Status::unavailable("the pipeline service is away"));
        }
        Ok(known)
    }
}

#[tonic::async_trait]
impl Attempts for Pipeline {
    async fn begin_attempt(
        &self,
        _: Request<BeginAttemptRequest>,
    ) -> Result<Response<BeginAttemptResponse>, Status> {
        Err(Status::unimplemented("a scheduler begins nothing"))
    }

    async fn report(&self, _: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        Err(Status::unimplemented("a scheduler reports nothing"))
    }

    async fn end_attempt(
        &self,
        request: Request<EndAttemptRequest>,
    ) -> Result<Response<EndAttemptResponse>, Status> {
        let mut known = self.asked()?;
        let request = request.into_inner();
        let how = request.how();
        let run_ended = known.over.contains(&request.run_id);
        let next_attempt = if run_ended { 0 } else { request.attempt + 1 };
        known.ends.push((request.run_id, request.attempt, how));
        Ok(Response::new(EndAttemptResponse {
            next_attempt,
            run_ended,
        }))
    }

    async fn check_attempts(
        &self,
        request: Request<CheckAttemptsRequest>,
    ) -> Result<Response<CheckAttemptsResponse>, Status> {
        let known = self.asked()?;
        let truth = |attempt: contracts::pipeline::Attempt| {
            let key = (attempt.run_id.clone(), attempt.attempt);
            let told = known.truths.get(&key).cloned();
            told.unwrap_or(AttemptTruth {
                attempt: Some(attempt),
                current: true,
                live: true,
                ..AttemptTruth::default()
            })
        };
        let attempts = request.into_inner().attempts.into_iter().map(truth);
        let attempts = attempts.collect();
        Ok(Response::new(CheckAttemptsResponse { attempts }))
    }

    async fn list_queued(
        &self,
        request: Request<ListQueuedRequest>,
    ) -> Result<Response<ListQueuedResponse>, Status> {
        let (known, request) = (self.asked()?, request.into_inner());
        let after = known.queued.iter().filter(|it| it.run_id > request.after);
        let runs = after.take(1).cloned().collect();
        Ok(Response::new(ListQueuedResponse { runs }))
    }

    async fn list_live(
        &self,
        request: Request<ListLiveRequest>,
    ) -> Result<Response<ListLiveResponse>, Status> {
        let (known, request) = (self.asked()?, request.into_inner());
        let after = known.live.iter().filter(|it| it.run_id > request.after);
        let attempts = after.take(1).cloned().collect();
        Ok(Response::new(ListLiveResponse { attempts }))
    }
}
