//! Commands about secrets.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::Desk;
use crate::client::api;
use crate::client::args::{Nothing, RotateKey, SecretName};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::path;
use crate::client::table::Table;
use crate::client::time;

/// The longest value of a secret, as the server has it too.
const SECRET_MAX_BYTES: u64 = 64 * 1024;
/// How often it is looked how far a change of the key is.
const POLL: Duration = Duration::from_millis(500);
/// How many secrets are listed.
const SECRETS: usize = 100_000;

/// Sets a secret to what standard input holds.
pub(super) async fn set(desk: &mut Desk, said: SecretName) -> Result<(), Error> {
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

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Vault {
    key_id: String,
    earlier_key_ids: Vec<String>,
    left: u64,
}

/// Changes the key that secrets are sealed with.
pub(super) async fn rotate_key(desk: &mut Desk, said: RotateKey) -> Result<(), Error> {
    let (path, body) = ("/api/v2/vault/rotate-key", Body::default());
    let mut answer = desk.http.ask(Method::POST, path, &body).await?;
    let mut vault: Vault = api::parse(&answer)?;
    while said.wait && !(vault.left == 0 && vault.earlier_key_ids.is_empty()) {
        tokio::time::sleep(POLL).await;
        answer = desk.http.get("/api/v2/vault").await?;
        vault = api::parse(&answer)?;
    }
    let key = &vault.key_id;
    let line = match vault.left {
        0 => format!("everything is sealed under the key {key}"),
        left => format!("the key {key} seals from now on; {left} values are left to seal again"),
    };
    told(desk, &answer, &line)
}

/// Deletes a secret.
pub(super) async fn delete(desk: &mut Desk, said: SecretName) -> Result<(), Error> {
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
pub(super) async fn list(desk: &mut Desk, _: Nothing) -> Result<(), Error> {
    let items = api::list(&desk.http, "/api/v2/secrets", "secrets", SECRETS).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        let line = "no secrets yet: set one with `penstock secret set NAME < FILE`";
        desk.screen.line(line)?;
        return Ok(desk.screen.flush()?);
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
