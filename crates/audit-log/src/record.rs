//! Activity records: a life-cycle line each, and output in pieces of up to 64 KiB.
//!
//! The output of an attempt is cut into chunks of [`LINES`] numbers; what one try of a step wrote in
//! a chunk is a record, or several if it is long.
//!
//! **Invariant:** which record an entry belongs to depends on its chunk alone, never on what was
//! asked for, so that a record is the same in every answer that has it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use contracts::id::{is_object_id, record_id};
use contracts::message::ActivityEntry;

use crate::Error;
use crate::chunk::Range;
use crate::page::Told;
use crate::walk::weight;

/// Numbers of entries in a chunk of an attempt's output.
const LINES: u64 = 128;
/// The most bytes of text in a record; a longer line is a record of its own.
const MOST_TEXT: u64 = 64 * 1024;

/// A record's place among all: newer ones are greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark {
    /// Of its latest entry.
    pub(crate) time_ms: i64,
    /// Empty for a mark before all records of that time.
    pub(crate) id: String,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) mark: Mark,
    pub(crate) run_id: String,
    /// 0 on life-cycle lines.
    pub(crate) attempt: u32,
    /// Empty on output.
    pub(crate) kind: String,
    pub(crate) chunk: u64,
    /// Bytes of the same try in the chunk before this record.
    pub(crate) offset: u64,
    /// In their order; never empty.
    pub(crate) entries: Vec<ActivityEntry>,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dash = if self.id.is_empty() { "" } else { "-" };
        write!(f, "{}{dash}{}", self.time_ms, self.id)
    }
}

impl FromStr for Mark {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (time, id) = text.split_once('-').unwrap_or((text, ""));
        let time_ms = time.parse().ok().filter(|time: &i64| *time >= 0);
        let fits = id.is_empty() != text.contains('-') && (id.is_empty() || is_object_id(id));
        let wrong = || Error::Cursor(text.chars().take(64).collect());
        let id = id.to_owned();
        let mark = time_ms.filter(|_| fits).map(|time_ms| Self { time_ms, id });
        mark.ok_or_else(wrong)
    }
}

impl Record {
    /// The record of a life-cycle line.
    pub(crate) fn of_line(run_id: String, told: Told) -> Self {
        let Told { kind, entry, .. } = told;
        let id = record_id(&run_id, 0, entry.seq, entry.time_ms, &kind);
        Self {
            mark: Mark {
                time_ms: entry.time_ms,
                id,
            },
            run_id,
            attempt: 0,
            kind,
            chunk: 0,
            offset: 0,
            entries: vec![entry],
        }
    }

    /// About how many bytes it has in an answer.
    pub(crate) fn weight(&self) -> usize {
        self.entries.iter().map(weight).sum()
    }
}

/// The chunks that entries of these numbers are in.
pub(crate) fn chunks(range: Range) -> std::ops::RangeInclusive<u64> {
    range.first.saturating_sub(1) / LINES..=range.last.saturating_sub(1) / LINES
}

/// The numbers of the entries that are in these chunks.
pub(crate) fn numbers(first: u64, last: u64) -> Range {
    Range {
        first: first * LINES + 1,
        last: (last + 1) * LINES,
    }
}

/// The records of an attempt's chunk, whose entries come in their order.
pub(crate) fn of_chunk(
    run_id: &str,
    attempt: u32,
    chunk: u64,
    entries: impl IntoIterator<Item = ActivityEntry>,
) -> Vec<Record> {
    let mut tries: BTreeMap<(String, u32), Vec<Record>> = BTreeMap::new();
    let mut written: BTreeMap<(String, u32), (u64, u64)> = BTreeMap::new();
    for entry in entries {
        let source = (entry.step_id.clone(), entry.r#try);
        let length = entry.message.len() as u64 + 1;
        let records = tries.entry(source.clone()).or_default();
        // Bytes of the last record, and of all.
        let (last, all) = written.entry(source).or_default();
        if let Some(record) = records.last_mut()
            && *last + length <= MOST_TEXT
        {
            record.mark.time_ms = record.mark.time_ms.max(entry.time_ms);
            record.entries.push(entry);
            *last += length;
        } else {
            let id = record_id(run_id, attempt, entry.seq, entry.time_ms, "");
            records.push(Record {
                mark: Mark {
                    time_ms: entry.time_ms,
                    id,
                },
                run_id: run_id.to_owned(),
                attempt,
                kind: String::new(),
                chunk,
                offset: *all,
                entries: vec![entry],
            });
            *last = length;
        }
        *all += length;
    }
    tries.into_values().flatten().collect()
}

/// The newest first, of those before a mark and of a time after `edge_ms`: up to `limit`, and about
/// `most` bytes. Says also whether some of them were left out.
pub(crate) fn newest(
    mut records: Vec<Record>,
    before: &Mark,
    edge_ms: Option<i64>,
    (limit, most): (usize, usize),
) -> (Vec<Record>, bool) {
    records.retain(|it| it.mark < *before && edge_ms.is_none_or(|edge| it.mark.time_ms > edge));
    records.sort_unstable_by(|one, other| Reverse(&one.mark).cmp(&Reverse(&other.mark)));
    let mut bytes = 0;
    let fits = records.iter().take(limit).take_while(|it| {
        let fits = bytes < most;
        bytes += it.weight();
        fits
    });
    let count = fits.count();
    let is_cut = count < records.len();
    records.truncate(count);
    (records, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "5fd56d90979ee048ee660aaa";

    fn entry(seq: u64, step: &str, message: &str) -> ActivityEntry {
        ActivityEntry {
            seq,
            time_ms: 1_600_000_000_000 + i64::try_from(seq).unwrap(),
            step_id: step.into(),
            message: message.into(),
            ..Default::default()
        }
    }

    fn sizes(records: &[Record]) -> Vec<(u64, usize)> {
        let size = |it: &Record| it.entries.iter().map(|it| it.message.len() + 1).sum();
        records.iter().map(|it| (it.offset, size(it))).collect()
    }

    #[test]
    fn long_output_is_several_records_and_none_is_over_the_limit() {
        let line = "x".repeat(1023);
        let records = of_chunk(RUN, 1, 0, (1..=128).map(|seq| entry(seq, "a", &line)));
        assert_eq!(sizes(&records), [(0, 65_536), (65_536, 65_536)]);
        assert_eq!(records[1].mark.id, "5f5e1000660aaa0100000041");
    }

    #[test]
    fn a_single_line_over_the_limit_is_a_record_of_its_own() {
        let long = "x".repeat(65_536);
        let records = of_chunk(RUN, 1, 0, [entry(1, "a", &long), entry(2, "a", "y")]);
        assert_eq!(sizes(&records), [(0, 65_537), (65_537, 2)]);
    }

    #[test]
    fn parallel_steps_have_records_of_their_own() {
        let lines = [entry(1, "a", "1"), entry(2, "b", "2"), entry(3, "a", "3")];
        let records = of_chunk(RUN, 1, 0, lines);
        assert_eq!(sizes(&records), [(0, 4), (0, 2)]);
    }

    #[test]
    fn every_number_is_in_one_chunk() {
        for seq in 1..1000 {
            let one = Range {
                first: seq,
                last: seq,
            };
            let chunk = *chunks(one).start();
            let held = numbers(chunk, chunk);
            assert!((held.first..=held.last).contains(&seq), "{seq}");
        }
    }

    #[test]
    fn records_of_one_time_are_sorted_by_their_ids() {
        let mut entries = [entry(1, "a", "1"), entry(2, "b", "2"), entry(3, "c", "3")];
        for entry in &mut entries {
            entry.time_ms = 5;
        }
        let all = of_chunk(RUN, 1, 0, entries);
        let end: Mark = "6".parse().unwrap();
        let (first, cut) = newest(all.clone(), &end, None, (2, 9999));
        assert!(cut && first[0].mark.id > first[1].mark.id);
        let (rest, cut) = newest(all, &first[1].mark, None, (2, 9999));
        assert!(!cut && rest.len() == 1 && rest[0].mark < first[1].mark);
    }

    #[test]
    fn a_mark_is_read_back_and_other_texts_are_refused() {
        for text in ["1600000000003-5f5e1000660aaa0100000002", "5"] {
            assert_eq!(text.parse::<Mark>().unwrap().to_string(), text);
        }
        for text in ["", "-1", "x", "5-", "5-x", "99999999999999999999"] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
