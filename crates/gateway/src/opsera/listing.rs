//! The list of pipelines of `/api/v1`.
//!
//! Without paging it is the contract's: up to a thousand pipelines, the most recently updated
//! first, written as they are read, so that no answer is held as a whole. With `size`, `page` or
//! `cursor` it is one page, and the header `X-Next-Cursor` says where the next one begins.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, Uri, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use futures::stream;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::document::Document;
use crate::Gateway;
use crate::auth::Who;
use crate::body;
use crate::problem::Problem;
use crate::v2::pipelines::{CHUNK, Order, chunk};

/// The most pipelines that a list answers.
const MAX_PIPELINES: usize = 1000;
/// Chunks of pipelines that are read for a list, at most.
const MAX_CHUNKS: usize = 100;
/// A page ends early when it has this many bytes.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;
pub(super) const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// Which pipelines are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ListQuery {
    /// From 1.
    page: Option<NonZeroUsize>,
    /// Pipelines a page, at most 1000.
    size: Option<NonZeroUsize>,
    /// From the header of an earlier page.
    cursor: Option<String>,
    /// A part of the name, in any case.
    search: String,
    /// A tag's value, or `type:value`.
    tag: String,
    /// The last run's outcome, or `running`.
    status: String,
    /// The first entry of `type`.
    #[serde(rename = "type")]
    kind: String,
    /// The owner's id or name.
    owner: String,
    /// `true` or `false`.
    active: String,
    /// Root fields to answer, with commas between them; `_id` always is.
    fields: String,
}

pub(crate) async fn pipelines(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    uri: Uri,
) -> Result<Response, Problem> {
    let query: ListQuery = body::query(&uri)?;
    let is_paged = query.page.is_some() || query.size.is_some() || query.cursor.is_some();
    let walk = Walk::new(gateway, who, query);
    if is_paged {
        page(walk).await
    } else {
        whole(walk).await
    }
}

async fn page(mut walk: Walk) -> Result<Response, Problem> {
    let mut text = List::begin();
    while !walk.is_over() && text.0.len() < MAX_PAGE_BYTES {
        text.add(&walk.next().await?);
    }
    let next = Some(walk.cursor).filter(|it| !it.is_empty());
    let next = next.map(|next| ("x-next-cursor", next));
    Ok((AppendHeaders(next), JSON, text.end()).into_response())
}

/// The first chunk is read before the answer begins, so that a refusal can still be told.
async fn whole(mut walk: Walk) -> Result<Response, Problem> {
    let mut text = List::begin();
    text.add(&walk.next().await?);
    let pieces = stream::try_unfold(Some((walk, text)), |state| async move {
        let Some((mut walk, mut text)) = state else {
            return Ok::<_, io::Error>(None);
        };
        if walk.is_over() {
            return Ok(Some((text.end(), None)));
        }
        let piece = text.take();
        text.add(&walk.next().await.map_err(|it| broken(&it))?);
        Ok(Some((piece, Some((walk, text)))))
    });
    Ok((JSON, Body::from_stream(pieces)).into_response())
}

/// What ends an answer before its end, which a client sees in the connection.
pub(super) fn broken(problem: &Problem) -> io::Error {
    tracing::warn!("a list ends before its end: {}", problem.detail());
    io::Error::other("a service behind this one is away")
}

/// The text of a JSON list, as far as it is written and not sent.
pub(super) struct List(Vec<u8>, bool);

impl List {
    pub(super) fn begin() -> Self {
        Self(Vec::from(*b"["), true)
    }

    pub(super) fn add(&mut self, documents: &[String]) {
        for document in documents {
            if !std::mem::take(&mut self.1) {
                self.0.push(b',');
            }
            self.0.extend_from_slice(document.as_bytes());
        }
    }

    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.0).into()
    }

    pub(super) fn end(mut self) -> Bytes {
        self.0.push(b']');
        self.0.into()
    }
}

/// A way through the pipelines, chunk by chunk.
struct Walk {
    gateway: Arc<Gateway>,
    who: Who,
    query: ListQuery,
    cursor: String,
    /// Pipelines of earlier pages that are still to come.
    skipped: usize,
    left: usize,
    chunks: usize,
}

impl Walk {
    fn new(gateway: Arc<Gateway>, who: Who, mut query: ListQuery) -> Self {
        let size = query.size.map_or(MAX_PIPELINES, NonZeroUsize::get);
        let left = size.min(MAX_PIPELINES);
        let page = query.page.map_or(1, NonZeroUsize::get);
        query.search = query.search.trim().to_lowercase();
        Self {
            gateway,
            who,
            cursor: query.cursor.take().unwrap_or_default(),
            query,
            skipped: (page - 1).saturating_mul(left),
            left,
            chunks: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.left == 0 || self.chunks == MAX_CHUNKS || (self.chunks > 0 && self.cursor.is_empty())
    }

    /// What of the next chunk is asked for, as JSON. A chunk is never longer than what is left, so
    /// the cursor after it is that of the page.
    async fn next(&mut self) -> Result<Vec<String>, Problem> {
        let limit = u32::try_from(self.skipped.saturating_add(self.left)).unwrap_or(CHUNK);
        let cursor = std::mem::take(&mut self.cursor);
        let found = chunk(
            &self.gateway,
            &self.who,
            limit.min(CHUNK),
            cursor,
            Order::LatestInFull,
        )
        .await?;
        self.chunks += 1;
        self.cursor = found.next_cursor;
        let mut documents = Vec::new();
        for pipeline in found.pipelines {
            let Some(document) = self.query.written(&Document::of(pipeline)) else {
                continue;
            };
            if self.skipped > 0 {
                self.skipped -= 1;
            } else {
                self.left -= 1;
                documents.push(document);
            }
        }
        Ok(documents)
    }
}

impl ListQuery {
    /// The document as JSON, if it is asked for.
    fn written(&self, document: &Document) -> Option<String> {
        if self.takes_all() && self.fields.is_empty() {
            return serde_json::to_string(document).ok();
        }
        let fields = serde_json::to_value(document).ok()?;
        if !self.takes(&fields) {
            return None;
        }
        if self.fields.is_empty() {
            return serde_json::to_string(document).ok();
        }
        Some(self.shown(fields).to_string())
    }

    fn takes_all(&self) -> bool {
        let asked = [
            &self.search,
            &self.tag,
            &self.status,
            &self.kind,
            &self.owner,
            &self.active,
        ];
        asked.iter().all(|it| it.is_empty())
    }

    fn takes(&self, document: &Value) -> bool {
        let is = |asked: &str, field: &Value| asked.is_empty() || field.as_str() == Some(asked);
        let name = document["name"].as_str().unwrap_or_default();
        let is_tagged = |tag: &Value| {
            let value = tag["value"].as_str().unwrap_or_default();
            let typed = format!("{}:{value}", tag["type"].as_str().unwrap_or_default());
            [value, &typed].contains(&self.tag.as_str())
        };
        let tags = document["tags"].as_array();
        (self.search.is_empty() || name.to_lowercase().contains(&self.search))
            && (self.tag.is_empty() || tags.is_some_and(|tags| tags.iter().any(is_tagged)))
            && is(&self.status, &document["status"])
            && is(&self.kind, &document["type"][0])
            && (is(&self.owner, &document["owner"]) || is(&self.owner, &document["owner_name"]))
            && (self.active.is_empty() || self.active.parse().ok() == document["active"].as_bool())
    }

    /// The fields that are asked for.
    fn shown(&self, document: Value) -> Value {
        let Value::Object(fields) = document else {
            return document;
        };
        let asked: Vec<_> = self.fields.split(',').map(str::trim).collect();
        let is_asked = |name: &str| name == "_id" || asked.contains(&name);
        let shown = fields.into_iter().filter(|(name, _)| is_asked(name));
        Value::Object(shown.collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pipeline_is_taken_if_all_that_is_asked_is_so() {
        let document = json!({
            "_id": "5fd56d90979ee048ee660624", "name": "Blank Template", "type": ["sdlc"],
            "owner": "5e1cbf251c26d68f7ce6361e", "owner_name": "Ada", "active": true,
            "status": "success", "tags": [{"type": "project", "value": "web"}],
        });
        for (query, taken) in [
            ("", true),
            ("search=tempL", true),
            ("search=other", false),
            ("tag=web", true),
            ("tag=project:web", true),
            ("tag=team:web", false),
            ("status=success&type=sdlc", true),
            ("status=failed", false),
            ("type=sfdc", false),
            ("owner=Ada", true),
            ("owner=5e1cbf251c26d68f7ce6361e", true),
            ("owner=Bob", false),
            ("active=true", true),
            ("active=false", false),
        ] {
            let uri: Uri = format!("/?{query}").parse().unwrap();
            let mut query: ListQuery = body::query(&uri).unwrap();
            query.search = query.search.to_lowercase();
            assert_eq!(query.takes(&document), taken, "{uri}");
        }
    }

    #[test]
    fn only_the_fields_that_are_asked_for_are_shown() {
        let query = ListQuery {
            fields: "name, owner,nothing".into(),
            ..ListQuery::default()
        };
        let document = json!({"_id": "1", "name": "a", "owner": "b", "workflow": {}});
        let shown = json!({"_id": "1", "name": "a", "owner": "b"});
        assert_eq!(query.shown(document), shown);
    }
}
