//! What the gateway asks: pipelines and their runs.

use contracts::access::Right;
use contracts::id::is_object_id;
use contracts::message::StopMode as StopMessage;
use contracts::pipeline as wire;
use runtime::{Aside, Fault as _, Kind, Route};
use steps::{Definition, Faults};
use tonic::{Request, Response, Status};

pub(super) use self::said::bounded;
use self::said::{ask, cursor, number, origin, renamed, told_owner};
use super::{gates, view};
use crate::Error;
use crate::caller::Caller;
use crate::entity::pipeline;
use crate::owner;
use crate::reference::Reference;
use crate::run::{EndCause, StopMode};
use crate::store::{
    Define, Owner, Start, StopAll, Store, Which, Wishes, conflict_fault, conflict_itself,
};

mod said;

/// The service of pipelines.
pub(crate) struct Pipelines {
    store: Store,
    /// Where definitions are read: one of 1 MiB can take a large part of a second.
    reading: Aside,
    registry: Route,
}

impl Pipelines {
    pub(crate) fn new(store: Store, registry: Route) -> Self {
        Self {
            store,
            reading: Aside::sparing(),
            registry,
        }
    }

    async fn find(
        &self,
        caller: &Caller,
        reference: Option<wire::PipelineRef>,
        right: Right,
    ) -> Result<pipeline::Model, Error> {
        let reference = Reference::of(&reference.unwrap_or_default().text)?;
        self.store.find(caller, &reference, right).await
    }

    /// Reads a definition, aside from the threads that answer others meanwhile.
    async fn definition(&self, source: String) -> Result<Definition, Error> {
        let read = self.reading.run(move || Definition::from_source(&source));
        read.await?.map_err(Error::Faults)
    }

    /// The ids of the pipelines that a definition's conflicts name, in their order.
    async fn conflicts(
        &self,
        caller: &Caller,
        definition: &Definition,
    ) -> Result<Vec<String>, Error> {
        let (mut ids, mut faults) = (Vec::new(), Vec::new());
        for (index, text) in definition.conflicts.iter().enumerate() {
            let text = text.clone();
            let is_own_name = text == definition.name;
            let named = Some(wire::PipelineRef { text });
            // Its runs will wait for those of the caller, as if they took its places.
            match self.find(caller, named, Right::Run).await {
                Ok(row) => ids.push(row.id),
                Err(Error::NoPipeline(_)) if is_own_name => faults.push(conflict_itself(index)),
                Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Internal) => {
                    return Err(error);
                }
                Err(error) => faults.push(conflict_fault(index, &error)),
            }
        }
        if faults.is_empty() {
            Ok(ids)
        } else {
            Err(Error::Faults(Faults(faults)))
        }
    }

    /// Stores a definition: of a new pipeline, or of the one that is named.
    async fn store_definition(
        &self,
        caller: Caller,
        definition: Definition,
        what: What,
    ) -> Result<wire::Pipeline, Error> {
        let conflicts = self.conflicts(&caller, &definition).await?;
        self.store
            .check_circle(caller.account(), what.pipeline_id.as_deref(), &definition)
            .await?;
        let define = Define {
            by: caller.clone(),
            pipeline_id: what.pipeline_id,
            definition,
            conflicts,
            upsert: what.upsert,
            copy_of: what.copy_of,
            owner: what.owner,
            same_name: what.same_name,
        };
        let stored = self.store.define(define).await?;
        view::pipeline(&self.store, &stored.row, &caller, stored.created).await
    }

    async fn whole_run(
        &self,
        row: &crate::entity::run::Model,
        pipeline: &pipeline::Model,
        caller: &Caller,
    ) -> Result<wire::Run, Error> {
        view::whole(&self.store, row, pipeline, caller).await
    }
}

#[tonic::async_trait]
impl wire::pipelines_server::Pipelines for Pipelines {
    async fn define(
        &self,
        request: Request<wire::DefineRequest>,
    ) -> Result<Response<wire::Pipeline>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let definition = self.definition(request.source).await?;
        let pipeline_id = match request.pipeline {
            Some(reference) => Some(self.find(&caller, Some(reference), Right::View).await?.id),
            None => None,
        };
        let what = What {
            pipeline_id,
            upsert: request.upsert,
            copy_of: None,
            owner: request.owner.map(told_owner).transpose()?,
            same_name: request.same_name,
        };
        let stored = self.store_definition(caller, definition, what);
        Ok(Response::new(stored.await?))
    }

    async fn duplicate(
        &self,
        request: Request<wire::DuplicateRequest>,
    ) -> Result<Response<wire::Pipeline>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::Publish).await?;
        let source = self.store.version(&row).await?.definition;
        let definition = self.definition(renamed(&source, &request.name)?).await?;
        let what = What {
            copy_of: Some(row.id),
            ..What::default()
        };
        let stored = self.store_definition(caller, definition, what);
        Ok(Response::new(stored.await?))
    }

    async fn transfer(
        &self,
        request: Request<wire::TransferRequest>,
    ) -> Result<Response<wire::Pipeline>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self
            .find(&caller, request.pipeline, Right::Transfer)
            .await?;
        let owner = owner::named(&self.registry, caller.account(), &request.owner).await?;
        let row = self.store.transfer(&row, &caller, owner).await?;
        let view = view::pipeline(&self.store, &row, &caller, false);
        Ok(Response::new(view.await?))
    }

    async fn set_lock(
        &self,
        request: Request<wire::SetLockRequest>,
    ) -> Result<Response<wire::Pipeline>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::Lock).await?;
        let reason = bounded("reason", request.reason, 1000)?;
        let reason = request.locked.then_some(reason);
        let row = self.store.set_lock(&row, &caller, reason).await?;
        let view = view::pipeline(&self.store, &row, &caller, false);
        Ok(Response::new(view.await?))
    }

    async fn list_tool_pipelines(
        &self,
        request: Request<wire::ListToolPipelinesRequest>,
    ) -> Result<Response<wire::ListToolPipelinesResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let names: Vec<String> = request.names.into_iter().take(10).collect();
        let after = number(&request.cursor)?.unwrap_or(0);
        let limit = request.limit.clamp(1, 100) as usize;
        let (found, next) = self
            .store
            .tool_pipelines(&caller, &names, after, limit)
            .await?;
        Ok(Response::new(wire::ListToolPipelinesResponse {
            pipelines: found.into_iter().map(view::tool_pipeline).collect(),
            next_cursor: next.map(|it| it.to_string()).unwrap_or_default(),
        }))
    }

    async fn list_tool_runs(
        &self,
        request: Request<wire::ListToolRunsRequest>,
    ) -> Result<Response<wire::ListToolRunsResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let before = number(&request.cursor)?.unwrap_or(i64::MAX);
        let limit = request.limit.clamp(1, 100) as usize;
        let (found, next) = self
            .store
            .tool_runs(&caller, &request.tool_id, before, limit)
            .await?;
        Ok(Response::new(wire::ListToolRunsResponse {
            runs: found.into_iter().map(view::tool_run).collect(),
            next_cursor: next.map(|it| it.to_string()).unwrap_or_default(),
        }))
    }

    async fn get_pipeline(
        &self,
        request: Request<wire::GetPipelineRequest>,
    ) -> Result<Response<wire::Pipeline>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::View).await?;
        if request.definition_only {
            let defined = view::defined(&self.store, &[row], &caller).await?;
            return Ok(Response::new(
                defined.into_iter().next().unwrap_or_default(),
            ));
        }
        let view = view::pipeline(&self.store, &row, &caller, false);
        Ok(Response::new(view.await?))
    }

    async fn list_pipelines(
        &self,
        request: Request<wire::ListPipelinesRequest>,
    ) -> Result<Response<wire::ListPipelinesResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let limit = request.limit.clamp(1, 1000) as usize;
        let after = cursor(&request.cursor)?;
        let which = Which {
            owner: &request.owner,
            latest_first: request.latest_first,
        };
        let page = self.store.pipelines(&caller, after, which, limit).await?;
        let next_cursor = page
            .next
            .map(|(updated_at_ms, number)| format!("{updated_at_ms}.{number}"))
            .unwrap_or_default();
        let pipelines = if request.brief {
            view::brief(&self.store, &page.rows, &caller).await?
        } else if request.definition_only {
            view::defined(&self.store, &page.rows, &caller).await?
        } else {
            view::pipelines(&self.store, &page.rows, &caller).await?
        };
        Ok(Response::new(wire::ListPipelinesResponse {
            pipelines,
            next_cursor,
        }))
    }

    async fn delete_pipeline(
        &self,
        request: Request<wire::DeletePipelineRequest>,
    ) -> Result<Response<wire::DeletePipelineResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::Delete).await?;
        self.store.delete(&row, &caller).await?;
        Ok(Response::new(wire::DeletePipelineResponse {}))
    }

    async fn start_run(
        &self,
        request: Request<wire::StartRunRequest>,
    ) -> Result<Response<wire::StartRunResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let reference = request.pipeline.unwrap_or_default().text;
        let pipeline_id = if is_object_id(&reference) {
            reference
        } else {
            let reference = Reference::of(&reference)?;
            // What they need besides is looked at when it is started.
            self.store.find(&caller, &reference, Right::View).await?.id
        };
        let origin = origin(
            request.idempotency_key,
            request.fingerprint,
            request.key_given,
        )?;
        let parameters = request.parameters.into_iter().collect();
        let start = Start {
            by: caller,
            pipeline_id,
            origin,
            parameters,
            unless_paused: request.unless_paused,
            resume: request.resume,
            parent: None,
            on_behalf_of: bounded(
                "name that it is started on behalf of",
                request.on_behalf_of,
                256,
            )?,
            wishes: Wishes {
                owner: request.owner.map(told_owner).transpose()?,
                debugging: request.debugging,
                allow_empty: request.allow_empty,
                ask: ask(request.gate, request.gate_message)?,
            },
        };
        let started = self.store.start_run(start).await?;
        Ok(Response::new(wire::StartRunResponse {
            run: Some(view::summary(&started.row, &started.pipeline)?),
            repeated: started.repeated,
            queue_position: u32::try_from(started.position).unwrap_or(u32::MAX),
        }))
    }

    async fn stop_runs(
        &self,
        request: Request<wire::StopRunsRequest>,
    ) -> Result<Response<wire::StopRunsResponse>, Status> {
        let request = request.into_inner();
        let mode = match request.mode() {
            StopMessage::Unspecified | StopMessage::Graceful => StopMode::Graceful,
            StopMessage::Cancel => StopMode::Cancel,
            StopMessage::Kill => StopMode::Kill,
        };
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::Stop).await?;
        let stop = StopAll {
            run_count: Some(request.run_count).filter(|it| *it != 0),
            mode,
            reason: bounded("reason", request.reason, 4096)?,
            by: caller,
            cause: EndCause::Stopped,
            keep_queue: request.keep_queue,
        };
        let stopped = self.store.stop_runs(&row, &stop).await?;
        let runs: Result<_, _> = stopped
            .rows
            .iter()
            .map(|run| view::summary(run, &row))
            .collect();
        let queued_runs_cancelled = stopped.queued;
        Ok(Response::new(wire::StopRunsResponse {
            runs: runs?,
            queued_runs_cancelled,
        }))
    }

    async fn decide(
        &self,
        request: Request<wire::DecideRequest>,
    ) -> Result<Response<wire::DecideResponse>, Status> {
        let mut request = request.into_inner();
        let caller = Caller::of(request.caller.take())?;
        let row = self.find(&caller, request.pipeline.take(), Right::Approve);
        let decided = gates::decide(&self.store, &row.await?, caller, request).await?;
        Ok(Response::new(decided))
    }

    async fn reset(
        &self,
        request: Request<wire::ResetRequest>,
    ) -> Result<Response<wire::ResetResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let row = self.find(&caller, request.pipeline, Right::Reset).await?;
        self.store.reset(&row, &caller, request.force).await?;
        Ok(Response::new(wire::ResetResponse {}))
    }

    async fn get_run(
        &self,
        request: Request<wire::GetRunRequest>,
    ) -> Result<Response<wire::Run>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let pipeline = self.find(&caller, request.pipeline, Right::View).await?;
        let row = match request.number {
            0 => self.store.run_of(&pipeline, request.run_count).await?,
            number => self.store.run_numbered(&pipeline, number).await?,
        };
        Ok(Response::new(
            self.whole_run(&row, &pipeline, &caller).await?,
        ))
    }

    async fn list_runs(
        &self,
        request: Request<wire::ListRunsRequest>,
    ) -> Result<Response<wire::ListRunsResponse>, Status> {
        let request = request.into_inner();
        let caller = Caller::of(request.caller)?;
        let pipeline = self.find(&caller, request.pipeline, Right::View).await?;
        let limit = request.limit.clamp(1, 1000);
        let below = cursor(&request.cursor)?.map_or(i64::MAX, |(_, run_count)| run_count);
        let choice = wire::RunChoice::try_from(request.choice).unwrap_or_default();
        let (id, all) = (&pipeline.id, choice == wire::RunChoice::Unspecified);
        let rows = match choice {
            wire::RunChoice::Unspecified => self.store.runs(id, below, limit.into()).await?,
            wire::RunChoice::LastEnded => self.store.last_ended(id).await?.into_iter().collect(),
            wire::RunChoice::Unfinished => self.store.unfinished(id, limit.into()).await?,
        };
        let next_cursor = match rows.last() {
            Some(last) if all && rows.len() == limit as usize && last.run_count > 1 => {
                format!("0.{}", last.run_count)
            }
            Some(_) | None => String::new(),
        };
        let runs: Result<_, _> = rows
            .iter()
            .map(|row| view::summary(row, &pipeline))
            .collect();
        Ok(Response::new(wire::ListRunsResponse {
            runs: runs?,
            next_cursor,
        }))
    }
}

/// Which pipeline a definition is for.
#[derive(Debug, Default)]
struct What {
    /// None for a new one.
    pipeline_id: Option<String>,
    /// Or for the one of its name.
    upsert: bool,
    /// The one that it is a copy of.
    copy_of: Option<String>,
    /// Whose a new one is, where it is not the caller's.
    owner: Option<Owner>,
    /// Make a new one also beside another of its name.
    same_name: bool,
}
