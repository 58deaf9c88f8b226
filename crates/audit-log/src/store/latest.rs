//! Reading the newest records of a pipeline's runs.
//!
//! Rows are read from the newest on, each read from where the last one ended. What is older than the
//! rows that were read may be incomplete and is left to the next answer.

mod by_id;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use contracts::id::{PipelineId, RunId};
use contracts::message::ActivityEntry;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Value,
};

use super::{Store, ordinal, signed, statement, unsigned};
use crate::Error;
use crate::chunk::{self, Range};
use crate::entity::chunk as row;
use crate::record::{self, Mark, Record};
use crate::walk::MOST_BYTES;
use select::{lines_from, places_from};

/// Chunks a read.
const READ: u64 = 32;
/// Reads of chunks for an answer, at most.
const READS: usize = 16;
/// Life-cycle lines a read, and reads of them for an answer, at most.
const LINES_READ: u64 = 1000;
const LINES_READS: usize = 4;
/// Chunks that are looked through for those which a cursor falls into, at most.
const OVERLAP: u64 = 1000;

/// Whose newest records: of a pipeline, of a run, or of a run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) pipeline_id: Option<PipelineId>,
    pub(crate) run_id: Option<RunId>,
}

/// Which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Which {
    /// Only output.
    pub(crate) console_only: bool,
    pub(crate) before: Option<Mark>,
    pub(crate) limit: usize,
}

/// The newest records, newest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latest {
    pub(crate) records: Vec<Record>,
    /// Older ones may be before this.
    pub(crate) next: Option<Mark>,
}

/// What was found so far: everything of a time after `edge_ms`.
#[derive(Debug, Default)]
struct Found {
    records: Vec<Record>,
    /// None if there is nothing older.
    edge_ms: Option<i64>,
}

impl Found {
    /// Whether what is complete fills an answer.
    fn fills(&self, before: &Mark, limit: usize) -> bool {
        let edge_ms = self.edge_ms.unwrap_or(i64::MIN);
        let complete = |it: &&Record| it.mark < *before && it.mark.time_ms > edge_ms;
        let (mut count, mut bytes) = (0, 0);
        for record in self.records.iter().filter(complete) {
            count += 1;
            bytes += record.weight();
        }
        count >= limit || bytes >= MOST_BYTES
    }
}

/// Where a stored chunk is: run, attempt, first and last number, the times of its first and last.
type Place = (String, i64, i64, i64, i64, i64);

/// Chunks of records, by run and attempt.
type Wanted = BTreeMap<(String, i64), BTreeSet<u64>>;

impl Store {
    /// The newest records before a mark.
    pub(crate) async fn latest(&self, whose: &Whose, which: &Which) -> Result<Latest, Error> {
        let end = Mark {
            time_ms: i64::MAX,
            id: String::new(),
        };
        let before = which.before.as_ref().unwrap_or(&end);
        let mut found = self.latest_output(whose, before, which.limit).await?;
        if !which.console_only {
            let lines = self.latest_lines(whose, before, which.limit).await?;
            found.records.extend(lines.records);
            found.edge_ms = found.edge_ms.max(lines.edge_ms);
        }
        let most = (which.limit, MOST_BYTES);
        let (records, is_cut) = record::newest(found.records, before, found.edge_ms, most);
        let last = records.last().map(|it| it.mark.clone());
        let edge = found.edge_ms.map(|ms| Mark {
            time_ms: ms.saturating_add(1),
            id: String::new(),
        });
        let next = if is_cut { last } else { edge };
        // Who came no further would ask the same for ever.
        let next = next.filter(|it| it < before);
        Ok(Latest { records, next })
    }

    async fn latest_lines(
        &self,
        whose: &Whose,
        before: &Mark,
        limit: usize,
    ) -> Result<Found, Error> {
        let mut found = Found::default();
        let mut from: Option<(i64, String, i64)> = None;
        for _ in 0..LINES_READS {
            let lines = whose.lines().filter(lines_from(before, from.as_ref()));
            let lines = lines.all(self.database.reader()).await?;
            let is_last = (lines.len() as u64) < LINES_READ;
            from = lines
                .last()
                .map(|it| (it.time_ms, it.run_id.clone(), it.seq));
            found.edge_ms = from.as_ref().map(|it| it.0).filter(|_| !is_last);
            let records = lines
                .into_iter()
                .map(|line| Record::of_line(line.run_id.clone(), line.into()));
            found.records.extend(records);
            if is_last || found.fills(before, limit) {
                break;
            }
        }
        Ok(found)
    }

    async fn latest_output(
        &self,
        whose: &Whose,
        before: &Mark,
        limit: usize,
    ) -> Result<Found, Error> {
        let (mut found, mut known) = (Found::default(), Wanted::new());
        let mut places = self.overlapping(whose, before).await?;
        let mut from: Option<Place> = None;
        for _ in 0..READS {
            let read = whose.places().filter(places_from(before, from.as_ref()));
            let read: Vec<Place> = read
                .limit(READ)
                .into_tuple()
                .all(self.database.reader())
                .await?;
            let is_last = (read.len() as u64) < READ;
            from = read.last().cloned();
            found.edge_ms = from.as_ref().map(|it| it.5).filter(|_| !is_last);
            places.extend(read);
            let wanted = unknown(&mut known, std::mem::take(&mut places));
            for (attempt, chunks) in wanted {
                for (first, last) in stretches(&chunks) {
                    let records = self.records(&attempt, first, last, &chunks).await?;
                    found.records.extend(records);
                }
            }
            if is_last || found.fills(before, limit) {
                break;
            }
        }
        Ok(found)
    }

    /// Chunks that begin before a mark and end after it.
    async fn overlapping(&self, whose: &Whose, before: &Mark) -> Result<Vec<Place>, Error> {
        if before.time_ms == i64::MAX {
            return Ok(Vec::new());
        }
        let later = whose
            .columns()
            .filter(row::Column::LastTimeMs.gt(before.time_ms))
            .order_by_asc(row::Column::LastTimeMs)
            .limit(OVERLAP);
        let mut later: Vec<Place> = later.into_tuple().all(self.database.reader()).await?;
        later.retain(|it| it.4 <= before.time_ms);
        Ok(later)
    }

    /// The records in the `wanted` ones of an attempt's chunks `first` to `last`.
    async fn records(
        &self,
        (run_id, attempt): &(String, i64),
        first: u64,
        last: u64,
        wanted: &BTreeSet<u64>,
    ) -> Result<Vec<Record>, Error> {
        let numbers = record::numbers(first, last);
        // Chunks don't overlap, so only one that begins before the first entry can reach into it.
        let sql = "SELECT * FROM chunk WHERE run_id = $1 AND attempt = $2 AND first_seq <= $4 \
                   AND first_seq >= COALESCE((SELECT MAX(first_seq) FROM chunk \
                   WHERE run_id = $1 AND attempt = $2 AND first_seq <= $3), 0)";
        let values: [Value; 4] = [
            run_id.as_str().into(),
            (*attempt).into(),
            signed(numbers.first).into(),
            signed(numbers.last).into(),
        ];
        let reader = self.database.reader();
        let rows = row::Entity::find().from_raw_sql(statement(reader, sql, values));
        let mut chunks: BTreeMap<u64, BTreeMap<u64, ActivityEntry>> = BTreeMap::new();
        for stored in rows.all(reader).await? {
            for entry in chunk::unpack(&stored.bytes)? {
                let range = Range {
                    first: entry.seq,
                    last: entry.seq,
                };
                let number = *record::chunks(range).start();
                if (first..=last).contains(&number) && wanted.contains(&number) {
                    chunks.entry(number).or_default().insert(entry.seq, entry);
                }
            }
        }
        let attempt = ordinal(*attempt);
        let of_chunk = |(number, entries): (u64, BTreeMap<u64, ActivityEntry>)| {
            record::of_chunk(run_id, attempt, number, entries.into_values())
        };
        Ok(chunks.into_iter().flat_map(of_chunk).collect())
    }
}

/// The chunks of records in these places that are not `known`, which they are from now on.
fn unknown(known: &mut Wanted, places: Vec<Place>) -> Wanted {
    let mut wanted = Wanted::new();
    for (run_id, attempt, first, last, ..) in places {
        let range = Range {
            first: unsigned(first),
            last: unsigned(last),
        };
        let attempt = (run_id, attempt);
        let known = known.entry(attempt.clone()).or_default();
        let new: Vec<u64> = record::chunks(range)
            .filter(|it| known.insert(*it))
            .collect();
        wanted.entry(attempt).or_default().extend(new);
    }
    wanted
}

/// Runs of numbers that follow each other: the first and last of each.
fn stretches(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => stretches.push((*number, *number)),
        }
    }
    stretches
}
