//! Attempts as a scheduler sees them: which are true, which live, which runs wait for one, and how
//! one ends that its executor didn't finish.

use std::collections::BTreeMap;

use runtime::clock;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::Store;
use super::resumes::can_be_resumed;
use crate::Error;
use crate::entity::{attempt, pipeline, run};
use crate::record;
use crate::run::{AttemptEnd, Run, StopMode};
use crate::state::State;

mod unreadable;

/// How an attempt ends that its executor didn't finish.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) how: AttemptEnd,
    /// What kept it from being carried out, if that is why.
    pub(crate) fault: Option<String>,
}

/// What follows the end of an attempt.
#[derive(Debug)]
pub(crate) struct After {
    /// The attempt that is due; 0 for none.
    pub(crate) next_attempt: u32,
    pub(crate) run_ended: bool,
}

/// What is true of an attempt.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, as the wire has them"
)]
pub(crate) struct Truth {
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
    pub(crate) current: bool,
    pub(crate) live: bool,
    pub(crate) ended: bool,
    pub(crate) waiting: bool,
    pub(crate) stop: Option<StopMode>,
    /// It has ended, and its workspace is still wanted.
    pub(crate) workspace_kept: bool,
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

impl After {
    fn of(run: &Run) -> Self {
        Self {
            next_attempt: if run.is_queued() { run.attempt + 1 } else { 0 },
            run_ended: run.state.is_final(),
        }
    }
}

impl Store {
    /// An attempt ends that its executor didn't finish.
    pub(crate) async fn end_attempt(
        &self,
        run_id: &str,
        attempt: u32,
        ending: Ending,
    ) -> Result<After, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = match self.lock(&tx, run_id).await {
            Err(Error::Row(why)) => return self.unreadable_ended(tx, run_id, why, now_ms).await,
            locked => locked?,
        };
        match ending.fault {
            Some(fault) => locked.run.attempt_failed(attempt, &fault, now_ms),
            None => locked.run.attempt_ended(attempt, ending.how, now_ms),
        }
        if !locked.has_changed() {
            tx.commit().await?;
            return Ok(After::of(&locked.run));
        }
        let run = Self::save(&tx, locked, now_ms).await?;
        tx.commit().await?;
        runtime::fault_point::pass("attempt.ended");
        self.relay.ring();
        self.children.ring();
        Ok(After::of(&run))
    }

    /// What is true of these attempts now. Runs that aren't known are left out.
    pub(crate) async fn truths(&self, asked: &BTreeMap<String, u32>) -> Result<Vec<Truth>, Error> {
        let rows = run::Entity::find()
            .filter(run::Column::Id.is_in(asked.keys().cloned()))
            .all(self.database.reader())
            .await?;
        let may_be_kept = rows
            .iter()
            .filter(|row| can_be_resumed(row) || row.resumed_from.is_some());
        let ids = may_be_kept.map(|row| row.id.clone()).collect();
        let kept = self.kept(ids, clock::now_ms()).await?;
        let mut truths = Vec::with_capacity(rows.len());
        for row in rows {
            let waiting = self.is_parked(&row).await?;
            truths.push(Truth {
                waiting,
                workspace_kept: kept.contains(&row.id),
                ..truth(&row, asked[&row.id])?
            });
        }
        Ok(truths)
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
        let rows = self.without_parked(rows).await?;
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

    /// Those of the runs that want an executor.
    async fn without_parked(&self, rows: Vec<run::Model>) -> Result<Vec<run::Model>, Error> {
        let mut wanting = Vec::with_capacity(rows.len());
        for row in rows {
            if !self.is_parked(&row).await? {
                wanting.push(row);
            }
        }
        Ok(wanting)
    }

    /// Whether all that is left of a run is done outside of executors.
    async fn is_parked(&self, row: &run::Model) -> Result<bool, Error> {
        let may_be = [State::Cancelling, State::Failing].map(State::name);
        if row.executor.is_some() || !may_be.contains(&row.state.as_str()) {
            return Ok(row.state == State::Waiting.name());
        }
        match self.with_steps(row).await {
            Ok(run) => Ok(run.parked),
            // It is told of elsewhere.
            Err(Error::Row(_)) => Ok(false),
            Err(error) => Err(error),
        }
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
        workspace_kept: false,
    })
}
