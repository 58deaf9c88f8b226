//! Commands about schedules.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Desk, facts, with};
use crate::client::api;
use crate::client::args::schedules::{Add, ListOf, One, Pause, Preview, Schedule, Slots, When};
use crate::client::error::Error;
use crate::client::http::Body;
use crate::client::path::{path, query};
use crate::client::table::{Cell, Table};
use crate::client::time;

const SCHEDULES: &str = "/api/v2/schedules";

/// A schedule, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Shown {
    id: String,
    number: i64,
    pipeline_name: String,
    description: String,
    enabled: bool,
    pause_note: Option<String>,
    next: Option<Timestamp>,
    last: Option<Timestamp>,
    waits: bool,
    kind: String,
    cron: Option<String>,
    first: Option<Timestamp>,
    period: Option<i64>,
    period_unit: Option<String>,
    just_once: bool,
    zone: String,
    after: Vec<Followed>,
    overlap: String,
    explanation: String,
    latest_slot: Option<Slot>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Followed {
    id: String,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Slot {
    at: Option<Timestamp>,
    due: Option<Timestamp>,
    until: Option<Timestamp>,
    count: u32,
    state: String,
    reason: Option<String>,
    message: Option<String>,
    late_ms: i64,
    run_count: Option<i64>,
}

/// Obeys a command about schedules.
pub(super) async fn obey(deed: Schedule) -> Result<(), Error> {
    match deed {
        Schedule::Add(said) => with(said, add).await,
        Schedule::List(said) => with(said, list).await,
        Schedule::Show(said) => with(said, show).await,
        Schedule::Pause(said) => with(said, pause).await,
        Schedule::Resume(said) => with(said, resume).await,
        Schedule::Preview(said) => with(said, preview).await,
        Schedule::Slots(said) => with(said, slots).await,
        Schedule::Delete(said) => with(said, delete).await,
    }
}

async fn add(desk: &mut Desk, said: Add) -> Result<(), Error> {
    let mut body = spec(said.when);
    body.insert("pipeline".into(), said.name.into());
    body.insert("description".into(), said.description.into());
    body.insert("enabled".into(), (!said.paused).into());
    body.insert("afterAnyStart".into(), said.any_start.into());
    body.insert("catchUpAll".into(), said.catch_up_all.into());
    body.insert("jitterMs".into(), said.jitter.unwrap_or_default().into());
    let parameters: BTreeMap<String, String> = said.parameters.into_iter().collect();
    body.insert("parameters".into(), json!(parameters));
    let overlap = said.overlap.map(|it| it.name().into());
    body.extend(overlap.map(|it| ("overlap".to_owned(), it)));
    let catch_up = said.catch_up.map(Value::from);
    body.extend(catch_up.map(|it| ("catchUpMs".to_owned(), it)));
    let answer = send(desk, Method::POST, SCHEDULES, &Value::Object(body)).await?;
    let made: Shown = api::parse(&answer)?;
    let next = match made.next {
        Some(next) => format!(", due {}", time::until(Some(next), Timestamp::now())),
        None => String::new(),
    };
    let line = format!("schedule {} added{next}", made.number);
    told(desk, &answer, &line)
}

async fn list(desk: &mut Desk, said: ListOf) -> Result<(), Error> {
    let pipeline = said.name.unwrap_or_default();
    let mut more = Vec::new();
    if !pipeline.is_empty() {
        more.push(("pipeline", pipeline.as_str()));
    }
    let limit = said.list.limit;
    let items = api::list_where(&desk.http, (SCHEDULES, &more), "schedules", limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        desk.screen
            .line("no schedules yet: add one with `penstock schedule add`")?;
        return Ok(desk.screen.flush()?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["NUMBER", "PIPELINE", "DUE", "NEXT", "LAST", "LATEST SLOT"]);
    for item in &items {
        let shown: Shown = api::parse(item)?;
        let latest = shown.latest_slot.as_ref();
        table.row([
            shown.number.into(),
            shown.pipeline_name.as_str().into(),
            shown.due().into(),
            shown.next_in_words(now).into(),
            time::ago(shown.last, now).into(),
            Cell::state(latest.map_or("", |it| it.state.as_str())),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn show(desk: &mut Desk, said: One) -> Result<(), Error> {
    let answer = desk.http.get(&of(&said.name, &[])).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let (shown, now): (Shown, _) = (api::parse(&answer)?, Timestamp::now());
    let latest = shown.latest_slot.as_ref().map(Slot::in_words);
    facts(
        desk,
        &[
            ("schedule", format!("{} ({})", shown.number, shown.id)),
            ("pipeline", shown.pipeline_name.clone()),
            ("description", shown.description.clone()),
            ("due", shown.due()),
            ("zone", shown.zone.clone()),
            ("overlap", shown.overlap.clone()),
            ("next", shown.next_in_words(now)),
            ("last", time::ago(shown.last, now)),
            ("latest slot", latest.unwrap_or_default()),
            ("explanation", shown.explanation),
        ],
    )
}

async fn pause(desk: &mut Desk, said: Pause) -> Result<(), Error> {
    let path = of(&said.schedule.name, &["pause"]);
    let answer = send(desk, Method::POST, &path, &json!({"note": said.message})).await?;
    let line = format!("schedule {} is paused", said.schedule.name);
    told(desk, &answer, &line)
}

async fn resume(desk: &mut Desk, said: One) -> Result<(), Error> {
    let path = of(&said.name, &["resume"]);
    let answer = send(desk, Method::POST, &path, &json!({})).await?;
    let shown: Shown = api::parse(&answer)?;
    let next = shown.next_in_words(Timestamp::now());
    told(
        desk,
        &answer,
        &format!("schedule {} is due {next}", said.name),
    )
}

async fn preview(desk: &mut Desk, said: Preview) -> Result<(), Error> {
    let count = said.count.to_string();
    let query = query(&[("count", &count)]);
    let answer = if let Some(name) = said.name {
        desk.http.get(&(of(&name, &["preview"]) + &query)).await?
    } else {
        let path = format!("{SCHEDULES}/preview{query}");
        let spec = Value::Object(spec(said.when));
        send(desk, Method::POST, &path, &spec).await?
    };
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&answer)?);
    }
    let slots: Vec<Slot> = api::parse(&answer["slots"])?;
    if slots.is_empty() {
        desk.screen.line("no slots to come")?;
        return Ok(desk.screen.flush()?);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["SLOT", "DUE"]);
    for slot in slots {
        table.row([text(slot.at).into(), time::until(slot.due, now).into()]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn slots(desk: &mut Desk, said: Slots) -> Result<(), Error> {
    let path = of(&said.schedule.name, &["slots"]);
    let items = api::list(&desk.http, &path, "slots", said.limit).await?;
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(&Value::Array(items))?);
    }
    if items.is_empty() {
        desk.screen.line("no slots yet")?;
        return Ok(desk.screen.flush()?);
    }
    let mut table = Table::new(&["SLOT", "STATE", "RUN", "LATE", "WHY"]);
    for item in &items {
        let slot: Slot = api::parse(item)?;
        let late = if slot.late_ms >= 1000 {
            format!("{} s", slot.late_ms / 1000)
        } else {
            String::new()
        };
        let run = slot.run_count.map(|it| it.to_string()).unwrap_or_default();
        table.row([
            text(slot.at).into(),
            Cell::state(&slot.state),
            run.into(),
            late.into(),
            slot.why().into(),
        ]);
    }
    Ok(desk.screen.table(&table)?)
}

async fn delete(desk: &mut Desk, said: One) -> Result<(), Error> {
    let (path, body) = (of(&said.name, &[]), Body::default());
    let answer = desk.http.ask(Method::DELETE, &path, &body).await?;
    told(desk, &answer, &format!("schedule {} deleted", said.name))
}

impl Shown {
    /// What it is due by.
    fn due(&self) -> String {
        match (
            self.kind.as_str(),
            &self.cron,
            self.period,
            &self.period_unit,
        ) {
            ("cron", Some(pattern), ..) => pattern.clone(),
            ("periodic", _, Some(period), Some(unit)) if !self.just_once => {
                let many = if period == 1 { "" } else { "s" };
                format!("every {period} {unit}{many}")
            }
            ("after", ..) => {
                let names = self.after.iter();
                let names = names.map(|it| it.name.clone().unwrap_or_else(|| it.id.clone()));
                format!("after {}", names.collect::<Vec<_>>().join(", "))
            }
            _ => format!("once, {}", text(self.first)),
        }
    }

    fn next_in_words(&self, now: Timestamp) -> String {
        match &self.pause_note {
            Some(note) if note.is_empty() => "paused".into(),
            Some(note) => format!("paused: {note}"),
            None if !self.enabled => "disabled".into(),
            None if self.waits => "as soon as the pipeline is free".into(),
            None => self
                .next
                .map_or_else(String::new, |it| time::until(Some(it), now)),
        }
    }
}

impl Slot {
    fn in_words(&self) -> String {
        let why = self.why();
        let why = if why.is_empty() {
            why
        } else {
            format!(": {why}")
        };
        let run = self.run_count.map(|it| format!(", run {it}"));
        format!(
            "{} {}{}{why}",
            text(self.at),
            self.state,
            run.unwrap_or_default()
        )
    }

    /// Why it was skipped, and how many with it.
    fn why(&self) -> String {
        let why = self.message.clone().or_else(|| self.reason.clone());
        let why = why.unwrap_or_default();
        if self.count > 1 {
            format!("{why} ({} slots, until {})", self.count, text(self.until))
        } else {
            why
        }
    }
}

/// What is said of when a schedule is due, as the API takes it.
fn spec(when: When) -> Map<String, Value> {
    let (period, unit) = when.every.unzip();
    let said = [
        ("cron", when.cron.map(Value::from)),
        ("period", period.map(Value::from)),
        ("periodUnit", unit.map(Value::from)),
        ("first", when.first.map(Value::from)),
        ("at", when.at.map(Value::from)),
        ("zone", when.zone.map(Value::from)),
        ("gap", when.gap.map(|it| it.name().into())),
        ("fold", when.fold.map(|it| it.name().into())),
        ("after", Some(json!(when.after))),
    ];
    let said = said.into_iter();
    said.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn of(name: &str, rest: &[&str]) -> String {
    let mut segments = vec!["api", "v2", "schedules", name];
    segments.extend(rest);
    path(&segments)
}

fn text(at: Option<Timestamp>) -> String {
    at.map(|it| format!("{it:.0}")).unwrap_or_default()
}

async fn send(desk: &Desk, method: Method, path: &str, body: &Value) -> Result<Value, Error> {
    desk.http.ask(method, path, &Body::json(body)?).await
}

fn told(desk: &mut Desk, answer: &Value, line: &str) -> Result<(), Error> {
    if desk.screen.is_for_programs() {
        return Ok(desk.screen.json(answer)?);
    }
    desk.screen.line(line)?;
    Ok(desk.screen.flush()?)
}
