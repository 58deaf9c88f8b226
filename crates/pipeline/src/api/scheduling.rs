//! What the scheduler asks for schedules.

use contracts::access::Right;
use contracts::pipeline::permit_request::Right as Asked;
use contracts::pipeline::start_outcome::What;
use contracts::pipeline::{
    self as wire, EndedRun, ListEndedRequest, ListEndedResponse, PermitRequest, PermitResponse,
    Permitted, ScheduledStart, StartOutcome, StartRunsRequest, StartRunsResponse,
};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::caller::Caller;
use crate::entity::pipeline;
use crate::reference::Reference;
use crate::store::{Overlap, Scheduled, ScheduledStarted, Slot, Store};

/// Starts and references of a call, at most.
const MOST: usize = 1000;
/// Pipelines whose ended runs are asked for at once.
const MOST_WATCHED: usize = 500;

/// The service of schedules' runs.
pub(crate) struct Scheduling {
    store: Store,
}

impl Scheduling {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn permitted(&self, request: PermitRequest) -> Result<Vec<pipeline::Model>, Error> {
        let right = request.right();
        let caller = Caller::of(request.caller)?;
        at_most(MOST, request.pipelines.len())?;
        let named = request.pipelines.into_iter().map(|it| it.text);
        let rights: &[Right] = match right {
            Asked::Unspecified | Asked::View => &[Right::View],
            Asked::Run => &[Right::Run],
            Asked::RunAndStop => &[Right::Run, Right::Stop],
        };
        if request.leave_out {
            let ids: Vec<_> = named.collect();
            return self.store.permitted(&caller, &ids, rights[0]).await;
        }
        let mut found = Vec::new();
        for text in named {
            let row = self
                .store
                .find(&caller, &Reference::of(&text)?, rights[0])
                .await?;
            for right in rights {
                caller.must(*right, &row, &text)?;
            }
            found.push(row);
        }
        Ok(found)
    }
}

#[tonic::async_trait]
impl wire::scheduling_server::Scheduling for Scheduling {
    async fn permit(
        &self,
        request: Request<PermitRequest>,
    ) -> Result<Response<PermitResponse>, Status> {
        let rows = self.permitted(request.into_inner()).await?;
        let pipelines = rows.into_iter().map(|row| Permitted {
            id: row.id,
            number: row.number,
            name: row.name,
        });
        Ok(Response::new(PermitResponse {
            pipelines: pipelines.collect(),
        }))
    }

    async fn start_runs(
        &self,
        request: Request<StartRunsRequest>,
    ) -> Result<Response<StartRunsResponse>, Status> {
        let starts = request.into_inner().starts;
        at_most(MOST, starts.len())?;
        let starts: Result<Vec<_>, _> = starts.into_iter().map(scheduled).collect();
        let started = self.store.start_scheduled(starts?).await?;
        Ok(Response::new(StartRunsResponse {
            outcomes: started.into_iter().map(outcome).collect(),
        }))
    }

    async fn list_ended(
        &self,
        request: Request<ListEndedRequest>,
    ) -> Result<Response<ListEndedResponse>, Status> {
        let request = request.into_inner();
        at_most(MOST_WATCHED, request.pipeline_ids.len())?;
        let limit = u64::from(request.limit.clamp(1, 1000));
        let runs = self.store.ended_runs(
            request.pipeline_ids,
            request.ended_since_ms,
            request.after,
            limit,
        );
        let runs = runs.await?.into_iter().map(|it| EndedRun {
            number: it.number,
            run_id: it.id,
            pipeline_id: it.pipeline_id,
            ended_at_ms: it.ended_at_ms,
            silent: it.silent,
            schedule_id: it.schedule_id.unwrap_or_default(),
            slot: it.slot.unwrap_or_default(),
        });
        Ok(Response::new(ListEndedResponse {
            runs: runs.collect(),
        }))
    }
}

fn at_most(most: usize, count: usize) -> Result<(), Error> {
    if count <= most {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "{count} at once are too many: {most} at most"
    )))
}

fn scheduled(start: ScheduledStart) -> Result<Scheduled, Error> {
    let by = if start.only_known {
        Caller::system("")
    } else {
        Caller::of(start.caller)?
    };
    Ok(Scheduled {
        by,
        only_known: start.only_known,
        pipeline_id: start.pipeline_id,
        slot: Slot {
            schedule_id: start.schedule_id,
            schedule_number: start.schedule_number,
            name: start.slot,
            upstream_run_id: Some(start.upstream_run_id).filter(|it| !it.is_empty()),
        },
        parameters: start.parameters.into_iter().collect(),
        order_number: start.order_number,
        on_behalf_of: start.on_behalf_of,
        overlap: match (start.unless_active, start.cancel_active) {
            (true, _) => Overlap::Unless,
            (false, true) => Overlap::Cancel,
            (false, false) => Overlap::Ignore,
        },
    })
}

fn outcome(started: ScheduledStarted) -> StartOutcome {
    let (what, run) = match started {
        ScheduledStarted::Accepted(run) => (What::Accepted, run),
        ScheduledStarted::Repeated(run) => (What::Repeated, run),
        ScheduledStarted::Active => return without_run(What::Active, None),
        ScheduledStarted::Unknown => return without_run(What::Unknown, None),
        ScheduledStarted::Refused(error @ Error::NoStep(_)) => {
            return without_run(What::NoStep, Some(&error));
        }
        ScheduledStarted::Refused(error) => return without_run(What::Refused, Some(&error)),
    };
    StartOutcome {
        what: what.into(),
        run_id: run.id,
        run_count: run.run_count,
        requested_at_ms: run.requested_at_ms,
        message: String::new(),
    }
}

/// No run is there, with why in words where that is to be said.
fn without_run(what: What, why: Option<&Error>) -> StartOutcome {
    let message = why.map(ToString::to_string).unwrap_or_default();
    StartOutcome {
        what: what.into(),
        message: message.chars().take(1000).collect(),
        ..StartOutcome::default()
    }
}
