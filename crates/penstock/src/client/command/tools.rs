//! Commands about tools.

use std::path::Path;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use crate::client::api;
use crate::client::args::{AddTool, List, OneTool, ToolUses, TransferTool, UpdateTool};
use crate::client::error::Error;
use crate::client::file;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::Table;
use crate::client::time;

const TOOLS: &str = "/api/v2/tools";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Tool {
    id: String,
    number: i64,
    name: String,
    #[serde(rename = "toolIdentifier")]
    kind: String,
    active: bool,
    access: String,
    updated_at: Option<Timestamp>,
}

/// Makes a tool.
pub(super) async fn add(desk: &mut Desk, said: AddTool) -> Result<(), Error> {
    let answer = send(desk, Method::POST, TOOLS, &said.file).await?;
    let Tool { id, name, .. } = api::parse(&answer)?;
    told(
        desk,
        &answer,
        &format!("tool {name} added with the id {id}"),
    )
}

/// Lists tools.
pub(super) async fn list(desk: &mut Desk, said: List) -> Result<(), Error> {
    let items = api::list(&desk.http, TOOLS, "tools", said.limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        desk.screen
            .line("no tools yet: add one with `penstock tool add -f FILE`")?;
        return Ok(desk.screen.flush()?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["NAME", "NUMBER", "KIND", "ACTIVE", "ACCESS", "UPDATED"]);
    for item in &items {
        let tool: Tool = api::parse(item)?;
        table.row([
            tool.name.into(),
            tool.number.into(),
            tool.kind.into(),
            if tool.active { "yes" } else { "no" }.into(),
            tool.access.into(),
            time::ago(tool.updated_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

/// Prints a tool as the API has it: it has no other form that says all of it.
pub(super) async fn show(desk: &mut Desk, said: OneTool) -> Result<(), Error> {
    let answer = desk.http.get(&tool(&said.name)).await?;
    Ok(desk.screen.json(&answer)?)
}

/// Changes a tool.
pub(super) async fn update(desk: &mut Desk, said: UpdateTool) -> Result<(), Error> {
    let method = if said.replace {
        Method::PUT
    } else {
        Method::PATCH
    };
    let answer = send(desk, method, &tool(&said.tool.name), &said.file).await?;
    told(desk, &answer, &format!("tool {} updated", said.tool.name))
}

/// Gives a tool to another owner.
pub(super) async fn transfer(desk: &mut Desk, said: TransferTool) -> Result<(), Error> {
    let (name, owner) = (said.tool.name, said.to.owner);
    let path = format!("{}/transfer", tool(&name));
    let body = Body::json(&json!({"owner": owner}))?;
    let answer = desk.http.ask(Method::POST, &path, &body).await?;
    told(desk, &answer, &format!("tool {name} is owned by {owner}"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Use {
    number: i64,
    name: String,
    steps: Vec<String>,
}

/// Lists the pipelines that name a tool.
pub(super) async fn uses(desk: &mut Desk, said: ToolUses) -> Result<(), Error> {
    let path = format!("{}/pipelines", tool(&said.tool.name));
    let items = api::list(&desk.http, &path, "pipelines", said.list.limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        let line = format!("no pipeline names {}", said.tool.name);
        desk.screen.line(&line)?;
        return Ok(desk.screen.flush()?);
    }
    let mut table = Table::new(&["NAME", "NUMBER", "STEPS"]);
    for item in &items {
        let found: Use = api::parse(item)?;
        let steps = found.steps.join(", ");
        table.row([found.name.into(), found.number.into(), steps.into()]);
    }
    Ok(desk.screen.table(&table)?)
}

/// Deletes a tool.
pub(super) async fn delete(desk: &mut Desk, said: OneTool) -> Result<(), Error> {
    let (path, body) = (tool(&said.name), Body::default());
    let answer = desk.http.ask(Method::DELETE, &path, &body).await?;
    told(desk, &answer, &format!("tool {} deleted", said.name))
}

fn tool(name: &str) -> String {
    // A segment of dots alone would mean a folder.
    if matches!(name, "." | "..") {
        return path(&["api", "v2", "tools", &format!("name:{name}")]);
    }
    path(&["api", "v2", "tools", name])
}

async fn send(desk: &Desk, method: Method, path: &str, file: &Path) -> Result<Value, Error> {
    let body = Body::text("application/yaml", file::read(file)?);
    match desk.http.ask(method, path, &body).await {
        Err(Error::Refused(problem)) if !problem.is_away() => {
            let file = file.display().to_string();
            Err(Error::RefusedFile { file, problem })
        }
        outcome => outcome,
    }
}

fn told(desk: &mut Desk, answer: &Value, line: &str) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    desk.screen.line(line)?;
    Ok(desk.screen.flush()?)
}
