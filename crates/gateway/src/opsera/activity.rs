//! The activity log of a pipeline: its newest records, the newest first.
//!
//! What is read for an answer is bounded; where it ends before the log does, a cursor says so.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse};
use contracts::audit::{Entry, LatestActivityRequest};
use contracts::pipeline::{ListRunsRequest, Pipeline};

use super::asking::{self, pipeline_ref};
use super::filter::{self, Filter};
use super::input::Input;
use super::record::{Book, Record};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// The most records that an answer has.
const MAX_RECORDS: u32 = 1000;
/// Answers of the audit log, of 2 MiB each, that are read for one of ours.
const MAX_ANSWERS: usize = 8;
/// Pages of 100 runs that are read to find the numbers of the runs that spoke.
const MAX_RUN_PAGES: usize = 10;
/// The one `type` that means something.
const CONSOLE: &str = "console output";

pub(crate) async fn logs(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<impl IntoResponse, Problem> {
    let limit = input
        .number("limit")?
        .and_then(|it| u32::try_from(it).ok())
        .unwrap_or(MAX_RECORDS);
    let limit = limit.min(MAX_RECORDS);
    let pipeline = asking::pipeline(&gateway, &who, &input.pipeline_id).await?;
    let run = match input.run_count()? {
        Some(run_count) => {
            Some(asking::run(&gateway, &who, &input.pipeline_id, Some(run_count)).await?)
        }
        None => None,
    };
    let request = LatestActivityRequest {
        pipeline_id: pipeline.id.clone(),
        run_id: run.as_ref().map(|run| run.id.clone()).unwrap_or_default(),
        console_only: input.text("type") == CONSOLE,
        limit,
        before: filter::before(input.text("before")),
    };
    let runs = run.map(|run| HashMap::from([(run.id, run.run_count)]));
    let log = Log {
        gateway: &gateway,
        who: &who,
        pipeline,
        runs,
    };
    let page = log.page(request, &Filter::of(&input)?).await?;
    // Of all that is asked for, where the answer has all of it: to count the rest is to read it.
    let is_all = page.next.is_none() && input.text("before").trim().is_empty();
    let total = is_all.then(|| ("x-total-count", page.records.len().to_string()));
    let next = page.next.map(|next| ("x-next-cursor", next));
    Ok((
        AppendHeaders(next),
        AppendHeaders(total),
        Json(page.records),
    ))
}

/// Whose log is read.
struct Log<'a> {
    gateway: &'a Gateway,
    who: &'a Who,
    pipeline: Pipeline,
    /// Run counts by run id, if it is known whose log it is.
    runs: Option<HashMap<String, i64>>,
}

/// What is answered.
struct Page {
    records: Vec<Record>,
    /// The cursor before which older records are.
    next: Option<String>,
}

impl Log<'_> {
    /// As many records as are asked for, or as a few answers of the audit log hold.
    async fn page(
        &self,
        mut request: LatestActivityRequest,
        filter: &Filter,
    ) -> Result<Page, Problem> {
        let limit = usize::try_from(request.limit).unwrap_or_default();
        if filter.chooses() {
            request.limit = MAX_RECORDS;
        }
        let mut records = Vec::new();
        for _ in 0..MAX_ANSWERS {
            let client = self.gateway.peers.audit_log();
            let answer = client.clone().latest_activity(request.clone()).await?;
            let answer = answer.into_inner();
            for record in self.records(&answer.entries).await? {
                if filter.ends_at(&record) {
                    let next = None;
                    return Ok(Page { records, next });
                }
                if records.len() == limit {
                    // Records that would have been left out may be all that follows.
                    let next = records.last().map(cursor);
                    return Ok(Page { records, next });
                }
                if filter.takes(&record) {
                    records.push(record);
                }
            }
            request.before = answer.next;
            let left = limit.saturating_sub(records.len());
            if request.before.is_empty() || left == 0 {
                break;
            }
            if !filter.chooses() {
                request.limit = u32::try_from(left).unwrap_or(MAX_RECORDS);
            }
        }
        let next = Some(request.before).filter(|it| !it.is_empty());
        Ok(Page { records, next })
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Record>, Problem> {
        let (pipeline, runs) = (self.pipeline.clone(), self.runs.clone());
        let runs = match runs {
            Some(runs) => runs,
            None => run_counts(self.gateway, self.who, &pipeline.id, entries).await?,
        };
        Ok(Book { pipeline, runs }.records(entries))
    }
}

/// Where a record is, as the audit log says it.
fn cursor(record: &Record) -> String {
    format!("{}-{}", record.ms(), record.id())
}

/// The numbers of the runs that spoke. A page holds the newest runs, and so do the entries.
async fn run_counts(
    gateway: &Gateway,
    who: &Who,
    id: &str,
    entries: &[Entry],
) -> Result<HashMap<String, i64>, Problem> {
    let (mut counts, mut cursor) = (HashMap::new(), String::new());
    for _ in 0..MAX_RUN_PAGES {
        if entries
            .iter()
            .all(|entry| counts.contains_key(&entry.run_id))
        {
            break;
        }
        let request = ListRunsRequest {
            caller: Some(who.caller()),
            pipeline: Some(pipeline_ref(id)),
            limit: 100,
            cursor,
            ..Default::default()
        };
        let page = gateway
            .peers
            .pipelines()
            .list_runs(request)
            .await?
            .into_inner();
        counts.extend(page.runs.into_iter().map(|run| (run.id, run.run_count)));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    Ok(counts)
}
