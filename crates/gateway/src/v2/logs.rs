//! What a run said: page by page, or followed as server-sent events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use contracts::audit::{Entry, QueryActivityRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::words::Stream;
use super::{follow, limit, runs, some};
use crate::Gateway;
use crate::auth::Who;
use crate::body;
use crate::problem::Problem;
use crate::time::Time;

/// The longest cursor, in bytes.
const MAX_CURSOR_BYTES: usize = 128;

/// Which part of a log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Only entries after this one: a `cursor` or a page's `next`.
    after: String,
    /// How many at most, 1 to 1000; 100 unless said. A follower gets all.
    limit: Option<u32>,
    /// Only entries of this step.
    step: String,
}

/// A line of output, or something that Penstock says about the run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    /// Numbered over all steps of the attempt from 1, without gap.
    seq: u64,
    time: Time,
    /// The step's id in the definition; absent on what is about the run itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// 0 on life-cycle lines.
    attempt: u32,
    /// Which start of the step.
    #[serde(rename = "try")]
    try_number: u32,
    #[schema(required)]
    stream: Option<Stream>,
    /// Without the line's end.
    message: String,
    /// The line was longer, or the run's quota was used up here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// What a life-cycle line tells of, for instance `step.started`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Goes on after this entry, as `after` or `Last-Event-ID`.
    cursor: String,
}

/// A page of a log, the oldest entry first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogPage {
    entries: Vec<LogEntry>,
    /// The `after` of the page after this; the same as asked when there is nothing yet.
    next: String,
    /// The run has ended and nothing will follow.
    complete: bool,
}

/// Reads a run's log. With `Accept: text/event-stream` it is followed until the run ends.
///
/// Each event is an entry, and its id a cursor: `Last-Event-ID` goes on after it. The last event is
/// called `end` and tells the run's final state.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/runs/{runCount}/logs", operation_id = "readLog",
    tag = "runs", params(LogQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "Goes on after this event")),
    responses((status = 200, content((LogPage = "application/json"), (LogEntry = "text/event-stream")))))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query: LogQuery = body::query(&uri)?;
    let last_event = headers.get("last-event-id").and_then(|it| it.to_str().ok());
    let after = last_event.map_or(query.after, str::to_owned);
    if after.len() > MAX_CURSOR_BYTES {
        return Err(Problem::invalid(
            "the cursor is none: take `next` or `cursor` of an answer",
        ));
    }
    let limit = limit(query.limit)?;
    let run = runs::run(&gateway, &who, p, &run_count).await?;
    let asked = QueryActivityRequest {
        run_id: run.id.clone(),
        after,
        limit,
        step_id: query.step,
        ..Default::default()
    };
    if wants_events(&headers) {
        return follow::followed(gateway, who, run, asked).await;
    }
    Ok(Json(page(&gateway, asked).await?).into_response())
}

async fn page(gateway: &Gateway, asked: QueryActivityRequest) -> Result<LogPage, Problem> {
    let answer = gateway
        .peers
        .audit_log()
        .query_activity(asked)
        .await?
        .into_inner();
    let entries = answer
        .entries
        .into_iter()
        .filter_map(LogEntry::of)
        .collect();
    Ok(LogPage {
        entries,
        next: answer.next,
        complete: answer.complete,
    })
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|it| it.to_str().ok())
        .any(|it| it.contains("text/event-stream"))
}

impl LogEntry {
    pub(super) fn of(entry: Entry) -> Option<Self> {
        let said = entry.entry?;
        Some(Self {
            seq: said.seq,
            time: Time::at(said.time_ms),
            step: some(said.step_id),
            attempt: entry.attempt,
            try_number: said.r#try,
            stream: Stream::of(said.stream),
            message: said.message,
            truncated: said.truncated,
            kind: some(entry.kind),
            cursor: entry.cursor,
        })
    }

    pub(super) fn cursor(&self) -> &str {
        &self.cursor
    }
}
