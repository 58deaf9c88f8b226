//! Activity records of `/api/v1`, made from the entries of the activity log.
//!
//! A life-cycle line is a record. Lines of output are joined into records of up to 64 KiB, one
//! step's try at a time, so that parallel steps don't cut each other's output to pieces. Pure.

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

impl Book {
    /// The records of these entries, which come newest first as the records go.
    pub(super) fn records(&self, entries: Vec<Entry>) -> Vec<Record> {
        let mut records = Vec::new();
        let mut written: HashMap<Source, Written> = HashMap::new();
        for entry in entries.into_iter().rev() {
            let Entry {
                run_id,
                attempt,
                entry: Some(line),
                kind,
                ..
            } = entry
            else {
                continue;
            };
            if kind.is_empty() {
                let source = Source {
                    run_id,
                    attempt,
                    step_id: line.step_id.clone(),
                    try_number: line.r#try,
                };
                let so_far = written.entry(source.clone()).or_default();
                self.write(&mut records, so_far, &source, &line);
            } else {
                // What is said later about a step comes after its output.
                let is_about = |source: &Source| {
                    source.run_id == run_id
                        && (line.step_id.is_empty() || source.step_id == line.step_id)
                };
                written
                    .iter_mut()
                    .filter(|it| is_about(it.0))
                    .for_each(|it| it.1.open = None);
                records.push(self.told(&run_id, attempt, &kind, &line));
            }
        }
        records.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        records
    }

    /// A life-cycle line.
    fn told(&self, run_id: &str, attempt: u32, kind: &str, line: &ActivityEntry) -> Record {
        let mut record = self.record(run_id, attempt, line);
        record.action = kind.replace('.', " ");
        record.status = status(kind);
        record.message.clone_from(&line.message);
        if record.step_id.is_none() && matches!(kind, "run.queued" | "run.requested") {
            record.step_name = Some("start pipeline".to_owned());
        }
        record
    }

    /// A line of output: it goes into the open record of its try, or opens one.
    fn write(
        &self,
        records: &mut Vec<Record>,
        so_far: &mut Written,
        source: &Source,
        line: &ActivityEntry,
    ) {
        let length = line.message.len() + 1;
        let time = Time::at(line.time_ms);
        let open = so_far.open.and_then(|index| records.get_mut(index));
        let room = open.and_then(|record| {
            let console = record.api_response.as_mut()?;
            let fits = console.text.len() + length <= MAX_CHUNK_BYTES;
            fits.then_some((console, &mut record.created_at, &mut record.updated_at))
        });
        if let Some((console, created_at, updated_at)) = room {
            console.text.push_str(&line.message);
            console.text.push('\n');
            (*created_at, *updated_at) = (time, time);
        } else {
            let mut record = self.record(&source.run_id, source.attempt, line);
            record.message = match &record.step_name {
                Some(name) => format!("Console output of {name}"),
                None => "Console output".to_owned(),
            };
            record.api_response = Some(Console {
                text: format!("{}\n", line.message),
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
    fn record(&self, run_id: &str, attempt: u32, line: &ActivityEntry) -> Record {
        let steps = &self.pipeline.steps;
        let is_it =
            |step: &contracts::pipeline::Step| step.slug == line.step_id || step.id == line.step_id;
        let step = steps.iter().enumerate().find(|(_, step)| is_it(step));
        let time = Time::at(line.time_ms);
        Record {
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
        "requested" | "queued" => "queued",
        "waiting" => "pending",
        "succeeded" | "warned" | "finished" => "success",
        "failed" | "timedOut" => "failed",
        "rejected" => "rejected",
        "cancelled" | "stopped" | "skipped" => "stopped",
        "defined" | "created" => "created",
        _ => "running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "5fd56d90979ee048ee660aaa";

    fn entry(seq: u64, step: &str, kind: &str, message: &str) -> Entry {
        let line = ActivityEntry {
            seq,
            time_ms: 1_600_000_000_000 + i64::try_from(seq).unwrap(),
            step_id: step.into(),
            message: message.into(),
            ..Default::default()
        };
        let attempt = u32::from(kind.is_empty());
        Entry {
            run_id: RUN.into(),
            attempt,
            entry: Some(line),
            kind: kind.into(),
            ..Default::default()
        }
    }

    fn records(mut oldest_first: Vec<Entry>) -> Vec<Record> {
        oldest_first.reverse();
        let steps = vec![
            contracts::pipeline::Step {
                slug: "a".into(),
                id: "1".repeat(24),
                name: "A".into(),
                number: 1,
            },
            contracts::pipeline::Step {
                slug: "b".into(),
                id: "2".repeat(24),
                name: "B".into(),
                number: 2,
            },
        ];
        let pipeline = Pipeline {
            steps,
            ..Default::default()
        };
        Book {
            pipeline,
            runs: [(RUN.to_owned(), 2)].into(),
        }
        .records(oldest_first)
    }

    fn log(record: &Record) -> &str {
        record
            .api_response
            .as_ref()
            .map_or("", |console| &console.text)
    }

    #[test]
    fn the_lines_of_a_try_are_one_record_even_if_steps_are_parallel() {
        let records = records(vec![
            entry(1, "", "run.queued", "queued"),
            entry(2, "a", "step.started", "A starts"),
            entry(3, "a", "", "one"),
            entry(4, "b", "", "other"),
            entry(5, "a", "", "two"),
            entry(6, "a", "step.succeeded", "A ends"),
        ]);
        let shown: Vec<_> = records
            .iter()
            .map(|it| (it.action.as_str(), it.status, log(it)))
            .collect();
        assert_eq!(
            shown,
            [
                ("step succeeded", "success", ""),
                ("console output", "running", "one\ntwo\n"),
                ("console output", "running", "other\n"),
                ("step started", "running", ""),
                ("run queued", "queued", ""),
            ]
        );
        assert_eq!(records[1].step_index, Some(0));
        assert_eq!(records[4].step_name.as_deref(), Some("start pipeline"));
        assert!(
            records
                .iter()
                .all(|it| it.run_count == Some(2) && it.id.len() == 24)
        );
    }

    #[test]
    fn long_output_is_several_records_and_none_is_over_the_limit() {
        let line = "x".repeat(1023);
        let records = records((1..=130).map(|seq| entry(seq, "a", "", &line)).collect());
        let sizes: Vec<_> = records.iter().map(|it| log(it).len()).collect();
        assert_eq!(sizes, [2048, 65536, 65536]);
        let newest = records[0].api_response.as_ref().unwrap();
        assert_eq!((newest.chunk, newest.offset), (2, 131_072));
    }

    #[test]
    fn a_single_line_over_the_limit_is_a_record_of_its_own() {
        let records = records(vec![
            entry(1, "a", "", &"x".repeat(65_536)),
            entry(2, "a", "", "y"),
        ]);
        assert_eq!(records.len(), 2);
    }
}
