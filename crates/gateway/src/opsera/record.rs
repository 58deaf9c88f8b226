//! Activity records of `/api/v1`, made from the entries of the activity log.
//!
//! A life-cycle line is a record. Lines of output are joined into records of up to 64 KiB, one
//! step's try at a time, so that parallel steps don't cut each other's output to pieces. Pure.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::HashMap;

use contracts::audit::Entry;
use contracts::message::ActivityEntry;
use contracts::pipeline::Pipeline;
use serde::Serialize;

use crate::time::Time;

/// The most bytes of output in one record.
const MAX_CHUNK_BYTES: usize = 64 * 1024;

/// An activity record.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    /// The place of its last entry in the log: what is told of the same millisecond keeps its order.
    #[serde(skip)]
    place: usize,
    #[serde(rename = "_id")]
    id: String,
    pipeline_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_index: Option<usize>,
    action: String,
    message: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_response: Option<Console>,
    account: String,
    owner: String,
    #[serde(rename = "createdAt")]
    created_at: Time,
    #[serde(rename = "updatedAt")]
    updated_at: Time,
    #[serde(rename = "__v")]
    revision: u32,
}

/// Output of a step.
#[derive(Debug, Default, Serialize)]
struct Console {
    #[serde(rename = "consoleLog")]
    text: String,
    /// Counts the records of this try in this answer, from 0.
    chunk: u32,
    /// Bytes of this try's output before this record in this answer.
    offset: usize,
}

/// What is known about the runs whose entries are recorded.
pub(super) struct Book {
    pub(super) pipeline: Pipeline,
    /// Run counts by run id.
    pub(super) runs: HashMap<String, i64>,
}

/// The output of one try of one step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Source {
    run_id: String,
    attempt: u32,
    step_id: String,
    try_number: u32,
}

/// A try's output so far.
#[derive(Debug, Default)]
struct Written {
    /// The record that takes the next line, if it is still open.
    open: Option<usize>,
    chunks: u32,
    bytes: usize,
}

/// An entry and its place among all entries, the oldest first.
struct Said<'a> {
    run_id: &'a str,
    attempt: u32,
    line: &'a ActivityEntry,
    place: usize,
}

impl Said<'_> {
    fn source(&self) -> Source {
        Source {
            run_id: self.run_id.to_owned(),
            attempt: self.attempt,
            step_id: self.line.step_id.clone(),
            try_number: self.line.r#try,
        }
    }

    /// Whether this life-cycle line is about what `source` is.
    fn is_about(&self, source: &Source) -> bool {
        let step_id = &self.line.step_id;
        source.run_id == self.run_id && (step_id.is_empty() || source.step_id == *step_id)
    }
}

impl Book {
    /// The records of these entries, which come newest first as the records go.
    pub(super) fn records(&self, entries: &[Entry]) -> Vec<Record> {
        let mut records = Vec::new();
        let mut written: HashMap<Source, Written> = HashMap::new();
        for (place, entry) in entries.iter().rev().enumerate() {
            let Some(line) = &entry.entry else { continue };
            let said = Said {
                run_id: &entry.run_id,
                attempt: entry.attempt,
                line,
                place,
            };
            if entry.kind.is_empty() {
                let so_far = written.entry(said.source()).or_default();
                self.write(&mut records, so_far, &said);
            } else {
                // What a step writes later comes after this.
                let others = written.iter_mut().filter(|it| said.is_about(it.0));
                others.for_each(|it| it.1.open = None);
                records.push(self.told(&entry.kind, &said));
            }
        }
        records.sort_by_key(|it| Reverse((it.created_at, it.place)));
        records
    }

    /// A life-cycle line.
    fn told(&self, kind: &str, said: &Said) -> Record {
        let mut record = self.record(said);
        record.action = kind.replace('.', " ");
        record.status = status(kind);
        record.message.clone_from(&said.line.message);
        if record.step_id.is_none() && kind == "run.queued" {
            record.step_name = Some("start pipeline".to_owned());
        }
        record
    }

    /// A line of output: it goes into the open record of its try, or opens one.
    fn write(&self, records: &mut Vec<Record>, so_far: &mut Written, said: &Said) {
        let message = &said.line.message;
        let length = message.len() + 1;
        let open = so_far.open.and_then(|index| records.get_mut(index));
        let room = open.filter(|record| {
            let console = record.api_response.as_ref();
            console.is_some_and(|console| console.text.len() + length <= MAX_CHUNK_BYTES)
        });
        if let Some(record) = room {
            record.append(said);
        } else {
            let mut record = self.record(said);
            record.message = match &record.step_name {
                Some(name) => format!("Console output of {name}"),
                None => "Console output".to_owned(),
            };
            record.api_response = Some(Console {
                text: format!("{message}\n"),
                chunk: so_far.chunks,
                offset: so_far.bytes,
            });
            so_far.open = Some(records.len());
            so_far.chunks += 1;
            records.push(record);
        }
        so_far.bytes += length;
    }

    /// What every record has; for output as it stands.
    fn record(&self, said: &Said) -> Record {
        let Said {
            run_id,
            attempt,
            line,
            place,
        } = *said;
        let steps = &self.pipeline.steps;
        let is_it =
            |step: &contracts::pipeline::Step| step.slug == line.step_id || step.id == line.step_id;
        let step = steps.iter().enumerate().find(|(_, step)| is_it(step));
        let time = Time::at(line.time_ms);
        Record {
            place,
            id: record_id(run_id, attempt, line),
            pipeline_id: self.pipeline.id.clone(),
            run_count: self.runs.get(run_id).copied(),
            step_id: step.map(|(_, step)| step.id.clone()),
            step_name: step
                .map(|(_, step)| step.name.clone())
                .or_else(|| (!line.step_id.is_empty()).then(|| line.step_id.clone())),
            step_index: step.map(|(index, _)| index),
            action: "console output".to_owned(),
            message: String::new(),
            status: "running",
            api_response: None,
            account: self.pipeline.account.clone(),
            owner: self.pipeline.owner.clone(),
            created_at: time,
            updated_at: time,
            revision: 0,
        }
    }
}

impl Record {
    /// Adds a line of output.
    fn append(&mut self, said: &Said) {
        let time = Time::at(said.line.time_ms);
        (self.created_at, self.updated_at, self.place) = (time, time, said.place);
        if let Some(console) = &mut self.api_response {
            console.text.push_str(&said.line.message);
            console.text.push('\n');
        }
    }
}

/// The permanent id of an entry's record, 24 hex digits: its second, its run, its attempt and
/// number. It ascends as the entries of an attempt do.
fn record_id(run_id: &str, attempt: u32, line: &ActivityEntry) -> String {
    let seconds = u32::try_from(line.time_ms / 1000).unwrap_or_default();
    let run = run_id.get(18..24).unwrap_or("000000");
    format!(
        "{seconds:08x}{run}{:02x}{:08x}",
        attempt & 0xff,
        line.seq & 0xffff_ffff
    )
}

/// The status word of a life-cycle line; the words are those that clients understand.
fn status(kind: &str) -> &'static str {
    match kind.rsplit('.').next().unwrap_or_default() {
        "queued" => "queued",
        "waiting" => "pending",
        "succeeded" | "warned" | "finished" => "success",
        "failed" => "failed",
        "rejected" => "rejected",
        "cancelled" | "skipped" => "stopped",
        _ => "running",
    }
}
