//! What a debugging run left in its workspace, to look at: which files there are, and what they hold.
//!
//! It is read where executors keep workspaces, so the gateway has to see that directory
//! ([`crate::Config::workspace_dir`]).
//!
//! **Invariant:** nothing but plain files below the run's own workspace is answered: no link in it is
//! followed, and no path leads out of it ([`kept`]).

mod kept;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::pipeline::GetPipelineRequest;
use runtime::Kind;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use utoipa::{IntoParams, ToSchema};

use super::{pipeline_ref, runs};
use crate::Gateway;
use crate::auth::Who;
use crate::body;
use crate::problem::Problem;
use crate::time::Time;

/// Bytes of a file that are read at once.
const CHUNK: usize = 64 * 1024;

/// What of a run's workspace is read.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DataQuery {
    /// A file as the list has it; the list unless said.
    file: Option<String>,
}

/// The files of a run's workspace.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataFiles {
    /// By path.
    files: Vec<DataFile>,
    /// There are more than are shown.
    more: bool,
}

/// A file that a run left.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataFile {
    /// Below the workspace.
    path: String,
    bytes: u64,
    modified_at: Time,
}

/// Lists what a debugging run left in its workspace, or reads one file of it. Of other runs nothing is
/// kept.
#[utoipa::path(get, path = "/api/v2/pipelines/{p}/runs/{runCount}/data", operation_id = "readData",
    tag = "runs", params(DataQuery),
    responses((status = 200, content((DataFiles = "application/json"),
        (Vec<u8> = "application/octet-stream")))))]
pub(crate) async fn read(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((p, run_count)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, Problem> {
    let query: DataQuery = body::query(&uri)?;
    let workspace = workspace(&gateway, &who, p, &run_count).await?;
    match (workspace, query.file) {
        (None, None) => Ok(Json(DataFiles::default()).into_response()),
        (None, Some(_)) => Err(nothing()),
        (Some(workspace), None) => Ok(Json(listed(workspace).await?).into_response()),
        (Some(workspace), Some(file)) => sent(workspace, file).await,
    }
}

async fn listed(workspace: PathBuf) -> Result<DataFiles, Problem> {
    let listed = tokio::task::spawn_blocking(move || kept::files(&workspace)).await;
    let listed = listed.map_err(|_| Problem::internal())?;
    let (files, more) = match listed {
        Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), false),
        listed => listed.map_err(unreadable)?,
    };
    let files = files.into_iter().map(|it| DataFile {
        path: it.path,
        bytes: it.bytes,
        modified_at: Time::at(it.modified_ms),
    });
    Ok(DataFiles {
        files: files.collect(),
        more,
    })
}

async fn sent(workspace: PathBuf, file: String) -> Result<Response, Problem> {
    let opened = tokio::task::spawn_blocking(move || kept::open(&workspace, &file)).await;
    let (file, bytes) = opened
        .map_err(|_| Problem::internal())?
        .map_err(unreadable)?;
    let file = tokio::fs::File::from_std(file);
    let chunks = futures::stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let length = file.read(&mut chunk).await?;
        chunk.truncate(length);
        let chunk = (length > 0).then(|| (Bytes::from(chunk), file));
        Ok::<_, std::io::Error>(chunk)
    });
    // Whatever a step wrote is shown as data, never as a page of ours.
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        ),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment"),
        ),
        (header::CONTENT_LENGTH, HeaderValue::from(bytes)),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// Where the workspace of a run is that the caller may look into, if it is kept.
async fn workspace(
    gateway: &Gateway,
    who: &Who,
    p: String,
    run_count: &str,
) -> Result<Option<PathBuf>, Problem> {
    let run = runs::run(gateway, who, p, run_count).await?;
    let request = GetPipelineRequest {
        caller: Some(who.caller()),
        pipeline: Some(pipeline_ref(run.pipeline_id.clone())),
        definition_only: true,
    };
    let pipeline = gateway.peers.pipelines().get_pipeline(request).await?;
    if pipeline.get_ref().hides_steps {
        let detail = "what a run left is for those who may see what its steps are told to do";
        return Err(Problem::new(Kind::Denied, "DENIED", detail));
    }
    let folder = &gateway.config.workspace_dir;
    let is_seen = run.debugging && !folder.as_os_str().is_empty();
    Ok(is_seen.then(|| folder.join(&run.id)))
}

fn nothing() -> Problem {
    let detail =
        "there is no such file, or not any more: only debugging runs keep theirs, for days";
    Problem::new(Kind::NotFound, "NO_DATA", detail)
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` gives")]
fn unreadable(error: std::io::Error) -> Problem {
    let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let is_no_file = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::InvalidInput
    );
    if is_link || is_no_file {
        return nothing();
    }
    tracing::error!("what a run left can't be read: {error}");
    Problem::internal()
}
