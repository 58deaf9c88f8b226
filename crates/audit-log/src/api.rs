//! What the audit log is asked: parse, act, answer.

use contracts::audit::audit_log_server::AuditLog;
use contracts::audit::{
    Entry, ExportAuditRequest, ExportAuditResponse, LatestActivityRequest, LatestActivityResponse,
    ListActionsRequest, ListActionsResponse, ListAuditKeysRequest, ListAuditKeysResponse,
    ListTokenUsesRequest, ListTokenUsesResponse, QueryActivityRequest, QueryActivityResponse,
};
use contracts::id::is_object_id;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use runtime::clock;
use tonic::{Request, Response, Status};

use crate::page::{Page, Shown};
use crate::record::Record;
use crate::store::{Ask, Store, Which, Whose};
use crate::tail::Tails;
use crate::{Error, export};

mod records;

#[cfg(test)]
mod tests;

/// Entries a page, at most.
const LONGEST_PAGE: u32 = 1000;

/// Answers the audit log's calls.
#[derive(Debug)]
pub(crate) struct Api {
    store: Store,
    tails: Tails,
}

impl Api {
    /// Answers from `store`, and followers by `tails`.
    pub(crate) fn new(store: Store, tails: Tails) -> Self {
        Self { store, tails }
    }
}

#[tonic::async_trait]
impl AuditLog for Api {
    type TailActivityStream = BoxStream<'static, Result<QueryActivityResponse, Status>>;
    type ExportAuditStream = BoxStream<'static, Result<ExportAuditResponse, Status>>;

    async fn query_activity(
        &self,
        request: Request<QueryActivityRequest>,
    ) -> Result<Response<QueryActivityResponse>, Status> {
        let ask = Ask::try_from(request.into_inner())?;
        let page = self.store.page(&ask, clock::now_ms()).await?;
        Ok(Response::new(answer(ask.run_id.as_str(), page)))
    }

    async fn tail_activity(
        &self,
        request: Request<QueryActivityRequest>,
    ) -> Result<Response<Self::TailActivityStream>, Status> {
        let ask = Ask::try_from(request.into_inner())?;
        let run_id = ask.run_id.to_string();
        let pages = self.tails.follow(ask)?;
        let answers = pages.map(move |page| Ok(answer(&run_id, page?)));
        Ok(Response::new(answers.boxed()))
    }

    async fn latest_activity(
        &self,
        request: Request<LatestActivityRequest>,
    ) -> Result<Response<LatestActivityResponse>, Status> {
        let request = request.into_inner();
        let whose = Whose::try_from(&request)?;
        let before = match request.before.as_str() {
            "" => None,
            id if is_object_id(id) => Some(self.store.mark(&whose, id).await?),
            mark => Some(mark.parse()?),
        };
        let which = Which {
            console_only: request.console_only,
            before,
            limit: limit(request.limit)?,
        };
        let latest = self.store.latest(&whose, &which).await?;
        let entries = latest.records.into_iter().flat_map(told).collect();
        let next = latest.next.map(|it| it.to_string()).unwrap_or_default();
        Ok(Response::new(LatestActivityResponse { entries, next }))
    }

    async fn list_actions(
        &self,
        request: Request<ListActionsRequest>,
    ) -> Result<Response<ListActionsResponse>, Status> {
        let request = request.into_inner();
        let sieve = records::sieve(request.filter.unwrap_or_default())?;
        let slice = self.store.actions(&sieve, request.with_changes).await?;
        Ok(Response::new(records::actions(&sieve.account, slice)))
    }

    async fn list_token_uses(
        &self,
        request: Request<ListTokenUsesRequest>,
    ) -> Result<Response<ListTokenUsesResponse>, Status> {
        let sieve = records::sieve(request.into_inner().filter.unwrap_or_default())?;
        let slice = self.store.token_uses(&sieve).await?;
        Ok(Response::new(records::token_uses(&sieve.account, slice)))
    }

    async fn export_audit(
        &self,
        request: Request<ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let request = request.into_inner();
        let times = records::times(request.from_ms, request.to_ms)?;
        let lines = export::lines(&self.store, request.account, times, clock::now_ms()).await?;
        let answers = lines.map(|lines| Ok(ExportAuditResponse { lines: lines? }));
        Ok(Response::new(answers.boxed()))
    }

    async fn list_audit_keys(
        &self,
        _: Request<ListAuditKeysRequest>,
    ) -> Result<Response<ListAuditKeysResponse>, Status> {
        let keys = self.store.keys().await?;
        Ok(Response::new(records::keys(keys)))
    }
}

impl TryFrom<QueryActivityRequest> for Ask {
    type Error = Error;

    fn try_from(request: QueryActivityRequest) -> Result<Self, Error> {
        Ok(Self {
            run_id: request.run_id.parse()?,
            after: request.after.parse()?,
            limit: limit(request.limit)?,
            step_id: request.step_id,
            life_only: request.life_only,
        })
    }
}

impl TryFrom<&LatestActivityRequest> for Whose {
    type Error = Error;

    fn try_from(request: &LatestActivityRequest) -> Result<Self, Error> {
        let LatestActivityRequest {
            pipeline_id,
            run_id,
            ..
        } = request;
        if pipeline_id.is_empty() && run_id.is_empty() {
            return Err(Error::Nothing);
        }
        let given = |id: &String| (!id.is_empty()).then(|| id.clone());
        Ok(Self {
            pipeline_id: given(pipeline_id).map(TryFrom::try_from).transpose()?,
            run_id: given(run_id).map(TryFrom::try_from).transpose()?,
        })
    }
}

/// The entries of a record, newest first. They have no cursor to go on from.
fn told(record: Record) -> Vec<Entry> {
    let Record {
        run_id,
        attempt,
        kind,
        chunk,
        offset,
        entries,
        ..
    } = record;
    let first = entries.first().map_or(0, |it| it.seq);
    let record = if kind.is_empty() { first } else { 0 };
    let entry = |entry| Entry {
        run_id: run_id.clone(),
        attempt,
        entry: Some(entry),
        cursor: String::new(),
        kind: kind.clone(),
        record,
        chunk,
        offset,
    };
    entries.into_iter().rev().map(entry).collect()
}

fn limit(limit: u32) -> Result<usize, Error> {
    let fits = (1..=LONGEST_PAGE).contains(&limit).then_some(limit);
    fits.and_then(|it| usize::try_from(it).ok())
        .ok_or(Error::Limit(limit))
}

fn answer(run_id: &str, page: Page) -> QueryActivityResponse {
    let entries = page
        .shown
        .into_iter()
        .map(|shown| entry(run_id.into(), shown))
        .collect();
    QueryActivityResponse {
        entries,
        next: page.next.to_string(),
        complete: page.complete,
    }
}

fn entry(run_id: String, shown: Shown) -> Entry {
    let Shown {
        attempt,
        kind,
        entry,
        cursor,
    } = shown;
    Entry {
        run_id,
        attempt,
        entry: Some(entry),
        cursor: cursor.to_string(),
        kind,
        ..Entry::default()
    }
}
