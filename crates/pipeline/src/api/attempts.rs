//! What executors and schedulers ask.

use std::collections::{BTreeMap, HashMap};

use contracts::message::{AttemptEnd as EndMessage, ServedTool, StepRequested};
use contracts::pipeline::begin_attempt_response::Verdict;
use contracts::pipeline::{
    self as wire, AttemptTruth, BeginAttemptRequest, BeginAttemptResponse, CheckAttemptsRequest,
    CheckAttemptsResponse, EndAttemptRequest, EndAttemptResponse, Grant, ListLiveRequest,
    ListLiveResponse, ListQueuedRequest, ListQueuedResponse, ReportRequest, ReportResponse,
};
use runtime::{Route, Tasks};
use tonic::{Request, Response, Status};

use crate::news;
use crate::record::from_json;
use crate::run::{AttemptEnd, Holder, Outcome, Run, StepReport};
use crate::secrets::{self, Need, Revealed};
use crate::state::State;
use crate::store::{Answer, Begun, Calls, Ending, Handover, Store};
use crate::tools::{self, Resolved};
use crate::{Error, Outside};

/// What an operation is called that a step describes itself.
const OWN_OPERATION: &str = "custom";
/// Characters that are kept of what kept an attempt from being carried out.
const MOST_OF_A_FAULT: usize = 1000;

/// The service of attempts.
pub(crate) struct Attempts {
    store: Store,
    calls: Calls,
    registry: Route,
    outside: Outside,
}

/// What becomes of a step that was granted.
enum Granted {
    /// The executor carries it out.
    Inside(Box<Grant>),
    /// Whoever serves its tool does.
    Outside(Box<StepRequested>),
    /// It can't have what it needs; in words.
    Refused(String),
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

    /// Grants with the secrets and tools they need. A step that can't have what it needs fails
    /// here, and one whose tool is served outside is handed over; both may grant others.
    async fn grants(&self, answer: &mut Answer) -> Result<Vec<Grant>, Error> {
        let mut grants = Vec::new();
        while let Some(position) = answer.granted.pop() {
            match self.grant(answer, position).await? {
                Granted::Inside(grant) => grants.push(*grant),
                Granted::Outside(request) => self.hand_over(answer, position, *request).await?,
                Granted::Refused(message) => self.refuse_step(answer, position, message).await?,
            }
        }
        grants.reverse();
        Ok(grants)
    }

    async fn grant(&self, answer: &Answer, position: usize) -> Result<Granted, Error> {
        let step = &answer.run.plan.steps[position];
        let account = self.account_of(answer, step).await?;
        let need = Need {
            account: &account,
            run_id: &answer.row.id,
            step_id: &step.id,
            started_by: &answer.row.started_by,
            secrets: &step.secrets,
        };
        let secrets = match secrets::reveal(&self.registry, need).await? {
            Revealed::Values(secrets) => secrets,
            Revealed::Refused(message) => return Ok(Granted::Refused(message)),
        };
        let mut grant = Grant {
            step_id: step.id.clone(),
            r#try: answer.run.steps[position].progress.tries,
            secrets,
            tool_json: Vec::new(),
        };
        if let steps::Kind::Tool(tool) = &step.kind {
            let need = tools::Need {
                account: &account,
                run_id: &answer.row.id,
                step_id: &step.id,
                started_by: &answer.row.started_by,
                tool: &tool.tool,
                kind: tool.kind.as_deref().unwrap_or_default(),
            };
            let operation = tool.operation.as_str().unwrap_or(OWN_OPERATION);
            let of_try = (position, grant.r#try);
            match tools::resolve(&self.registry, need).await? {
                Resolved::Tool { id, json } => {
                    let run_id = &answer.row.id;
                    self.store.note_tool(run_id, of_try, &id, operation).await?;
                    grant.tool_json = json;
                }
                Resolved::Served(tool) => {
                    let run_id = &answer.row.id;
                    self.store
                        .note_tool(run_id, of_try, &tool.id, operation)
                        .await?;
                    return self.request(answer, position, &account, tool).await;
                }
                Resolved::Refused(message) => return Ok(Granted::Refused(message)),
            }
        }
        Ok(Granted::Inside(Box::new(grant)))
    }

    /// What is requested of whoever serves the step's tool, or why that can't be.
    async fn request(
        &self,
        answer: &Answer,
        position: usize,
        account: &str,
        tool: ServedTool,
    ) -> Result<Granted, Error> {
        if self.outside == Outside::Alone {
            return Ok(Granted::Refused(format!(
                "tool \"{}\" is served by an outside consumer (connector: kafka), which this \
                 installation's own bus doesn't reach: set bus.url to kafka://host:port",
                tool.name
            )));
        }
        let pipeline_name = self.store.name_of(&answer.row).await?;
        let request = news::step_requested(&answer.row, &answer.run, position);
        let request = StepRequested {
            account: account.to_owned(),
            pipeline_name,
            actor: Some(news::actor_message(&from_json(&answer.row.started_by)?)),
            ..request
        };
        let parameters: HashMap<String, String> = from_json(&answer.row.parameters)?;
        let planned = &answer.run.plan.steps[position];
        let called = tools::call(planned, &parameters, &answer.run.outputs());
        let called = called.and_then(|(operation, parameters_json)| {
            let request = StepRequested {
                tool: Some(tool),
                operation,
                parameters_json,
                ..request
            };
            // Said here, where it fails the step; later it would fail the executor's call.
            match outbox::Announcement::of(&request) {
                Ok(_) => Ok(request),
                Err(error) => Err(error.to_string()),
            }
        });
        Ok(match called {
            Ok(request) => Granted::Outside(Box::new(request)),
            Err(why) => Granted::Refused(why),
        })
    }

    async fn hand_over(
        &self,
        answer: &mut Answer,
        position: usize,
        request: StepRequested,
    ) -> Result<(), Error> {
        let (run_id, attempt) = (answer.row.id.clone(), answer.run.attempt);
        let handover = Handover { position, request };
        let mut next = self.calls.hand_over(&run_id, attempt, handover).await?;
        next.granted.append(&mut answer.granted);
        *answer = next;
        Ok(())
    }

    async fn account_of(&self, answer: &Answer, step: &steps::plan::Step) -> Result<String, Error> {
        if step.secrets.is_empty() && !matches!(step.kind, steps::Kind::Tool(_)) {
            return Ok(String::new());
        }
        self.store.account_of(&answer.row.pipeline_id).await
    }

    async fn refuse_step(
        &self,
        answer: &mut Answer,
        position: usize,
        message: String,
    ) -> Result<(), Error> {
        let failed = StepReport {
            position,
            of_try: answer.run.steps[position].progress.tries,
            outcome: Outcome::Failed,
            exit_code: None,
            message,
            outputs: BTreeMap::new(),
            ended_at_ms: answer.now_ms,
        };
        let last_seq = answer.run.last_seq;
        let attempt = answer.run.attempt;
        let reports = move |_: &Run| Ok(vec![failed.clone()]);
        let mut next = self
            .calls
            .report(&answer.row.id, attempt, reports, last_seq)
            .await?;
        next.granted.append(&mut answer.granted);
        *answer = next;
        Ok(())
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

fn verdict(verdict: Verdict) -> BeginAttemptResponse {
    BeginAttemptResponse {
        verdict: verdict.into(),
        ..Default::default()
    }
}

fn begun_message(
    answer: &Answer,
    grants: Vec<Grant>,
    pipeline_name: String,
) -> Result<BeginAttemptResponse, Error> {
    let outputs = answer.run.outputs();
    let workspace_id = answer.row.workspace_id.as_ref();
    let workspace_id = workspace_id.unwrap_or(&answer.row.id);
    Ok(BeginAttemptResponse {
        verdict: Verdict::Begun.into(),
        pipeline_id: answer.row.pipeline_id.clone(),
        pipeline_name,
        run_count: answer.row.run_count,
        plan_json: crate::record::to_json(&*answer.run.plan),
        parameters: from_json(&answer.row.parameters)?,
        grants,
        outputs,
        stop: stop(&answer.run).into(),
        debugging: answer.row.debugging,
        wake_after_ms: wake_after_ms(answer),
        waits_for: String::new(),
        workspace_id: workspace_id.clone(),
        workspace_base: answer.row.workspace_base.cast_unsigned(),
    })
}

fn stop(run: &Run) -> contracts::message::StopMode {
    news::stop_mode(run.stop.as_ref().map(|stop| stop.mode))
}

fn wake_after_ms(answer: &Answer) -> u32 {
    let is_over = answer.run.state == State::Waiting || answer.run.state.is_final();
    match answer.wake_ms {
        Some(due_ms) if !is_over => {
            u32::try_from((due_ms - answer.now_ms).max(1)).unwrap_or(u32::MAX)
        }
        Some(_) | None => 0,
    }
}

fn step_report(run: &Run, step: &wire::StepReport) -> Result<StepReport, Error> {
    let outcome = match step.outcome() {
        wire::Outcome::Succeeded => Outcome::Succeeded,
        wire::Outcome::Warned => Outcome::Warned,
        wire::Outcome::Failed => Outcome::Failed,
        wire::Outcome::TimedOut => Outcome::TimedOut,
        wire::Outcome::Cancelled => Outcome::Cancelled,
        wire::Outcome::Unspecified => {
            return Err(Error::Invalid("a step's report needs an outcome".into()));
        }
    };
    let unknown = || Error::Invalid(format!("the plan has no step \"{}\"", step.step_id));
    Ok(StepReport {
        position: run.plan.index_of(&step.step_id).ok_or_else(unknown)?,
        of_try: step.r#try,
        outcome,
        exit_code: step.exit_code,
        message: step.message.chars().take(4096).collect(),
        outputs: step.outputs.clone().into_iter().collect(),
        ended_at_ms: step.ended_at_ms,
    })
}
