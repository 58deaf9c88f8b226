//! Commands about pipelines.

use std::path::Path;

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::Desk;
use crate::client::api::{self, Pipeline};
use crate::client::args::{Apply, List, OnePipeline};
use crate::client::error::Error;
use crate::client::file;
use crate::client::http::Body;
use crate::client::table::{Cell, Table};
use crate::client::time;

/// Makes each file's pipeline. One that is at fault keeps no other from being made.
pub(super) async fn apply(desk: &mut Desk, said: Apply) -> Result<(), Error> {
    let mut failed: Option<Error> = None;
    for file in &said.files {
        match apply_one(desk, file).await {
            Ok(()) => {}
            Err(error) if error.is_away() => return Err(error),
            Err(error) => {
                desk.screen.flush()?;
                if let Some(earlier) = failed.replace(error) {
                    earlier.tell();
                }
            }
        }
    }
    desk.screen.flush()?;
    failed.map_or(Ok(()), Err)
}

async fn apply_one(desk: &mut Desk, file: &Path) -> Result<(), Error> {
    let body = Body::text("application/yaml", file::read(file)?);
    let path = "/api/v2/pipelines?upsert=true";
    let (status, answer) = match desk.http.answer(Method::POST, path, &body).await {
        Err(Error::Refused(problem)) if !problem.is_away() => {
            let file = file.display().to_string();
            return Err(Error::RefusedFile { file, problem });
        }
        outcome => outcome?,
    };
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let Pipeline { name, version, .. } = api::parse(&answer)?;
    let line = if status == StatusCode::CREATED {
        format!("pipeline {name} created")
    } else {
        format!("pipeline {name} is at version {version}")
    };
    Ok(desk.screen.line(&line)?)
}

/// Lists pipelines.
pub(super) async fn list(desk: &mut Desk, said: List) -> Result<(), Error> {
    let items = api::list(&desk.http, "/api/v2/pipelines", "pipelines", said.limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        desk.screen
            .line("no pipelines yet: make one with `penstock apply -f FILE`")?;
        return Ok(desk.screen.flush()?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["NAME", "NUMBER", "VERSION", "RUNS", "LATEST RUN", "UPDATED"]);
    for item in &items {
        let pipeline: Pipeline = api::parse(item)?;
        let state = pipeline.latest_run.map(|it| it.state).unwrap_or_default();
        table.row([
            pipeline.name.into(),
            pipeline.number.into(),
            pipeline.version.into(),
            pipeline.run_count.into(),
            Cell::state(&state),
            time::ago(pipeline.updated_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

/// Deletes a pipeline.
pub(super) async fn delete(desk: &mut Desk, said: OnePipeline) -> Result<(), Error> {
    let path = api::pipeline(&said.name);
    let body = Body::default();
    let answer = desk.http.ask(Method::DELETE, &path, &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let line = format!("pipeline {} deleted", said.name);
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}
