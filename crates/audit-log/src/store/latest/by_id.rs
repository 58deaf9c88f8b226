//! Where the record of an id is.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use super::{Place, Store, Whose, unsigned};
use crate::Error;
use crate::chunk::Range;
use crate::entity::{chunk as row, life};
use crate::record::{self, Mark, Record};

/// How long after its first entry a stored chunk may end to be looked at, in milliseconds.
const LONGEST_MS: i64 = 24 * 3600 * 1000;
/// Rows that are looked at for an id, at most: runs whose ids end alike.
const ALIKE: u64 = 16;

/// What the id of a record says.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// The second of its first entry, in milliseconds since 1970-01-01 UTC.
    second_ms: i64,
    /// The end of the run's id.
    run: &'a str,
    /// The attempt of output.
    attempt: Option<i64>,
    seq: i64,
}

fn parts(id: &str) -> Option<Parts<'_>> {
    let number = |digits| i64::from_str_radix(id.get(digits)?, 16).ok();
    let attempt = number(14..16)?;
    Some(Parts {
        second_ms: number(0..8)? * 1000,
        run: id.get(8..14)?,
        attempt: (1..0xff).contains(&attempt).then_some(attempt),
        seq: number(16..24)?,
    })
}

impl Store {
    /// The mark of the record with this id.
    pub(crate) async fn mark(&self, whose: &Whose, id: &str) -> Result<Mark, Error> {
        let unknown = || Error::Cursor(id.chars().take(64).collect());
        let parts = parts(id).ok_or_else(unknown)?;
        let records = match parts.attempt {
            Some(attempt) => self.output_like(whose, &parts, attempt).await?,
            None => self.lines_like(whose, &parts).await?,
        };
        let mut marks = records.into_iter().map(|it| it.mark);
        marks.find(|it| it.id == id).ok_or_else(unknown)
    }

    async fn lines_like(&self, whose: &Whose, parts: &Parts<'_>) -> Result<Vec<Record>, Error> {
        let (first_ms, last_ms) = (parts.second_ms, parts.second_ms + 999);
        let lines = whose
            .lines()
            .filter(life::Column::TimeMs.between(first_ms, last_ms))
            .filter(life::Column::RunId.ends_with(parts.run))
            .filter(life::Column::Seq.eq(parts.seq))
            .limit(ALIKE);
        let lines = lines.all(self.database.reader()).await?;
        let record = |line: life::Model| Record::of_line(line.run_id.clone(), line.into());
        Ok(lines.into_iter().map(record).collect())
    }

    async fn output_like(
        &self,
        whose: &Whose,
        parts: &Parts<'_>,
        attempt: i64,
    ) -> Result<Vec<Record>, Error> {
        use row::Column as C;
        let last_ms = parts.second_ms + LONGEST_MS;
        let places = whose
            .columns()
            .filter(C::LastTimeMs.between(parts.second_ms, last_ms))
            .filter(C::FirstSeq.lte(parts.seq))
            .filter(C::LastSeq.gte(parts.seq))
            .filter(C::Attempt.eq(attempt))
            .filter(C::RunId.ends_with(parts.run))
            .order_by_asc(C::LastTimeMs)
            .limit(ALIKE);
        let places: Vec<Place> = places.into_tuple().all(self.database.reader()).await?;
        let seq = unsigned(parts.seq);
        let chunk = *record::chunks(Range {
            first: seq,
            last: seq,
        })
        .start();
        let mut records = Vec::new();
        for (run_id, attempt, ..) in places {
            let (of, wanted) = ((run_id, attempt), BTreeSet::from([chunk]));
            records.extend(self.records(&of, chunk, chunk, &wanted).await?);
        }
        Ok(records)
    }
}
