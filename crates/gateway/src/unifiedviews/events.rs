//! Events of an execution: the lines of a run's life in the words of the contract.
//!
//! A line becomes one event or two. That an execution waits for pipelines which must not run at the same
//! time is told with its request. An event's id is that of its execution with the line's number, so
//! it stays; events of an execution are in the order of their ids.

mod told;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use contracts::audit::{Entry, QueryActivityRequest};
use contracts::pipeline::{Pipeline, Run};
use serde::Serialize;
use serde_json::{Map, Value};

use super::acting::filled;
use super::dates::Date;
use super::executions;
use super::fault::Fault;
use super::messages::Message;
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

use told::{Kind, Told};

/// Lines that are asked for at once, and how often.
const PAGE: u32 = 1000;
const MOST_PAGES: usize = 10;
/// The longest short message, in characters.
const LONGEST_SHORT: usize = 128;
/// Events of an execution have room for so many in its ids.
const IDS: i64 = 1_000_000;

/// An event as the face shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    id: i64,
    time: Date,
    r#type: Kind,
    short_message: String,
    full_message: String,
    dpu_instance: Option<Instance>,
}

/// The step that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    id: i64,
    name: String,
    description: String,
    serialized_configuration: Option<String>,
}

pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    Path((id, execution)): Path<(String, String)>,
) -> Result<Json<Vec<View>>, Fault> {
    let named = (id.as_str(), execution.as_str());
    let (pipeline, run) = executions::find(&gateway, &who, named, Message::EventsRead).await?;
    let lines = lines(&gateway, &run.id).await;
    let lines = lines.map_err(|problem| Fault::failed(Message::EventsRead, &problem))?;
    Ok(Json(events(&pipeline, &run, &lines)))
}

/// The lines of a run's life, the oldest first.
async fn lines(gateway: &Gateway, run_id: &str) -> Result<Vec<Entry>, Problem> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    for _ in 0..MOST_PAGES {
        let request = QueryActivityRequest {
            run_id: run_id.to_owned(),
            after,
            limit: PAGE,
            life_only: true,
            ..Default::default()
        };
        let page = gateway.peers.audit_log().query_activity(request).await?;
        let page = page.into_inner();
        let is_last = page.complete || page.entries.len() < PAGE as usize;
        lines.extend(page.entries);
        after = page.next;
        if is_last {
            break;
        }
    }
    Ok(lines)
}

fn events(pipeline: &Pipeline, run: &Run, lines: &[Entry]) -> Vec<View> {
    let instances = instances(pipeline, run);
    let mut events = Vec::new();
    let mut waiting = told::waits(run, lines).then(told::waiting);
    for line in lines {
        let Some(entry) = &line.entry else { continue };
        let seq = i64::try_from(entry.seq).unwrap_or(i64::MAX);
        let first = run.number.saturating_mul(IDS);
        let instance = instances.get(entry.step_id.as_str());
        let mut all = told::of(run, line, instance.map(|it| it.id));
        if line.kind == "run.queued" {
            all.extend(waiting.take());
        }
        for (number, told) in all.into_iter().enumerate() {
            let place = seq
                .saturating_mul(4)
                .saturating_add(i64::try_from(number).unwrap_or(3));
            let instance = instance.filter(|_| told.is_of_step).cloned();
            events.push(View::of(
                first.saturating_add(place),
                entry.time_ms,
                told,
                instance,
            ));
        }
    }
    events
}

impl View {
    fn of(id: i64, time_ms: i64, told: Told, instance: Option<Instance>) -> Self {
        Self {
            id,
            time: Date::at(time_ms),
            r#type: told.kind,
            short_message: abbreviated(&told.short),
            full_message: told.full,
            dpu_instance: instance,
        }
    }
}

/// The text, or its beginning and three dots.
fn abbreviated(text: &str) -> String {
    if text.chars().count() <= LONGEST_SHORT {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST_SHORT - 3).collect();
    short.push_str("...");
    short
}

/// The steps of a run as instances of plug-ins, by the name of a step in its definition.
fn instances<'a>(pipeline: &Pipeline, run: &'a Run) -> HashMap<&'a str, Instance> {
    let definition: Map<String, Value> =
        serde_json::from_str(&pipeline.definition_json).unwrap_or_default();
    let steps = definition.get("steps").and_then(Value::as_array);
    let steps = steps.map(Vec::as_slice).unwrap_or_default();
    let instance = |step: &'a contracts::pipeline::RunStep| {
        let defined = steps.iter().find(|it| it["id"] == step.slug.as_str());
        let text = |pointer: &str| {
            let value = defined.and_then(|it| it.pointer(pointer));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let instance = Instance {
            id: step.number,
            name: step.name.clone(),
            description: text("/description"),
            serialized_configuration: filled(&text("/plugin/config")),
        };
        (step.slug.as_str(), instance)
    };
    run.steps.iter().map(instance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_message_has_128_characters() {
        assert_eq!(abbreviated("short"), "short");
        let long = "\u{e1}".repeat(129);
        let short = abbreviated(&long);
        assert_eq!(short.chars().count(), 128);
        assert!(short.ends_with("\u{e1}..."));
    }

    #[test]
    fn an_event_has_its_fields_in_their_order() {
        let told = Told::of_run(Kind::PipelineInfo, "short".into(), "full".into());
        let view = View::of(7, 0, told, None);
        assert_eq!(
            serde_json::to_string(&view).unwrap(),
            r#"{"id":7,"time":"1970-01-01T00:00:00.000+0000","type":"PIPELINE_INFO","shortMessage":"short","fullMessage":"full","dpuInstance":null}"#
        );
    }
}
