//! The activity log of a pipeline: its newest records, the newest first.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contracts::audit::{Entry, LatestActivityRequest};
use contracts::pipeline::ListRunsRequest;

use super::asking::{self, pipeline_ref};
use super::input::Input;
use super::record::{Book, Record};
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// The most records that an answer has.
const MAX_RECORDS: u32 = 1000;
/// Pages of 100 runs that are read to find the numbers of the runs that spoke.
const MAX_RUN_PAGES: usize = 10;
/// The one `type` that means something.
const CONSOLE: &str = "console output";

pub(crate) async fn logs(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    input: Input,
) -> Result<Json<Vec<Record>>, Problem> {
    let limit = input
        .number("limit")?
        .and_then(|it| u32::try_from(it).ok())
        .unwrap_or(MAX_RECORDS);
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
        limit: limit.min(MAX_RECORDS),
    };
    let entries = gateway
        .peers
        .audit_log()
        .latest_activity(request)
        .await?
        .into_inner()
        .entries;
    let runs = match run {
        Some(run) => HashMap::from([(run.id, run.run_count)]),
        None => run_counts(&gateway, &who, &pipeline.id, &entries).await?,
    };
    Ok(Json(Book { pipeline, runs }.records(&entries)))
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
