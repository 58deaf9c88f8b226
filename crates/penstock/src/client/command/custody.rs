//! Commands about whose a pipeline is, and whether it may be run.

use reqwest::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::client::api::{self, Pipeline};
use crate::client::args::OnePipeline;
use crate::client::args::custody::{Duplicate, Lock, Transfer};
use crate::client::error::Error;
use crate::client::http::Body;

/// Makes a copy of a pipeline.
pub(super) async fn duplicate(desk: &mut Desk, said: Duplicate) -> Result<(), Error> {
    let body = json!({"name": said.copy});
    let answer = post(desk, &said.pipeline, "duplicate", &body).await?;
    let Pipeline { name, number, .. } = api::parse(&answer)?;
    let line = format!("pipeline {name} made with the number {number}");
    told(desk, &answer, &line)
}

/// Gives a pipeline to another owner.
pub(super) async fn transfer(desk: &mut Desk, said: Transfer) -> Result<(), Error> {
    let owner = said.to.owner;
    let answer = post(desk, &said.pipeline, "transfer", &json!({"owner": owner})).await?;
    let line = format!("pipeline {} is owned by {owner}", said.pipeline.name);
    told(desk, &answer, &line)
}

/// Keeps a pipeline from being run.
pub(super) async fn lock(desk: &mut Desk, said: Lock) -> Result<(), Error> {
    let body = json!({"reason": said.reason});
    let answer = post(desk, &said.pipeline, "lock", &body).await?;
    told(
        desk,
        &answer,
        &format!("pipeline {} locked", said.pipeline.name),
    )
}

/// Lets a pipeline be run again.
pub(super) async fn unlock(desk: &mut Desk, said: OnePipeline) -> Result<(), Error> {
    let answer = post(desk, &said, "unlock", &json!({})).await?;
    told(desk, &answer, &format!("pipeline {} unlocked", said.name))
}

async fn post(
    desk: &Desk,
    pipeline: &OnePipeline,
    deed: &str,
    body: &Value,
) -> Result<Value, Error> {
    let path = format!("{}/{deed}", api::pipeline(&pipeline.name));
    desk.http.ask(Method::POST, &path, &Body::json(body)?).await
}

fn told(desk: &mut Desk, answer: &Value, line: &str) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    desk.screen.line(line)?;
    Ok(desk.screen.flush()?)
}
