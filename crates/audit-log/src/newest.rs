//! The newest entries of several logs, newest first.
//!
//! **Invariant:** entries of one log come in the reverse of their order, whatever their times.

use std::collections::BinaryHeap;

use crate::cursor::Cursor;
use crate::line;
use crate::page::Shown;

/// An entry of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Latest {
    pub(crate) run_id: String,
    pub(crate) shown: Shown,
}

impl Latest {
    /// An entry; a list of the newest has no cursor to go on from.
    pub(crate) fn new(
        run_id: String,
        attempt: u32,
        kind: String,
        entry: contracts::message::ActivityEntry,
    ) -> Self {
        Self {
            run_id,
            shown: Shown {
                attempt,
                kind,
                entry,
                cursor: Cursor::default(),
            },
        }
    }

    fn time(&self) -> (i64, u8) {
        (self.shown.entry.time_ms, line::rank(&self.shown.kind))
    }
}

/// Up to `limit` entries of logs that are each newest first.
pub(crate) fn newest(logs: impl IntoIterator<Item = Vec<Latest>>, limit: usize) -> Vec<Latest> {
    let mut logs: Vec<_> = logs
        .into_iter()
        .map(|log| log.into_iter().peekable())
        .collect();
    let mut heads: BinaryHeap<_> = logs
        .iter_mut()
        .enumerate()
        .filter_map(|(number, log)| Some((log.peek()?.time(), number)))
        .collect();
    let mut newest = Vec::new();
    while newest.len() < limit {
        let Some((_, number)) = heads.pop() else {
            break;
        };
        newest.extend(logs[number].next());
        heads.extend(logs[number].peek().map(|next| (next.time(), number)));
    }
    newest
}

#[cfg(test)]
mod tests {
    use contracts::message::ActivityEntry;

    use super::*;

    fn log(run_id: &str, entries: &[(u64, i64)]) -> Vec<Latest> {
        let entry = |&(seq, time_ms): &(u64, i64)| ActivityEntry {
            seq,
            time_ms,
            ..Default::default()
        };
        entries
            .iter()
            .map(|it| Latest::new(run_id.into(), 1, String::new(), entry(it)))
            .collect()
    }

    #[test]
    fn logs_are_merged_newest_first_without_reordering_any() {
        let one = log("a", &[(3, 30), (2, 50), (1, 10)]);
        let two = log("b", &[(2, 40), (1, 20)]);
        let merged = newest([one, two, Vec::new()], 4);
        let order: Vec<_> = merged
            .iter()
            .map(|it| (it.run_id.as_str(), it.shown.entry.seq))
            .collect();
        assert_eq!(order, [("b", 2), ("a", 3), ("a", 2), ("b", 1)]);
    }
}
