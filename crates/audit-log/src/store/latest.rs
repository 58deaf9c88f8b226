//! Reading the newest entries of a pipeline's runs.

use std::collections::BTreeMap;

use contracts::id::{PipelineId, RunId};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Store, ordinal};
use crate::Error;
use crate::chunk;
use crate::entity::{chunk as row, life};
use crate::newest::{Latest, newest};
use crate::page::Told;
use crate::walk::{MOST_BYTES, weight};

/// Chunks a read.
const READ: u64 = 8;
/// Chunks an answer, at most.
const MOST_CHUNKS: u64 = 256;

/// Whose newest entries: of a pipeline, of a run, or of a run of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) pipeline_id: Option<PipelineId>,
    pub(crate) run_id: Option<RunId>,
}

type Logs = BTreeMap<(String, u32), Vec<Latest>>;

impl Store {
    /// Up to `limit` entries, newest first, and only output if `console_only`.
    pub(crate) async fn latest(
        &self,
        whose: &Whose,
        console_only: bool,
        limit: usize,
    ) -> Result<Vec<Latest>, Error> {
        let mut logs = self.latest_output(whose, limit).await?;
        if !console_only {
            for line in self.latest_lines(whose, limit).await? {
                logs.entry((line.run_id.clone(), 0)).or_default().push(line);
            }
        }
        let mut bytes = 0;
        let mut fits = |it: &Latest| {
            let fits = bytes < MOST_BYTES;
            bytes += weight(&it.shown.entry);
            fits
        };
        Ok(newest(logs.into_values(), limit)
            .into_iter()
            .take_while(|it| fits(it))
            .collect())
    }

    async fn latest_lines(&self, whose: &Whose, limit: usize) -> Result<Vec<Latest>, Error> {
        let mut lines = life::Entity::find()
            .order_by_desc(life::Column::TimeMs)
            .order_by_desc(life::Column::Seq)
            .limit(limit as u64);
        if let Some(pipeline_id) = &whose.pipeline_id {
            lines = lines.filter(life::Column::PipelineId.eq(pipeline_id.as_str()));
        }
        if let Some(run_id) = &whose.run_id {
            lines = lines.filter(life::Column::RunId.eq(run_id.as_str()));
        }
        let mut lines = lines.all(self.database.reader()).await?;
        lines.sort_by_key(|line| std::cmp::Reverse(line.seq));
        let latest = |line: life::Model| {
            let run_id = line.run_id.clone();
            let Told { kind, entry, .. } = line.into();
            Latest::new(run_id, 0, kind, entry)
        };
        Ok(lines.into_iter().map(latest).collect())
    }

    /// The newest chunks, until no older one can hold an entry that belongs in the answer.
    async fn latest_output(&self, whose: &Whose, limit: usize) -> Result<Logs, Error> {
        let mut times: Vec<i64> = Vec::new();
        let mut logs = Logs::new();
        for read in 0..MOST_CHUNKS / READ {
            let chunks = self.latest_chunks(whose, read * READ).await?;
            let (count, oldest) = (chunks.len() as u64, chunks.last().map(|it| it.last_time_ms));
            for chunk in chunks {
                let attempt = ordinal(chunk.attempt);
                let log = logs.entry((chunk.run_id.clone(), attempt)).or_default();
                for entry in chunk::unpack(&chunk.bytes)?.into_iter().rev().take(limit) {
                    times.push(entry.time_ms);
                    log.push(Latest::new(
                        chunk.run_id.clone(),
                        attempt,
                        String::new(),
                        entry,
                    ));
                }
            }
            let newer = times
                .iter()
                .filter(|time| oldest.is_none_or(|it| **time >= it))
                .count();
            if count < READ || newer >= limit {
                break;
            }
        }
        for log in logs.values_mut() {
            log.sort_by_key(|it| std::cmp::Reverse(it.shown.entry.seq));
        }
        Ok(logs)
    }

    async fn latest_chunks(&self, whose: &Whose, skip: u64) -> Result<Vec<row::Model>, Error> {
        let mut chunks = row::Entity::find()
            .order_by_desc(row::Column::LastTimeMs)
            .order_by_desc(row::Column::Attempt)
            .order_by_desc(row::Column::FirstSeq)
            .offset(skip)
            .limit(READ);
        if let Some(pipeline_id) = &whose.pipeline_id {
            chunks = chunks.filter(row::Column::PipelineId.eq(pipeline_id.as_str()));
        }
        if let Some(run_id) = &whose.run_id {
            chunks = chunks.filter(row::Column::RunId.eq(run_id.as_str()));
        }
        Ok(chunks.all(self.database.reader()).await?)
    }
}
