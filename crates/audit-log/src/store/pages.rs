//! Reading pages of a run's log.
//!
//! What is known of the run is read before its log: the log may have grown since, but nothing that
//! was known then is missing.

use contracts::id::RunId;
use contracts::message::{ActivityEntry, Stream};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QueryResult, QuerySelect as _,
};

use super::{Store, ordinal, signed, statement, unsigned};
use crate::Error;
use crate::chunk::{self, Range};
use crate::cursor::{Cursor, Position};
use crate::entity::{attempt, life, run};
use crate::page::{self, Output, Page, Told};
use crate::walk::{Attempt, Facts, Place, Rest, Walk};

/// Chunks of the first read; few have enough lines for a page.
const FIRST_READ: usize = 4;
/// Chunks a read, at most.
const LARGEST_READ: usize = 64;
/// Chunks a page, at most, for one that finds few lines of a step.
const MOST_CHUNKS: usize = 512;

/// What a reader asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) run_id: RunId,
    pub(crate) after: Cursor,
    /// 1 to 1000.
    pub(crate) limit: usize,
    /// Only entries of this step; all if empty.
    pub(crate) step_id: String,
    /// Only life-cycle lines.
    pub(crate) life_only: bool,
}

impl Store {
    /// The page that was asked for, as it is at `now_ms`.
    pub(crate) async fn page(&self, ask: &Ask, now_ms: i64) -> Result<Page, Error> {
        let since_ms = now_ms - self.retention_ms;
        let facts = self.facts(ask.run_id.as_str(), since_ms).await?;
        if !facts.known && made_ms(&ask.run_id) < since_ms {
            return Ok(Page::of_removed(ask.after, now_ms));
        }
        let life = self.life(ask).await?;
        let output = if ask.life_only {
            Output::none(ask.after.output)
        } else {
            self.output(ask, &facts, now_ms).await?
        };
        Ok(page::merged(
            (ask.after, ask.limit),
            &facts,
            life,
            output,
            now_ms,
        ))
    }

    /// What is known of a run, and is not older than the retention.
    async fn facts(&self, run_id: &str, since_ms: i64) -> Result<Facts, Error> {
        let reader = self.database.reader();
        let run = run::Entity::find_by_id(run_id).one(reader).await?;
        let attempts = attempt::Entity::find()
            .filter(attempt::Column::RunId.eq(run_id))
            .order_by_asc(attempt::Column::Attempt)
            .all(reader)
            .await?;
        let is_open = run.as_ref().is_some_and(|run| run.ended_heard_ms.is_none());
        let mut touched = attempts
            .iter()
            .map(|it| it.touched_ms)
            .chain(run.as_ref().map(|it| it.touched_ms));
        Ok(Facts {
            known: is_open || touched.any(|it| it >= since_ms),
            ended_heard_ms: run.and_then(|run| run.ended_heard_ms),
            attempts: attempts.into_iter().map(Attempt::from).collect(),
        })
    }

    /// Lines after the cursor; one more than asked for if there are.
    async fn life(&self, ask: &Ask) -> Result<Vec<Told>, Error> {
        let mut lines = life::Entity::find()
            .filter(life::Column::RunId.eq(ask.run_id.as_str()))
            .filter(life::Column::Seq.gt(signed(ask.after.life)))
            .order_by_asc(life::Column::Seq)
            .limit(ask.limit as u64 + 1);
        if !ask.step_id.is_empty() {
            lines = lines.filter(life::Column::StepId.eq(ask.step_id.as_str()));
        }
        let lines = lines.all(self.database.reader()).await?;
        Ok(lines.into_iter().map(Told::from).collect())
    }

    async fn output(&self, ask: &Ask, facts: &Facts, now_ms: i64) -> Result<Output, Error> {
        let mut walk = Walk::new(facts, ask.after.output, &ask.step_id, ask.limit, now_ms);
        let (mut size, mut read) = (FIRST_READ, 0);
        let rest = 'read: loop {
            let chunks = self.chunks(ask, walk.at(), size).await?;
            for (place, bytes) in &chunks {
                if walk.is_full() {
                    break 'read Rest::More;
                }
                if !walk.reach(place) {
                    break 'read Rest::Held {
                        time_ms: place.first_time_ms,
                    };
                }
                match bytes {
                    Some(bytes) => walk.take(chunk::unpack(bytes)?),
                    None => walk.pass(place),
                }
            }
            read += chunks.len();
            if walk.is_full() || read >= MOST_CHUNKS {
                break Rest::More;
            }
            if chunks.len() < size {
                break Rest::Drained {
                    whole: walk.whole(),
                };
            }
            size = (size * 4).min(LARGEST_READ);
        };
        let (said, scanned) = walk.end();
        Ok(Output {
            said,
            scanned,
            rest,
        })
    }

    /// Chunks that hold something after `from`, in order; without bytes if they are of another step.
    async fn chunks(
        &self,
        ask: &Ask,
        from: Position,
        limit: usize,
    ) -> Result<Vec<(Place, Option<Vec<u8>>)>, Error> {
        let sql = "SELECT attempt, first_seq, last_seq, first_time_ms, stored_ms, \
                   CASE WHEN $4 = '' OR step_id IS NULL OR step_id = $4 THEN bytes END AS bytes \
                   FROM chunk WHERE run_id = $1 AND (attempt, first_seq) >= ($2, COALESCE((\
                   SELECT first_seq FROM chunk WHERE run_id = $1 AND attempt = $2 \
                   AND first_seq <= $3 ORDER BY first_seq DESC LIMIT 1), 0)) \
                   AND (attempt > $2 OR last_seq >= $3) \
                   ORDER BY attempt, first_seq LIMIT $5";
        let reader = self.database.reader();
        let values = [
            ask.run_id.as_str().into(),
            i64::from(from.attempt).into(),
            signed(from.seq.saturating_add(1)).into(),
            ask.step_id.as_str().into(),
            signed(limit as u64).into(),
        ];
        let rows = reader.query_all_raw(statement(reader, sql, values)).await?;
        rows.iter()
            .map(|row| Ok((place(row)?, row.try_get("", "bytes")?)))
            .collect()
    }
}

fn place(row: &QueryResult) -> Result<Place, Error> {
    let range = Range {
        first: unsigned(row.try_get("", "first_seq")?),
        last: unsigned(row.try_get("", "last_seq")?),
    };
    Ok(Place {
        attempt: ordinal(row.try_get("", "attempt")?),
        range,
        first_time_ms: row.try_get("", "first_time_ms")?,
        stored_ms: row.try_get("", "stored_ms")?,
    })
}

/// When a run was accepted: its id begins with the second.
fn made_ms(run_id: &RunId) -> i64 {
    let seconds = run_id
        .as_str()
        .get(..8)
        .and_then(|it| i64::from_str_radix(it, 16).ok());
    seconds.unwrap_or_default() * 1000
}

impl From<attempt::Model> for Attempt {
    fn from(row: attempt::Model) -> Self {
        Self {
            number: ordinal(row.attempt),
            end_seq: row.end_seq.map(unsigned),
            ended_heard_ms: row.ended_heard_ms,
            first_heard_ms: row.first_heard_ms,
        }
    }
}

impl From<life::Model> for Told {
    fn from(row: life::Model) -> Self {
        let entry = ActivityEntry {
            seq: unsigned(row.seq),
            time_ms: row.time_ms,
            step_id: row.step_id,
            r#try: ordinal(row.tried),
            stream: Stream::System.into(),
            message: row.message,
            truncated: false,
        };
        Self {
            kind: row.kind,
            heard_ms: row.heard_ms,
            entry,
        }
    }
}
