//! The service of schedules: parse, ask whether the caller may, act, answer.
//!
//! **Invariant:** to whom a schedule's pipeline is hidden the schedule isn't there.

use std::collections::HashMap;

use contracts::id::ScheduleId;
use contracts::message::Caller;
use contracts::pipeline::permit_request::Right;
use contracts::pipeline::scheduling_client::SchedulingClient;
use contracts::pipeline::{PermitRequest, Permitted, PipelineRef};
use contracts::scheduler::{
    self as wire, CreateScheduleRequest, DeleteScheduleRequest, DeleteScheduleResponse,
    GetScheduleRequest, ListSchedulesRequest, ListSchedulesResponse, ListSlotsRequest,
    ListSlotsResponse, PauseScheduleRequest, PreviewScheduleRequest, PreviewScheduleResponse,
    PreviewSlot, ResumeScheduleRequest, ScheduleRef, UpdateScheduleRequest,
};
use runtime::clock;
use tonic::{Code, Request, Response, Status};

use crate::Error;
use crate::entity::schedule;
use crate::fire::Clockwork;
use crate::record;
use crate::schedule::Overlap;
use crate::store::{Change, NewSchedule, due_ms};

mod edit;
mod parse;
mod view;

/// References that one question to the pipeline service may have.
const ASKED_AT_ONCE: usize = 1000;

/// The service of schedules.
pub(crate) struct Schedules {
    pub(crate) clockwork: Clockwork,
}

/// By id, the pipelines that a caller may view.
type Visible = HashMap<String, Permitted>;

impl Schedules {
    /// The pipelines that references mean to a caller who has a right to each.
    async fn permit(
        &self,
        caller: &Caller,
        pipelines: Vec<String>,
        right: Right,
    ) -> Result<Vec<Permitted>, Status> {
        if pipelines.is_empty() {
            return Ok(Vec::new());
        }
        let request = PermitRequest {
            caller: Some(caller.clone()),
            pipelines: pipelines
                .into_iter()
                .map(|text| PipelineRef { text })
                .collect(),
            right: right.into(),
            leave_out: false,
        };
        let mut client = SchedulingClient::new(self.clockwork.pipeline.clone());
        Ok(client.permit(request).await?.into_inner().pipelines)
    }

    /// Those of the pipelines that a caller may view.
    async fn visible(&self, caller: &Caller, mut ids: Vec<String>) -> Result<Visible, Status> {
        ids.sort_unstable();
        ids.dedup();
        let mut visible = Visible::new();
        for ids in ids.chunks(ASKED_AT_ONCE) {
            let refs = ids.iter().map(|id| PipelineRef { text: id.clone() });
            let request = PermitRequest {
                caller: Some(caller.clone()),
                pipelines: refs.collect(),
                right: Right::View.into(),
                leave_out: true,
            };
            let mut client = SchedulingClient::new(self.clockwork.pipeline.clone());
            let found = client.permit(request).await?.into_inner().pipelines;
            visible.extend(found.into_iter().map(|it| (it.id.clone(), it)));
        }
        Ok(visible)
    }

    /// The schedule that is named, if the caller has this right to its pipeline.
    async fn find(
        &self,
        caller: &Caller,
        named: Option<ScheduleRef>,
        right: Right,
    ) -> Result<schedule::Model, Status> {
        let text = named.unwrap_or_default().text;
        let row = self
            .clockwork
            .store
            .schedule(&caller.account, &text)
            .await?;
        let permitted = self
            .permit(caller, vec![row.pipeline_id.clone()], right)
            .await;
        match permitted {
            Err(status) if status.code() == Code::NotFound => Err(Error::NoSchedule(text).into()),
            permitted => permitted.map(|_| row),
        }
    }

    async fn shown(&self, caller: &Caller, row: schedule::Model) -> Result<wire::Schedule, Status> {
        let rows = self.shown_all(caller, vec![row]).await?;
        let shown = rows.into_iter().next();
        shown.ok_or_else(|| Error::NoSchedule(String::new()).into())
    }

    /// Schedules as they are shown; those of pipelines that are hidden are left out.
    async fn shown_all(
        &self,
        caller: &Caller,
        rows: Vec<schedule::Model>,
    ) -> Result<Vec<wire::Schedule>, Status> {
        let store = &self.clockwork.store;
        let ids: Vec<String> = rows.iter().map(|it| it.id.clone()).collect();
        let mut predecessors = store.predecessors(ids.clone()).await?;
        let mut slots = store.latest_slots(ids).await?;
        let followed = predecessors.values().flatten().cloned();
        let own = rows.iter().map(|it| it.pipeline_id.clone());
        let visible = self.visible(caller, own.chain(followed).collect()).await?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(pipeline) = visible.get(&row.pipeline_id) else {
                continue;
            };
            let its = predecessors.remove(&row.id).unwrap_or_default();
            let latest = slots.remove(&row.id);
            shown.push(view::schedule(&row, pipeline, (its, &visible), latest)?);
        }
        Ok(shown)
    }

    /// The ids of the pipelines that a schedule is to follow.
    async fn followed(&self, caller: &Caller, names: Vec<String>) -> Result<Vec<String>, Status> {
        parse::at_most_followed(names.len())?;
        let found = self.permit(caller, names, Right::View).await?;
        Ok(found.into_iter().map(|it| it.id).collect())
    }
}

#[tonic::async_trait]
impl wire::schedules_server::Schedules for Schedules {
    async fn create_schedule(
        &self,
        request: Request<CreateScheduleRequest>,
    ) -> Result<Response<wire::Schedule>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let spec = request.spec.unwrap_or_default();
        let now_ms = clock::now_ms();
        let names = spec.after_pipelines.clone();
        let mut row = parse::schedule(spec, now_ms)?;
        let right = parse::right(record::overlap(&row)?);
        let pipeline = self.permit(&caller, vec![request.pipeline], right).await?;
        let predecessors = self.followed(&caller, names).await?;
        row.id = ScheduleId::made_at(now_ms).into();
        row.account.clone_from(&caller.account);
        row.pipeline_id = pipeline.into_iter().next().unwrap_or_default().id;
        row.caller = parse::kept_caller(&caller, request.owner);
        row.due_at_ms = due_ms(&row, row.next_at_ms).filter(|_| row.enabled);
        let new = NewSchedule {
            row: parse::new_row(row),
            predecessors,
            by: caller.clone(),
            now_ms,
        };
        let row = self.clockwork.store.create_schedule(new).await?;
        self.clockwork.due.ring();
        Ok(Response::new(self.shown(&caller, row).await?))
    }

    async fn get_schedule(
        &self,
        request: Request<GetScheduleRequest>,
    ) -> Result<Response<wire::Schedule>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let row = self.find(&caller, request.schedule, Right::View).await?;
        Ok(Response::new(self.shown(&caller, row).await?))
    }

    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let limit = request.limit.clamp(1, 1000);
        let after = parse::cursor(&request.cursor)?.unwrap_or_default();
        let mut pipeline_id = None;
        if !request.pipeline.is_empty() {
            let found = self
                .permit(&caller, vec![request.pipeline], Right::View)
                .await?;
            pipeline_id = found.into_iter().next().map(|it| it.id);
        }
        let (store, id) = (&self.clockwork.store, pipeline_id.as_deref());
        let rows = store
            .schedules(&caller.account, id, after, limit.into())
            .await?;
        let next_cursor = match rows.last() {
            Some(last) if rows.len() == limit as usize => last.number.to_string(),
            Some(_) | None => String::new(),
        };
        let schedules = self.shown_all(&caller, rows).await?;
        Ok(Response::new(ListSchedulesResponse {
            schedules,
            next_cursor,
        }))
    }

    async fn update_schedule(
        &self,
        request: Request<UpdateScheduleRequest>,
    ) -> Result<Response<wire::Schedule>, Status> {
        let mut request = request.into_inner();
        let caller = parse::caller(request.caller.take())?;
        let wanted = parse::overlap(request.overlap.unwrap_or_default())?;
        let right = parse::right(wanted.unwrap_or(Overlap::Skip));
        let row = self.find(&caller, request.schedule.take(), right).await?;
        let predecessors = match request.after_pipelines.take() {
            Some(names) => Some(self.followed(&caller, names.names).await?),
            None => None,
        };
        let now_ms = clock::now_ms();
        let change = Change {
            id: row.id,
            by: caller.clone(),
            action: "update",
            predecessors,
            edit: |row: &mut schedule::Model| edit::update(row, request, now_ms),
            now_ms,
        };
        let row = self.clockwork.store.change_schedule(change).await?;
        self.clockwork.due.ring();
        Ok(Response::new(self.shown(&caller, row).await?))
    }

    async fn delete_schedule(
        &self,
        request: Request<DeleteScheduleRequest>,
    ) -> Result<Response<DeleteScheduleResponse>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let row = self.find(&caller, request.schedule, Right::Run).await?;
        let store = &self.clockwork.store;
        store
            .delete_schedule(&row.id, &caller, clock::now_ms())
            .await?;
        Ok(Response::new(DeleteScheduleResponse {}))
    }

    async fn pause_schedule(
        &self,
        request: Request<PauseScheduleRequest>,
    ) -> Result<Response<wire::Schedule>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let note = parse::note(request.note)?;
        let row = self.find(&caller, request.schedule, Right::Run).await?;
        let (now_ms, by) = (clock::now_ms(), caller.actor.clone());
        let change = Change {
            id: row.id,
            by: caller.clone(),
            action: "pause",
            predecessors: None,
            edit: |row: &mut schedule::Model| edit::pause(row, note, by.as_ref(), now_ms),
            now_ms,
        };
        let row = self.clockwork.store.change_schedule(change).await?;
        Ok(Response::new(self.shown(&caller, row).await?))
    }

    async fn resume_schedule(
        &self,
        request: Request<ResumeScheduleRequest>,
    ) -> Result<Response<wire::Schedule>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let row = self.find(&caller, request.schedule, Right::Run).await?;
        let now_ms = clock::now_ms();
        let change = Change {
            id: row.id,
            by: caller.clone(),
            action: "resume",
            predecessors: None,
            edit: |row: &mut schedule::Model| edit::resume(row, now_ms),
            now_ms,
        };
        let row = self.clockwork.store.change_schedule(change).await?;
        self.clockwork.due.ring();
        Ok(Response::new(self.shown(&caller, row).await?))
    }

    async fn preview_schedule(
        &self,
        request: Request<PreviewScheduleRequest>,
    ) -> Result<Response<PreviewScheduleResponse>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let now_ms = clock::now_ms();
        let row = match (request.schedule, request.spec) {
            (Some(named), _) => self.find(&caller, Some(named), Right::View).await?,
            (None, Some(spec)) => parse::schedule(spec, now_ms)?,
            (None, None) => return Err(Error::Invalid("say which schedule".into()).into()),
        };
        let count = request.count.clamp(1, 1000) as usize;
        let slots = edit::preview(&row, request.after_ms, now_ms, count)?;
        let slots = slots.into_iter().map(|slot_ms| PreviewSlot {
            slot_ms,
            due_ms: due_ms(&row, Some(slot_ms)).unwrap_or(slot_ms),
        });
        Ok(Response::new(PreviewScheduleResponse {
            slots: slots.collect(),
        }))
    }

    async fn list_slots(
        &self,
        request: Request<ListSlotsRequest>,
    ) -> Result<Response<ListSlotsResponse>, Status> {
        let request = request.into_inner();
        let caller = parse::caller(request.caller)?;
        let row = self.find(&caller, request.schedule, Right::View).await?;
        let limit = request.limit.clamp(1, 1000);
        let below = parse::cursor(&request.cursor)?.unwrap_or(i64::MAX);
        let rows = self.clockwork.store.slots(&row.id, below, limit.into());
        let rows = rows.await?;
        let next_cursor = match rows.last() {
            Some(last) if rows.len() == limit as usize => last.number.to_string(),
            Some(_) | None => String::new(),
        };
        Ok(Response::new(ListSlotsResponse {
            slots: rows.into_iter().map(view::slot).collect(),
            next_cursor,
        }))
    }
}
