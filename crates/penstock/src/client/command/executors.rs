//! Commands about executors: list, drain, undrain.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Desk;
use crate::client::api;
use crate::client::args::{Drain, Executor as Deed};
use crate::client::error::Error;
use crate::client::http::{self, Body, Http};
use crate::client::path::path;
use crate::client::table::{Cell, Table};

const EXECUTORS: &str = "/api/v2/executors";
/// How often it is looked whether an executor is idle.
const POLL: Duration = Duration::from_millis(500);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Executor {
    name: String,
    slots: u32,
    busy: u32,
    draining: bool,
    lease_expires_at: Option<Timestamp>,
}

/// Does what is said to or about executors; lists them unless told otherwise.
pub(super) async fn obey(desk: &mut Desk, deed: Option<Deed>) -> Result<(), Error> {
    match deed {
        None | Some(Deed::List) => list(desk).await,
        Some(Deed::Drain(said)) => drain(desk, said).await,
        Some(Deed::Undrain(said)) => undrain(desk, &said.name).await,
    }
}

async fn list(desk: &mut Desk) -> Result<(), Error> {
    let answer = desk.http.get(EXECUTORS).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let items = answer["executors"].as_array().into_iter().flatten();
    let executors: Vec<Executor> = items.map(api::parse).collect::<Result<_, _>>()?;
    if executors.is_empty() {
        let line = "no executor is at work: start one with `penstock serve executor`";
        desk.screen.line(line)?;
        return Ok(desk.screen.flush()?);
    }
    Ok(desk.screen.table(&table(executors, Timestamp::now()))?)
}

fn table(executors: Vec<Executor>, now: Timestamp) -> Table {
    let mut table = Table::new(&["EXECUTOR", "SLOTS", "BUSY", "STATE", "LEASE"]);
    for executor in executors {
        let left = executor
            .lease_expires_at
            .map_or(0, |it| it.as_second() - now.as_second());
        let state = match (left > 0, executor.draining, executor.busy) {
            (false, ..) => "lost",
            (true, true, 0) => "drained",
            (true, true, _) => "draining",
            (true, false, _) => "working",
        };
        table.row([
            executor.name.into(),
            executor.slots.into(),
            executor.busy.into(),
            Cell::state(state),
            format!("{} s left", left.max(0)).into(),
        ]);
    }
    table
}

/// Gives an executor no new work, and waits until it has none if told so.
async fn drain(desk: &mut Desk, said: Drain) -> Result<(), Error> {
    let name = said.executor.name;
    tell(&desk.http, &name, true).await?;
    let mut answer = executor(&desk.http, &name).await?;
    while said.wait && answer["busy"].as_u64().is_some_and(|busy| busy > 0) {
        tokio::time::sleep(POLL).await;
        answer = http::patiently(async || executor(&desk.http, &name).await).await?;
    }
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let line = match answer["busy"].as_u64() {
        None => format!("executor {name} is gone"),
        Some(0) => format!("executor {name} gets no new work, and has none"),
        Some(1) => format!("executor {name} gets no new work; 1 run on it goes on"),
        Some(busy) => format!("executor {name} gets no new work; {busy} runs on it go on"),
    };
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

/// Gives an executor work again.
async fn undrain(desk: &mut Desk, name: &str) -> Result<(), Error> {
    tell(&desk.http, name, false).await?;
    if desk.screen.is_for_programs() {
        let answer = executor(&desk.http, name).await?;
        return Ok(desk.screen.json(&answer)?);
    }
    let line = format!("executor {name} gets work again");
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

async fn tell(http: &Http, name: &str, drain: bool) -> Result<(), Error> {
    let path = path(&["api", "v2", "executors", name, "drain"]);
    let body = Body::json(&json!({"drain": drain}))?;
    http.ask(Method::POST, &path, &body).await.map(drop)
}

/// An executor as it is listed; null when it is not.
async fn executor(http: &Http, name: &str) -> Result<Value, Error> {
    let mut answer = http.get(EXECUTORS).await?;
    let list = answer["executors"].as_array_mut();
    let found = list
        .into_iter()
        .flatten()
        .find(|it| it["name"].as_str() == Some(name));
    Ok(found.map(Value::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_an_executor_says_whether_it_can_be_taken_away() {
        let now = Timestamp::from_second(1_000).unwrap();
        let executor = |busy, draining, ends| Executor {
            name: "one".into(),
            slots: 8,
            busy,
            draining,
            lease_expires_at: Some(Timestamp::from_second(ends).unwrap()),
        };
        for (busy, draining, ends, state) in [
            (2, false, 1_030, "working"),
            (2, true, 1_030, "draining"),
            (0, true, 1_030, "drained"),
            (0, true, 990, "lost"),
        ] {
            let lines = table(vec![executor(busy, draining, ends)], now).lines(false);
            assert!(lines[1].contains(state), "{lines:?}");
        }
    }
}
