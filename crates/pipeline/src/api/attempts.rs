//! What executors and schedulers ask.

use std::collections::BTreeMap;

use contracts::message::AttemptEnd as EndMessage;
use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{
    self as wire, AttemptTruth, BeginAttemptRequest, BeginAttemptResponse, CheckAttemptsRequest,
    CheckAttemptsResponse, EndAttemptRequest, EndAttemptResponse, ListLiveRequest,
    ListLiveResponse, ListQueuedRequest, ListQueuedResponse, ReportRequest, ReportResponse,
};
use runtime::{Route, Tasks};
use tonic::{Request, Response, Status};

use self::answers::{begun_message, step_report, stop, verdict, wake_after_ms};
use crate::news;
use crate::run::{AttemptEnd, Holder, Run};
use crate::store::{Begun, Calls, Ending, Store};
use crate::{Error, Outside};

mod answers;
mod grants;

/// Characters that are kept of what kept an attempt from being carried out.
const MOST_OF_A_FAULT: usize = 1000;

/// The service of attempts.
pub(crate) struct Attempts {
    store: Store,
    calls: Calls,
    registry: Route,
    outside: Outside,
}

impl Attempts {
    pub(crate) fn new(store: Store, registry: Route, outside: Outside, tasks: &Tasks) -> Self {
        Self {
            calls: Calls::new(store.clone(), tasks),
            store,
            registry,
            outside,
        }
    }
}

#[tonic::async_trait]
impl wire::attempts_server::Attempts for Attempts {
    async fn begin_attempt(
        &self,
        request: Request<BeginAttemptRequest>,
    ) -> Result<Response<BeginAttemptResponse>, Status> {
        let request = request.into_inner();
        let holder = Holder {
            executor: request.executor,
            boot: request.boot,
        };
        let begun = self
            .calls
            .begin_attempt(&request.run_id, request.attempt, holder)
            .await?;
        let answer = match begun {
            Begun::Busy { waits_for } => BeginAttemptResponse {
                waits_for: waits_for.unwrap_or_default(),
                ..verdict(Verdict::Busy)
            },
            Begun::Over => verdict(Verdict::Over),
            Begun::Its(mut answer) => {
                let grants = self.grants(&mut answer).await?;
                if !answer.run.is_live(request.attempt) {
                    // What was granted is done outside, or can't be done.
                    return Ok(Response::new(verdict(Verdict::Over)));
                }
                let pipeline_name = self.store.name_of(&answer.row).await?;
                begun_message(&answer, grants, pipeline_name)?
            }
        };
        Ok(Response::new(answer))
    }

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        let ReportRequest {
            run_id,
            attempt,
            steps,
            last_seq,
        } = request.into_inner();
        let parse = move |run: &Run| {
            let reports = steps.iter().map(|step| step_report(run, step));
            reports.collect()
        };
        let mut answer = self.calls.report(&run_id, attempt, parse, last_seq).await?;
        if answer.refused {
            metrics::counter!("penstock_refused_reports_total").increment(1);
            tracing::warn!(
                run.id = run_id,
                run.attempt = attempt,
                "a late report was refused"
            );
        }
        let grants = self.grants(&mut answer).await?;
        let is_over = !answer.run.is_live(attempt);
        Ok(Response::new(ReportResponse {
            grants,
            over: is_over,
            refused: answer.refused,
            stop: stop(&answer.run).into(),
            wake_after_ms: wake_after_ms(&answer),
            run_ended: answer.run.state.is_final(),
            workspace_kept: answer.run.is_resumable(),
        }))
    }

    async fn end_attempt(
        &self,
        request: Request<EndAttemptRequest>,
    ) -> Result<Response<EndAttemptResponse>, Status> {
        let request = request.into_inner();
        let how = match request.how() {
            EndMessage::HandedBack => AttemptEnd::HandedBack,
            EndMessage::Lost => AttemptEnd::Lost,
            EndMessage::Unspecified | EndMessage::Finished => {
                let message = "an attempt can be ended as handed back or lost".to_owned();
                return Err(Error::Invalid(message).into());
            }
        };
        let fault: String = request.fault.chars().filter(|it| *it != '\0').collect();
        let fault = Some(fault.chars().take(MOST_OF_A_FAULT).collect::<String>());
        let ending = Ending {
            how,
            fault: fault.filter(|it| !it.is_empty()),
        };
        let after = self
            .store
            .end_attempt(&request.run_id, request.attempt, ending)
            .await?;
        Ok(Response::new(EndAttemptResponse {
            next_attempt: after.next_attempt,
            run_ended: after.run_ended,
        }))
    }

    async fn check_attempts(
        &self,
        request: Request<CheckAttemptsRequest>,
    ) -> Result<Response<CheckAttemptsResponse>, Status> {
        let asked = request.into_inner().attempts;
        let asked: BTreeMap<String, u32> = asked
            .into_iter()
            .map(|it| (it.run_id, it.attempt))
            .collect();
        let truths = self.store.truths(&asked).await?;
        let attempts = truths.into_iter().map(|truth| AttemptTruth {
            attempt: Some(wire::Attempt {
                run_id: truth.run_id,
                attempt: truth.attempt,
            }),
            current: truth.current,
            live: truth.live,
            run_ended: truth.ended,
            run_waiting: truth.waiting,
            stop: news::stop_mode(truth.stop).into(),
            workspace_kept: truth.workspace_kept,
        });
        Ok(Response::new(CheckAttemptsResponse {
            attempts: attempts.collect(),
        }))
    }

    async fn list_queued(
        &self,
        request: Request<ListQueuedRequest>,
    ) -> Result<Response<ListQueuedResponse>, Status> {
        let ListQueuedRequest {
            older_than_ms,
            after,
            limit,
        } = request.into_inner();
        let limit = u64::from(limit.clamp(1, 1000));
        let queued = self
            .store
            .queued(older_than_ms.into(), &after, limit)
            .await?;
        let runs = queued.into_iter().map(|it| wire::QueuedRun {
            run_id: it.row.id,
            pipeline_id: it.row.pipeline_id,
            run_count: it.row.run_count,
            attempt: it.row.attempt.cast_unsigned() + 1,
            concurrency: it.concurrency,
            priority: 0,
            requested_at_ms: it.row.queued_at_ms,
            order_number: it.row.order_number,
        });
        Ok(Response::new(ListQueuedResponse {
            runs: runs.collect(),
        }))
    }

    async fn list_live(
        &self,
        request: Request<ListLiveRequest>,
    ) -> Result<Response<ListLiveResponse>, Status> {
        let ListLiveRequest { after, limit } = request.into_inner();
        let live = self
            .store
            .live(&after, u64::from(limit.clamp(1, 1000)))
            .await?;
        let attempts = live.into_iter().map(|it| wire::LiveAttempt {
            run_id: it.row.run_id,
            attempt: it.row.attempt.cast_unsigned(),
            executor: it.row.executor,
            boot: it.row.boot.cast_unsigned(),
            age_ms: it.age_ms,
        });
        Ok(Response::new(ListLiveResponse {
            attempts: attempts.collect(),
        }))
    }
}
