//! Consecutive entries of an attempt, packed into one row.
//!
//! A chunk is the protobuf encoding of its entries under zstd. Chunks of an attempt never overlap:
//! of what arrives again, with the same borders or others, only the new part is packed.

use contracts::message::{ActivityBatch, ActivityEntry};
use prost::Message as _;

use crate::Error;

/// Bytes of messages after which a chunk is full.
const FULL: usize = 64 * 1024;
/// Bytes of a chunk when unpacked, at most: a full one and the largest message of the bus.
const LARGEST: usize = 4 * 1024 * 1024;
/// The fastest level; output compresses well at any.
const LEVEL: i32 = 1;

/// A range of entries' numbers, both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// A chunk before it is a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) range: Range,
    pub(crate) entries: usize,
    pub(crate) first_time_ms: i64,
    pub(crate) last_time_ms: i64,
    /// The step, if all entries are of one.
    pub(crate) step_id: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

/// What is wrong with a batch, if anything.
pub(crate) fn fault(batch: &ActivityBatch) -> Option<String> {
    let first = batch.entries.first().map_or(1, |entry| entry.seq);
    if !contracts::id::is_object_id(&batch.run_id) {
        return Some("run_id is not an id".into());
    }
    if !contracts::id::is_object_id(&batch.pipeline_id) {
        return Some("pipeline_id is not an id".into());
    }
    if batch.attempt == 0 || i32::try_from(batch.attempt).is_err() {
        return Some(format!("{} is not an attempt's number", batch.attempt));
    }
    let consecutive = batch
        .entries
        .windows(2)
        .all(|two| two[0].seq.checked_add(1) == Some(two[1].seq));
    let fits = i64::try_from(first).is_ok_and(|it| it.checked_add(1 << 32).is_some());
    (first == 0 || !fits || !consecutive)
        .then(|| "entries are not numbered one after the other, from 1 on".into())
}

/// Puts entries in their order, each number once: the first that came.
pub(crate) fn in_order(mut entries: Vec<ActivityEntry>) -> Vec<ActivityEntry> {
    if !entries.is_sorted_by(|one, next| one.seq < next.seq) {
        entries.sort_by_key(|entry| entry.seq);
        entries.dedup_by_key(|entry| entry.seq);
    }
    entries
}

/// The entries that no `stored` range holds. The ranges are in order.
pub(crate) fn fresh(mut entries: Vec<ActivityEntry>, stored: &[Range]) -> Vec<ActivityEntry> {
    entries.retain(|entry| {
        let next = stored.partition_point(|range| range.last < entry.seq);
        stored.get(next).is_none_or(|range| entry.seq < range.first)
    });
    entries
}

/// Packs entries that are in order. A gap in their numbers begins a new chunk.
pub(crate) fn pack(entries: Vec<ActivityEntry>) -> Result<Vec<Packed>, Error> {
    let mut compressor =
        zstd::bulk::Compressor::new(LEVEL).map_err(|error| Error::Row(error.to_string()))?;
    let mut chunks = Vec::new();
    let mut batch = ActivityBatch::default();
    let mut size = 0;
    for entry in entries {
        let goes_on = batch
            .entries
            .last()
            .is_none_or(|last| last.seq + 1 == entry.seq);
        if !goes_on || size >= FULL {
            chunks.extend(packed(&batch, &mut compressor)?);
            batch.entries.clear();
            size = 0;
        }
        size += entry.message.len() + 16;
        batch.entries.push(entry);
    }
    chunks.extend(packed(&batch, &mut compressor)?);
    Ok(chunks)
}

fn packed(
    batch: &ActivityBatch,
    compressor: &mut zstd::bulk::Compressor<'_>,
) -> Result<Option<Packed>, Error> {
    let (Some(first), Some(last)) = (batch.entries.first(), batch.entries.last()) else {
        return Ok(None);
    };
    let one_step = batch
        .entries
        .iter()
        .all(|entry| entry.step_id == first.step_id);
    let times = batch.entries.iter().map(|entry| entry.time_ms);
    let bytes = compressor.compress(&batch.encode_to_vec());
    Ok(Some(Packed {
        range: Range {
            first: first.seq,
            last: last.seq,
        },
        entries: batch.entries.len(),
        first_time_ms: first.time_ms,
        last_time_ms: times.max().unwrap_or(last.time_ms),
        step_id: one_step.then(|| first.step_id.clone()),
        bytes: bytes.map_err(|error| Error::Row(error.to_string()))?,
    }))
}

/// The entries of a chunk.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<ActivityEntry>, Error> {
    let bytes = zstd::bulk::decompress(bytes, LARGEST)
        .map_err(|error| Error::Row(format!("a chunk: {error}")))?;
    let batch = ActivityBatch::decode(&bytes[..])
        .map_err(|error| Error::Row(format!("a chunk: {error}")))?;
    Ok(batch.entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(seq: u64) -> ActivityEntry {
        let step_id = "build".into();
        ActivityEntry {
            seq,
            time_ms: 1,
            step_id,
            message: format!("line {seq}"),
            ..Default::default()
        }
    }

    fn batch(seqs: impl IntoIterator<Item = u64>) -> ActivityBatch {
        ActivityBatch {
            run_id: "0".repeat(24),
            pipeline_id: "1".repeat(24),
            attempt: 1,
            entries: seqs.into_iter().map(entry).collect(),
        }
    }

    #[test]
    fn a_batch_that_breaks_a_rule_is_at_fault() {
        assert_eq!(fault(&batch(5..9)), None);
        assert_eq!(fault(&batch([])), None);
        for wrong in [
            ActivityBatch {
                run_id: "x".into(),
                ..batch(1..3)
            },
            ActivityBatch {
                pipeline_id: String::new(),
                ..batch(1..3)
            },
            ActivityBatch {
                attempt: 0,
                ..batch(1..3)
            },
            batch(0..2),
            batch([1, 3]),
            batch([2, 2]),
            batch([u64::MAX]),
        ] {
            assert!(fault(&wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_full_chunk_is_followed_by_another() {
        let mut lines: Vec<_> = (1..=30).map(entry).collect();
        for line in &mut lines {
            line.message = "x".repeat(10_000);
        }
        let chunks = pack(lines.clone()).unwrap();
        assert_eq!(chunks.len(), 5);
        let unpacked: Vec<_> = chunks
            .iter()
            .flat_map(|it| unpack(&it.bytes).unwrap())
            .collect();
        assert_eq!(unpacked, lines);
    }

    #[test]
    fn a_chunk_of_one_step_says_which() {
        let mut lines: Vec<_> = (1..=3).map(entry).collect();
        assert_eq!(
            pack(lines.clone()).unwrap()[0].step_id.as_deref(),
            Some("build")
        );
        lines[1].step_id = "test".into();
        assert_eq!(pack(lines).unwrap()[0].step_id, None);
    }

    #[test]
    fn a_damaged_chunk_is_an_error() {
        assert!(unpack(b"nonsense").is_err());
    }

    proptest! {
        /// However batches of a log overlap, what is stored is each entry once.
        #[test]
        fn every_entry_is_stored_once(borders in proptest::collection::vec((1u64..60, 1u64..20), 1..20)) {
            let mut stored: Vec<Range> = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            for (first, length) in &borders {
                let entries = in_order((*first..first + length).map(entry).collect());
                for chunk in pack(fresh(entries, &stored)).unwrap() {
                    for entry in unpack(&chunk.bytes).unwrap() {
                        prop_assert!(seen.insert(entry.seq), "{} came twice", entry.seq);
                    }
                    stored.push(chunk.range);
                }
                stored.sort_by_key(|range| range.first);
            }
            for (first, length) in borders {
                for seq in first..first + length {
                    prop_assert!(seen.contains(&seq), "{} is missing", seq);
                }
            }
        }
    }
}
