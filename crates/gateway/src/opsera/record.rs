//! Activity records of `/api/v1`, made from the entries of the activity log.
//!
//! A life-cycle line is a record. Lines of output are joined as the audit log says, which cuts the
//! output of each try of a step at fixed places, so that a record is the same in every answer. Pure.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use contracts::audit::Entry;
use contracts::id::record_id;
use contracts::message::ActivityEntry;
use contracts::pipeline::Pipeline;
use serde::Serialize;

use crate::time::Time;

/// An activity record.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
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
    /// Its chunk of the attempt's output, from 0.
    chunk: u64,
    /// Bytes of this try's output in that chunk before this record.
    offset: u64,
}

/// What is known about the runs whose entries are recorded.
pub(super) struct Book {
    pub(super) pipeline: Pipeline,
    /// Run counts by run id.
    pub(super) runs: HashMap<String, i64>,
}

/// What makes lines of output one record: run, attempt, step, try, and the record's first number.
type Source<'a> = (&'a str, u32, &'a str, u32, u64);

impl Book {
    /// The records of these entries, newest first as the entries come; of one time the greater id
    /// is first.
    pub(super) fn records(&self, entries: &[Entry]) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        let mut open: HashMap<Source<'_>, usize> = HashMap::new();
        for entry in entries.iter().rev() {
            let Some(line) = &entry.entry else { continue };
            if !entry.kind.is_empty() {
                records.push(self.told(entry, line));
                continue;
            }
            let (run_id, step_id) = (entry.run_id.as_str(), line.step_id.as_str());
            let source = (run_id, entry.attempt, step_id, line.r#try, entry.record);
            let index = *open.entry(source).or_insert(records.len());
            match records.get_mut(index) {
                Some(record) => record.append(line),
                None => records.push(self.written(entry, line)),
            }
        }
        records.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        records
    }

    /// A life-cycle line.
    fn told(&self, entry: &Entry, line: &ActivityEntry) -> Record {
        let kind = entry.kind.as_str();
        let mut record = self.record(entry, line);
        record.action = kind.replace('.', " ");
        record.status = status(kind);
        record.message.clone_from(&line.message);
        if record.step_id.is_none() && kind == "run.queued" {
            record.step_name = Some("start pipeline".to_owned());
        }
        record
    }

    /// The first line of a record of output.
    fn written(&self, entry: &Entry, line: &ActivityEntry) -> Record {
        let mut record = self.record(entry, line);
        record.message = match &record.step_name {
            Some(name) => format!("Console output of {name}"),
            None => "Console output".to_owned(),
        };
        record.api_response = Some(Console {
            text: format!("{}\n", line.message),
            chunk: entry.chunk,
            offset: entry.offset,
        });
        record
    }

    /// What every record has; for output as it stands.
    fn record(&self, entry: &Entry, line: &ActivityEntry) -> Record {
        let Entry {
            run_id,
            attempt,
            kind,
            ..
        } = entry;
        let steps = &self.pipeline.steps;
        let is_it =
            |step: &contracts::pipeline::Step| step.slug == line.step_id || step.id == line.step_id;
        let step = steps.iter().enumerate().find(|(_, step)| is_it(step));
        let time = Time::at(line.time_ms);
        Record {
            id: record_id(run_id, *attempt, line.seq, line.time_ms, kind),
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
    pub(super) fn id(&self) -> &String {
        &self.id
    }

    /// Its time in milliseconds since 1970-01-01 UTC.
    pub(super) fn ms(&self) -> i64 {
        self.created_at.ms()
    }

    /// Empty if it is about the run.
    pub(super) fn step_id(&self) -> &str {
        self.step_id.as_deref().unwrap_or_default()
    }

    pub(super) fn status(&self) -> &'static str {
        self.status
    }

    /// Whether its message or output has this text, which is in lowercase.
    pub(super) fn says(&self, text: &str) -> bool {
        let console = self.api_response.as_ref().map(|it| it.text.as_str());
        let mut texts = [Some(self.message.as_str()), console].into_iter().flatten();
        texts.any(|it| it.to_lowercase().contains(text))
    }

    /// Adds a line of output.
    fn append(&mut self, line: &ActivityEntry) {
        let time = self.created_at.max(Time::at(line.time_ms));
        (self.created_at, self.updated_at) = (time, time);
        if let Some(console) = &mut self.api_response {
            console.text.push_str(&line.message);
            console.text.push('\n');
        }
    }
}

/// The status word of a life-cycle line; the words are those that clients understand.
fn status(kind: &str) -> &'static str {
    match kind.rsplit('.').next().unwrap_or_default() {
        "queued" => "queued",
        "waiting" => "pending",
        "succeeded" | "warned" | "finished" | "approved" => "success",
        "failed" => "failed",
        "rejected" => "rejected",
        "cancelled" | "skipped" => "stopped",
        _ => "running",
    }
}
