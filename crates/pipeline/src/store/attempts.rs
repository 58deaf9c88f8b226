//! What executors and schedulers make true: attempts begin, steps are granted and recorded,
//! attempts end.
//!
//! **Invariants:** I4 (one live attempt; what an ended one reports is refused), I8 (a grant and a
//! stop exclude each other by the run's row), I11 (places are counted from rows, under the
//! pipeline's lock).

use std::collections::BTreeMap;

use runtime::clock;
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Locked, Store};
use crate::Error;
use crate::entity::{attempt, pipeline, run};
use crate::record;
use crate::run::{AttemptEnd, Holder, Run, StepReport, StopMode, Verdict};
use crate::state::State;

/// What an executor is told when it wants to begin.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It has the attempt.
    Its(Box<Answer>),
    /// The pipeline has no free place.
    Busy,
    /// The run has ended, or another attempt is due.
    Over,
}

/// A run as an executor that holds it is told of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) row: run::Model,
    pub(crate) run: Run,
    /// Steps it may start, by position: newly granted, or every running one after a repeat.
    pub(crate) granted: Vec<usize>,
    /// The attempt was over before.
    pub(crate) refused: bool,
    pub(crate) wake_ms: Option<i64>,
    pub(crate) now_ms: i64,
}

/// What is true of an attempt.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent facts, as the wire has them"
)]
pub(crate) struct Truth {
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
    pub(crate) current: bool,
    pub(crate) live: bool,
    pub(crate) ended: bool,
    pub(crate) waiting: bool,
    pub(crate) stop: Option<StopMode>,
}

/// A run in the queue, as a scheduler needs it.
#[derive(Debug)]
pub(crate) struct QueuedRun {
    pub(crate) row: run::Model,
    pub(crate) concurrency: u32,
}

/// An attempt that has begun and not ended.
#[derive(Debug)]
pub(crate) struct LiveAttempt {
    pub(crate) row: attempt::Model,
    pub(crate) age_ms: u64,
}

impl Store {
    /// An executor begins attempt `n`: the run is its own, and its first ready steps are granted.
    pub(crate) async fn begin_attempt(
        &self,
        run_id: &str,
        attempt: u32,
        holder: Holder,
    ) -> Result<Begun, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let has_place = has_place(&tx, run_id).await?;
        let mut locked = self.lock(&tx, run_id).await?;
        let begins = locked.run.is_queued() && attempt == locked.run.attempt + 1;
        if begins && !has_place && !locked.run.holds_place() {
            return Ok(Begun::Busy);
        }
        let is_repeat = locked.run.is_live(attempt);
        if locked.run.begin(attempt, holder, now_ms) == Verdict::Over {
            if !locked.run.news.is_empty() {
                self.save(&tx, &mut locked, now_ms).await?;
                tx.commit().await?;
                self.relay.ring();
            }
            return Ok(Begun::Over);
        }
        let granted = locked.run.grant(now_ms);
        let answer = self
            .answered(tx, locked, (granted, is_repeat), now_ms)
            .await?;
        Ok(Begun::Its(Box::new(answer)))
    }

    /// Records what a live attempt reports and grants the next steps. An attempt that has ended is
    /// refused; a report that was recorded before is answered again.
    pub(crate) async fn report(
        &self,
        run_id: &str,
        attempt: u32,
        reports: impl FnOnce(&Run) -> Result<Vec<StepReport>, Error>,
        last_seq: u64,
    ) -> Result<Answer, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, run_id).await?;
        if !locked.run.is_live(attempt) {
            let refused = !has_finished(&tx, run_id, attempt).await?;
            let Locked { row, run } = locked;
            return Ok(Answer {
                row,
                run,
                granted: vec![],
                refused,
                wake_ms: None,
                now_ms,
            });
        }
        let reports = reports(&locked.run)?;
        let is_new = locked.run.report(reports, last_seq, now_ms, rand::random());
        let granted = locked.run.grant(now_ms);
        self.answered(tx, locked, (granted, !is_new), now_ms).await
    }

    async fn answered(
        &self,
        tx: runtime::database::Tx,
        mut locked: Locked,
        (granted, is_repeat): (Vec<usize>, bool),
        now_ms: i64,
    ) -> Result<Answer, Error> {
        if !locked.run.news.is_empty() {
            self.save(&tx, &mut locked, now_ms).await?;
            tx.commit().await?;
            runtime::fault_point::pass("attempt.recorded");
            self.relay.ring();
        }
        let granted = if is_repeat {
            locked.run.running().collect()
        } else {
            granted
        };
        let wake_ms = locked.run.wake_ms(now_ms);
        let Locked { row, run } = locked;
        Ok(Answer {
            row,
            run,
            granted,
            refused: false,
            wake_ms,
            now_ms,
        })
    }

    /// An attempt ends that its executor didn't finish. Answers the run as it is then.
    pub(crate) async fn end_attempt(
        &self,
        run_id: &str,
        attempt: u32,
        how: AttemptEnd,
    ) -> Result<Run, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, run_id).await?;
        locked.run.attempt_ended(attempt, how, now_ms);
        if !locked.run.news.is_empty() {
            self.save(&tx, &mut locked, now_ms).await?;
            tx.commit().await?;
            runtime::fault_point::pass("attempt.ended");
            self.relay.ring();
        }
        Ok(locked.run)
    }

    /// What is true of these attempts now. Runs that aren't known are left out.
    pub(crate) async fn truths(&self, asked: &BTreeMap<String, u32>) -> Result<Vec<Truth>, Error> {
        let rows = run::Entity::find()
            .filter(run::Column::Id.is_in(asked.keys().cloned()))
            .all(self.database.reader())
            .await?;
        rows.into_iter()
            .map(|row| truth(&row, asked[&row.id]))
            .collect()
    }

    /// Runs queued since before `older_than_ms` ago, by id.
    pub(crate) async fn queued(
        &self,
        older_than_ms: i64,
        after: &str,
        limit: u64,
    ) -> Result<Vec<QueuedRun>, Error> {
        let states = [State::Queued, State::Cancelling, State::Failing].map(State::name);
        let rows = run::Entity::find()
            .filter(run::Column::EndedAtMs.is_null())
            .filter(run::Column::Executor.is_null())
            .filter(run::Column::State.is_in(states))
            .filter(run::Column::QueuedAtMs.lte(clock::now_ms() - older_than_ms))
            .filter(run::Column::Id.gt(after))
            .order_by_asc(run::Column::Id)
            .limit(limit)
            .all(self.database.reader())
            .await?;
        let ids = rows.iter().map(|row| row.pipeline_id.clone());
        let limits: BTreeMap<String, i32> = pipeline::Entity::find()
            .select_only()
            .columns([pipeline::Column::Id, pipeline::Column::Concurrency])
            .filter(pipeline::Column::Id.is_in(ids))
            .into_tuple()
            .all(self.database.reader())
            .await?
            .into_iter()
            .collect();
        let with_limit = |row: run::Model| {
            let limit = limits.get(&row.pipeline_id).copied().unwrap_or_default();
            let concurrency = if row.started_at_ms.is_some() {
                0
            } else {
                limit.cast_unsigned()
            };
            QueuedRun { row, concurrency }
        };
        Ok(rows.into_iter().map(with_limit).collect())
    }

    /// Attempts that live, by run id.
    pub(crate) async fn live(&self, after: &str, limit: u64) -> Result<Vec<LiveAttempt>, Error> {
        let now_ms = clock::now_ms();
        let rows = attempt::Entity::find()
            .filter(attempt::Column::EndedAtMs.is_null())
            .filter(attempt::Column::RunId.gt(after))
            .order_by_asc(attempt::Column::RunId)
            .limit(limit)
            .all(self.database.reader())
            .await?;
        let aged = |row: attempt::Model| {
            let age_ms = u64::try_from(now_ms - row.began_at_ms).unwrap_or_default();
            LiveAttempt { row, age_ms }
        };
        Ok(rows.into_iter().map(aged).collect())
    }
}

fn truth(row: &run::Model, attempt: u32) -> Result<Truth, Error> {
    let state: State = row.state.parse().map_err(Error::Row)?;
    let is_live = row.executor.is_some();
    let latest = row.attempt.cast_unsigned();
    Ok(Truth {
        run_id: row.id.clone(),
        attempt,
        current: !state.is_final()
            && if is_live {
                attempt == latest
            } else {
                attempt == latest + 1
            },
        live: is_live && attempt == latest,
        ended: state.is_final(),
        waiting: state == State::Waiting,
        stop: record::stop_of_row(row)?.map(|stop| stop.mode),
    })
}

/// Whether the run's pipeline has a place for it. Locks the pipeline's row where places are
/// limited and the run has none yet, so that two runs can't take the last one.
async fn has_place(tx: &DatabaseTransaction, run_id: &str) -> Result<bool, Error> {
    let row = run::Entity::find()
        .filter(run::Column::Id.eq(run_id))
        .one(tx)
        .await?;
    let row = row.ok_or_else(|| Error::NoSuchRun(run_id.to_owned()))?;
    if row.started_at_ms.is_some() || row.ended_at_ms.is_some() {
        return Ok(true);
    }
    let its_pipeline = pipeline::Entity::find().filter(pipeline::Column::Id.eq(&row.pipeline_id));
    let limit: Option<i32> = its_pipeline
        .clone()
        .select_only()
        .column(pipeline::Column::Concurrency)
        .into_tuple()
        .one(tx)
        .await?;
    if limit == Some(0) {
        return Ok(true);
    }
    let pipeline = its_pipeline
        .lock_exclusive()
        .one(tx)
        .await?
        .ok_or_else(|| Error::NoPipeline(row.pipeline_id.clone()))?;
    let places = u64::try_from(pipeline.concurrency).unwrap_or_default();
    if places == 0 {
        return Ok(true);
    }
    let before = Condition::any()
        .add(run::Column::StartedAtMs.is_not_null())
        .add(run::Column::RunCount.lt(row.run_count));
    let taken = run::Entity::find()
        .select_only()
        .column(run::Column::Number)
        .filter(run::Column::PipelineId.eq(&row.pipeline_id))
        .filter(run::Column::EndedAtMs.is_null())
        .filter(before)
        .limit(places)
        .count(tx)
        .await?;
    Ok(taken < places)
}

/// Whether the attempt ended by its own last report, so that a repeat of it is no surprise.
async fn has_finished(tx: &DatabaseTransaction, run_id: &str, number: u32) -> Result<bool, Error> {
    let row = attempt::Entity::find_by_id((run_id.to_owned(), number.cast_signed()))
        .one(tx)
        .await?;
    let finished = record::end_name(AttemptEnd::Finished);
    Ok(row.is_some_and(|row| row.how.as_deref() == Some(finished)))
}
