//! The parts of `/api/v2` that the commands read: paths and shapes.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::Error;
use super::http::Http;
use super::path::{path, query};

/// The largest page of a list.
const PAGE: usize = 1000;

/// A pipeline.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Pipeline {
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) run_count: i64,
    pub(crate) updated_at: Option<Timestamp>,
    pub(crate) latest_run: Option<Run>,
}

/// A run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Run {
    #[serde(rename = "runCount")]
    pub(crate) count: i64,
    pub(crate) pipeline_name: String,
    pub(crate) version: u32,
    pub(crate) state: String,
    pub(crate) end_cause: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) requested_at: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) queue_position: Option<u32>,
    pub(crate) repeated: bool,
    pub(crate) steps: Vec<Step>,
}

impl Run {
    /// Whether it has ended.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(
            self.state.as_str(),
            "succeeded" | "warned" | "failed" | "cancelled"
        )
    }
}

/// A step of a run.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) tries: u32,
    pub(crate) exit_code: Option<i32>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) message: Option<String>,
    /// Of a step that people decide on.
    pub(crate) gate: Option<Value>,
}

impl Step {
    /// Whether people decide on it.
    pub(crate) fn is_gate(&self) -> bool {
        self.gate.is_some()
    }
}

/// An entry of a run's log.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Entry {
    pub(crate) step: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) message: String,
}

/// The path of a pipeline.
pub(crate) fn pipeline(name: &str) -> String {
    // A segment of dots alone would mean a folder.
    if matches!(name, "." | "..") {
        return path(&["api", "v2", "pipelines", &format!("name:{name}")]);
    }
    path(&["api", "v2", "pipelines", name])
}

/// The path of a pipeline's runs.
pub(crate) fn runs(name: &str) -> String {
    pipeline(name) + "/runs"
}

/// The path of a run; without a count the latest one's.
pub(crate) fn run(name: &str, which: Option<i64>) -> String {
    let run_count = which.map_or_else(|| "latest".to_owned(), |it| it.to_string());
    runs(name) + "/" + &run_count
}

/// The path of a decision at a gate: of the run that waits and its only open step unless said.
pub(crate) fn decision(
    name: &str,
    which: Option<i64>,
    step: Option<&str>,
    approve: bool,
) -> String {
    let run_count = which.map_or_else(|| "waiting".to_owned(), |it| it.to_string());
    let deed = if approve { "approve" } else { "reject" };
    let rest = path(&[&run_count, "steps", step.unwrap_or("_"), deed]);
    runs(name) + &rest
}

/// The path of a run's log after an entry.
pub(crate) fn logs(name: &str, run_count: i64, step: Option<&str>, after: Option<&str>) -> String {
    let mut pairs = Vec::new();
    pairs.extend(step.map(|it| ("step", it)));
    pairs.extend(after.map(|it| ("after", it)));
    pairs.push(("limit", "1000"));
    run(name, Some(run_count)) + "/logs" + &query(&pairs)
}

/// Reads an answer as what it should be.
pub(crate) fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(value).map_err(|error| Error::Nonsense {
        server: "the server".into(),
        why: error.to_string(),
    })
}

/// The count of a run: as said, or of the latest one.
pub(crate) async fn run_count(http: &Http, name: &str, which: Option<i64>) -> Result<i64, Error> {
    match which {
        Some(run_count) => Ok(run_count),
        None => Ok(parse::<Run>(&http.get(&run(name, None)).await?)?.count),
    }
}

/// The first `limit` items of the list at `path`, over as many pages as it takes. `what` is the
/// name of the list in its pages.
pub(crate) async fn list(
    http: &Http,
    path: &str,
    what: &str,
    limit: usize,
) -> Result<Vec<Value>, Error> {
    list_where(http, (path, &[]), what, limit).await
}

/// The same with more in the query.
pub(crate) async fn list_where(
    http: &Http,
    (path, more): (&str, &[(&str, &str)]),
    what: &str,
    limit: usize,
) -> Result<Vec<Value>, Error> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    while items.len() < limit {
        let page = (limit - items.len()).min(PAGE).to_string();
        let mut pairs = more.to_vec();
        pairs.push(("limit", page.as_str()));
        if !cursor.is_empty() {
            pairs.push(("cursor", &cursor));
        }
        let mut answer = http.get(&format!("{path}{}", query(&pairs))).await?;
        let Value::Array(page) = answer[what].take() else {
            return Err(Error::Nonsense {
                server: "the server".into(),
                why: format!("a page has no `{what}`"),
            });
        };
        let is_empty = page.is_empty();
        items.extend(page);
        match answer["next"].as_str() {
            Some(next) if !next.is_empty() && !is_empty => next.clone_into(&mut cursor),
            _ => break,
        }
    }
    items.truncate(limit);
    Ok(items)
}
