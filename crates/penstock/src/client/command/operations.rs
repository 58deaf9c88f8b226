//! Commands about secrets and executors.

use std::io::{IsTerminal as _, Read as _, Write as _};

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use crate::client::api;
use crate::client::args::{Nothing, SecretName};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::{Cell, Table};
use crate::client::time;

/// The longest value of a secret, as the server has it too.
const SECRET_MAX_BYTES: u64 = 64 * 1024;
/// How many secrets are listed.
const SECRETS: usize = 100_000;

/// Sets a secret to what standard input holds.
pub(super) async fn set_secret(desk: &mut Desk, said: SecretName) -> Result<(), Error> {
    let body = Body::text("application/octet-stream", secret_value(&said.name)?);
    let path = path(&["api", "v2", "secrets", &said.name]);
    let answer = desk.http.ask(Method::PUT, &path, &body).await?;
    told(desk, &answer, &format!("secret {} set", said.name))
}

fn secret_value(name: &str) -> Result<Vec<u8>, Error> {
    let input = std::io::stdin();
    if input.is_terminal() {
        let hint = format!("type the value of {name}, then Enter and Ctrl-D\n");
        std::io::stderr().write_all(hint.as_bytes())?;
    }
    let mut value = Vec::new();
    input
        .lock()
        .take(SECRET_MAX_BYTES + 2)
        .read_to_end(&mut value)
        .map_err(|error| Error::File("standard input".into(), error))?;
    if value.ends_with(b"\n") {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
    match value.len() as u64 {
        0 => Err(Error::Usage("the value on standard input is empty".into())),
        1..=SECRET_MAX_BYTES => Ok(value),
        _ => Err(Error::Usage(format!(
            "the value is longer than {SECRET_MAX_BYTES} bytes"
        ))),
    }
}

/// Deletes a secret.
pub(super) async fn delete_secret(desk: &mut Desk, said: SecretName) -> Result<(), Error> {
    let path = path(&["api", "v2", "secrets", &said.name]);
    let body = Body::default();
    let answer = desk.http.ask(Method::DELETE, &path, &body).await?;
    told(desk, &answer, &format!("secret {} deleted", said.name))
}

fn told(desk: &mut Desk, answer: &Value, line: &str) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    desk.screen.line(line)?;
    Ok(desk.screen.flush()?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Secret {
    name: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// Lists the names of secrets.
pub(super) async fn list_secrets(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    let items = api::list(&desk.http, "/api/v2/secrets", "secrets", SECRETS).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["NAME", "CREATED", "UPDATED"]);
    for item in &items {
        let secret: Secret = api::parse(item)?;
        table.row([
            secret.name.into(),
            time::ago(secret.created_at, now).into(),
            time::ago(secret.updated_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Executor {
    name: String,
    slots: u32,
    busy: u32,
    draining: bool,
    lease_expires_at: Option<Timestamp>,
}

/// Lists executors.
pub(super) async fn executors(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    let answer = desk.http.get("/api/v2/executors").await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["EXECUTOR", "SLOTS", "BUSY", "STATE", "LEASE"]);
    for item in answer["executors"].as_array().into_iter().flatten() {
        let executor: Executor = api::parse(item)?;
        let left = executor
            .lease_expires_at
            .map_or(0, |it| it.as_second() - now.as_second());
        let state = match (left > 0, executor.draining) {
            (false, _) => "lost",
            (true, true) => "draining",
            (true, false) => "working",
        };
        table.row([
            executor.name.into(),
            executor.slots.into(),
            executor.busy.into(),
            Cell::state(state),
            format!("{} s left", left.max(0)).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}
