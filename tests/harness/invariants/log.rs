//! I9: the entries of an attempt are numbered from 1 without gap or repeat, and all are there.

use std::collections::{BTreeMap, HashMap};

use contracts::message::{ActivityBatch, ActivityEntry};
use prost::Message as _;

use super::facts::{Chunk, Facts};

/// Bytes of a chunk when unpacked, at most.
const LARGEST: usize = 8 * 1024 * 1024;

/// Attempts whose last known entries aren't stored yet. What a lost attempt logged last may be missing,
/// and readers are told so.
pub(super) fn unfinished(facts: &Facts) -> Vec<String> {
    let mut stored: HashMap<(&str, i64), i64> = HashMap::new();
    for chunk in &facts.chunks {
        let last = stored.entry((&chunk.run_id, chunk.attempt)).or_default();
        *last = chunk.last_seq.max(*last);
    }
    let whole = facts
        .attempts
        .iter()
        .filter(|it| it.how.as_deref() != Some("lost"));
    whole
        .filter_map(|it| {
            let last = stored
                .get(&(it.run_id.as_str(), it.attempt))
                .copied()
                .unwrap_or(0);
            (last < it.last_seq).then(|| {
                let (run, attempt, known) = (&it.run_id, it.attempt, it.last_seq);
                format!("I9: attempt {attempt} of {run} numbered {known} and {last} are stored")
            })
        })
        .collect()
}

pub(super) fn violations(facts: &Facts) -> Vec<String> {
    let mut next: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    let mut violations = Vec::new();
    for chunk in &facts.chunks {
        let Chunk {
            run_id,
            attempt,
            first_seq,
            last_seq,
            ..
        } = chunk;
        let due = next.entry((run_id, *attempt)).or_insert(1);
        if first_seq != due {
            violations.push(format!(
                "I9: attempt {attempt} of {run_id} has {first_seq} after {due}"
            ));
        }
        let numbers: Vec<u64> = entries(chunk).iter().map(|entry| entry.seq).collect();
        let expected: Vec<u64> = (first_seq.cast_unsigned()..=last_seq.cast_unsigned()).collect();
        if numbers != expected {
            violations.push(format!(
                "I9: a chunk of {run_id} says {first_seq} to {last_seq} and isn't"
            ));
        }
        *due = last_seq + 1;
    }
    violations
}

/// What a chunk holds; nothing if it can't be read.
pub(super) fn entries(chunk: &Chunk) -> Vec<ActivityEntry> {
    let unpacked = zstd::bulk::decompress(&chunk.bytes, LARGEST).unwrap_or_default();
    ActivityBatch::decode(&unpacked[..])
        .map(|batch| batch.entries)
        .unwrap_or_default()
}
