//! Commands that print what runs said.

use std::io::Write as _;

use serde_json::Value;

use super::{Desk, gates};
use crate::client::api::{self, Entry};
use crate::client::args::Logs;
use crate::client::error::Error;
use crate::client::flags::quoted;
use crate::client::follow::Follower;
use crate::client::http::Http;
use crate::client::screen::Screen;
use crate::client::table::Paint;

/// Prints what a run said, and with `--follow` what it says until it ends.
pub(super) async fn logs(desk: &mut Desk, said: Logs) -> Result<(), Error> {
    let run_count = api::run_count(&desk.http, &said.run.name, said.run.run).await?;
    let Desk {
        http,
        screen,
        flags,
    } = desk;
    let step = said.step.as_deref();
    if said.follow {
        let run = Followed {
            name: &said.run.name,
            run_count,
            flags,
        };
        return follow(http, screen, &run, step).await;
    }
    let mut after: Option<String> = None;
    let mut is_silent = true;
    loop {
        let path = api::logs(&said.run.name, run_count, step, after.as_deref());
        let mut page = http.get(&path).await?;
        let entries = page["entries"].take();
        for entry in entries.as_array().into_iter().flatten() {
            print(screen, entry)?;
            is_silent = false;
        }
        screen.flush()?;
        let next = page["next"].as_str().map(str::to_owned);
        if next.is_none() || next == after {
            if is_silent {
                silence(&said.run.name, run_count, step)?;
            }
            return Ok(());
        }
        after = next;
    }
}

/// Says on standard error that there is nothing to print.
fn silence(name: &str, run_count: i64, step: Option<&str>) -> Result<(), Error> {
    let line = match step {
        Some(step) => format!(
            "step {step} of run {run_count} has said nothing (penstock status {} --run {run_count} \
             shows the steps)\n",
            quoted(name)
        ),
        None => format!("run {run_count} has said nothing yet\n"),
    };
    Ok(std::io::stderr().write_all(line.as_bytes())?)
}

/// The run that is followed.
pub(super) struct Followed<'a> {
    pub(super) name: &'a str,
    pub(super) run_count: i64,
    /// The flags that take another command to the same server.
    pub(super) flags: &'a str,
}

/// Prints entries until the run's log ends, and says how to go on where it waits for people.
pub(super) async fn follow(
    http: &Http,
    screen: &mut Screen,
    run: &Followed<'_>,
    step: Option<&str>,
) -> Result<(), Error> {
    let path = api::logs(run.name, run.run_count, step, None);
    let mut follower = Follower::new(http, path);
    let mut waits = false;
    while let Some(entry) = follower.next().await? {
        print(screen, &entry)?;
        waits |= entry["kind"] == "step.waiting";
        if follower.is_behind() {
            continue;
        }
        screen.flush()?;
        if std::mem::take(&mut waits) && !screen.is_for_programs() {
            gates::tell_open(http, run.name, run.run_count, run.flags).await?;
        }
    }
    Ok(screen.flush()?)
}

fn print(screen: &mut Screen, entry: &Value) -> Result<(), Error> {
    if screen.is_for_programs() {
        return Ok(screen.json_line(entry)?);
    }
    let line = line(screen, &api::parse(entry)?);
    Ok(screen.line(&line)?)
}

/// An entry as people read it: `[step] what it said`, with what Penstock says dimmed.
fn line(screen: &Screen, entry: &Entry) -> String {
    let message = screen.foreign(&entry.message);
    let line = match entry.step.as_deref().filter(|it| !it.is_empty()) {
        Some(step) => format!("[{step}] {message}"),
        None => message,
    };
    if matches!(entry.stream.as_deref(), Some("stdout" | "stderr")) {
        line
    } else {
        screen.paint(Paint::Dim, &line)
    }
}
