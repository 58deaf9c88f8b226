//! Commands about runs: stop, status, runs, explain, reset.

use std::fmt::Write as _;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::Desk;
use crate::client::api::{self, Run};
use crate::client::args::{OneRun, Reset, Runs, Stop};
use crate::client::error::Error;
use crate::client::flags::quoted;
use crate::client::http::Body;
use crate::client::table::{Cell, Paint, Table};
use crate::client::{screen::Screen, time};

/// Stops one run, or all that have not ended.
pub(super) async fn stop(desk: &mut Desk, said: Stop) -> Result<(), Error> {
    let name = &said.run.name;
    let body = Body::json(&json!({"mode": said.mode.name(), "reason": said.reason}))?;
    let path = match said.run.run {
        Some(run_count) => api::run(name, Some(run_count)) + "/stop",
        None => api::pipeline(name) + "/stop",
    };
    let answer = desk.http.ask(Method::POST, &path, &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let runs: Vec<Run> = match said.run.run {
        Some(_) => vec![api::parse(&answer)?],
        None => api::parse(&answer["runs"])?,
    };
    if runs.is_empty() {
        let line = format!("pipeline {name} has no run that has not ended");
        desk.screen.line(&line)?;
    }
    for run in &runs {
        let what = if run.is_ended() {
            format!("has ended: {}", run.state)
        } else {
            format!("is stopping ({})", said.mode.name())
        };
        let line = format!("run {} of {name} {what}", run.count);
        desk.screen.line(&line)?;
    }
    Ok(desk.screen.flush()?)
}

/// Shows a run and its steps.
pub(super) async fn status(desk: &mut Desk, said: OneRun) -> Result<(), Error> {
    let answer = desk.http.get(&api::run(&said.name, said.run)).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    show(&mut desk.screen, &said.name, &api::parse(&answer)?)
}

fn show(screen: &mut Screen, name: &str, run: &Run) -> Result<(), Error> {
    let now = Timestamp::now();
    let line = headline(screen, name, run, now);
    screen.line(&line)?;
    if let Some(reason) = run.reason.as_ref().filter(|it| !it.is_empty()) {
        let reason = screen.paint(Paint::Dim, &screen.foreign(reason));
        screen.line(&reason)?;
    }
    screen.line("")?;
    let mut table = Table::new(&["STEP", "STATE", "TRIES", "EXIT", "TOOK", "MESSAGE"]);
    for step in &run.steps {
        table.row([
            (&step.id).into(),
            Cell::state(&step.state),
            step.tries.into(),
            step.exit_code
                .map(|it| it.to_string())
                .unwrap_or_default()
                .into(),
            time::took(step.started_at, step.ended_at, now).into(),
            step.message.as_deref().unwrap_or_default().into(),
        ]);
    }
    Ok(screen.table(&table)?)
}

/// A run in one sentence.
pub(super) fn headline(screen: &Screen, name: &str, run: &Run, now: Timestamp) -> String {
    let name = if run.pipeline_name.is_empty() {
        name
    } else {
        &run.pipeline_name
    };
    let state = screen.paint(Paint::of_state(&run.state), &run.state);
    let mut line = format!("run {} of {name} {state}", run.count);
    if run.started_at.is_some() {
        let joint = if run.is_ended() { "after" } else { "for" };
        let took = time::took(run.started_at, run.ended_at, now);
        let _ = write!(line, " {joint} {took}");
    }
    if let Some(position) = run.queue_position.filter(|it| *it > 0) {
        let _ = write!(line, " {}", behind(position));
    }
    let cause = run.end_cause.as_deref().filter(|it| *it != "completed");
    if let Some(cause) = cause {
        let _ = write!(line, " ({cause})");
    }
    if run.attempt > 1 {
        let _ = write!(line, ", attempt {}", run.attempt);
    }
    line
}

/// Lists runs, newest first.
pub(super) async fn runs(desk: &mut Desk, said: Runs) -> Result<(), Error> {
    let items = api::list(&desk.http, &api::runs(&said.name), "runs", said.limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        let line = format!(
            "pipeline {} has no runs yet: start one with `penstock run {}`",
            said.name,
            quoted(&said.name)
        );
        desk.screen.line(&line)?;
        return Ok(desk.screen.flush()?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["RUN", "STATE", "CAUSE", "ATTEMPT", "REQUESTED", "TOOK"]);
    for item in &items {
        let run: Run = api::parse(item)?;
        table.row([
            run.count.into(),
            Cell::state(&run.state),
            run.end_cause.unwrap_or_default().into(),
            run.attempt.into(),
            time::ago(run.requested_at, now).into(),
            time::took(run.started_at, run.ended_at, now).into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

/// Says why a run waits, runs or has ended.
pub(super) async fn explain(desk: &mut Desk, said: OneRun) -> Result<(), Error> {
    let path = api::run(&said.name, said.run) + "/explain";
    let answer = desk.http.get(&path).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let sentences = answer["sentences"].as_array().cloned().unwrap_or_default();
    for sentence in &sentences {
        let text = sentence["text"].as_str().or(sentence.as_str());
        let text = desk.screen.foreign(text.unwrap_or_default());
        desk.screen.line(&text)?;
    }
    Ok(desk.screen.flush()?)
}

/// Clears a pipeline's position.
pub(super) async fn reset(desk: &mut Desk, said: Reset) -> Result<(), Error> {
    let body = Body::json(&json!({"force": said.force}))?;
    let path = api::pipeline(&said.name) + "/reset";
    let answer = desk.http.ask(Method::POST, &path, &body).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let line = format!("pipeline {} is at its start again", said.name);
    desk.screen.line(&line)?;
    Ok(desk.screen.flush()?)
}

/// Where a run stands in the queue of its pipeline.
pub(super) fn behind(position: u32) -> String {
    let runs = if position == 1 { "run" } else { "runs" };
    format!("behind {position} other {runs}")
}
