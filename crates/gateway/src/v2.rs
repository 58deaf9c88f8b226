//! `/api/v2`: Penstock's own API.
//!
//! JSON in camelCase, times in RFC 3339 UTC, lists in pages that go on from a key. Failures are
//! problem documents. The shapes here are the contract that the `OpenAPI` document shows.

#![allow(unused_qualifications, reason = "utoipa's macro writes them")]

pub(crate) mod audit;
pub(crate) mod custody;
pub(crate) mod data;
pub(crate) mod executors;
pub(crate) mod explain;
mod follow;
pub(crate) mod gates;
pub(crate) mod groups;
pub(crate) mod logs;
pub(crate) mod openapi;
mod pipeline_view;
pub(crate) mod pipelines;
pub(crate) mod plugins;
mod run_view;
pub(crate) mod runs;
mod schedule_view;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod tokens;
pub(crate) mod tool_uses;
mod tool_view;
pub(crate) mod tools;
pub(crate) mod transfer;
pub(crate) mod users;
pub(crate) mod vault;
mod words;

use axum::http::Uri;
use contracts::pipeline::PipelineRef;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body;
use crate::problem::Problem;

/// Entries of a page unless said, and at most.
const USUAL_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// How many at most, 1 to 1000; 100 unless said.
    limit: Option<u32>,
    /// Goes on where an earlier page ended: its `next`.
    cursor: String,
}

impl PageQuery {
    fn of(uri: &Uri) -> Result<(u32, String), Problem> {
        let query: Self = body::query(uri)?;
        Ok((limit(query.limit)?, query.cursor))
    }
}

fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(USUAL_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::invalid(format!(
        "limit: {limit} is not between 1 and {MAX_LIMIT}"
    )))
}

/// A pipeline as a path names it.
fn pipeline_ref(text: String) -> PipelineRef {
    PipelineRef { text }
}

/// Who did it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Person {
    /// The user's id, or `system` for Penstock itself.
    id: String,
    /// For people.
    name: String,
}

impl Person {
    fn of(actor: contracts::message::Actor) -> Self {
        Self {
            id: actor.user_id,
            name: actor.name,
        }
    }
}

/// The header's value for a file of this name: what isn't plain in it becomes a dash.
fn attachment(name: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let name: String = name
        .chars()
        .take(120)
        .map(|it| if plain(it) { it } else { '-' })
        .collect();
    format!("attachment; filename=\"{name}\"")
}

/// A text that may be empty, as one that may be absent.
fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
