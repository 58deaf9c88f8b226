//! Stops and resets.

use runtime::clock;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::entity::{pipeline, run};
use crate::run::{Actor, EndCause, Stop, StopMode};
use crate::state::State;

/// Which runs of a pipeline are to stop, and how.
#[derive(Debug, Clone)]
pub(crate) struct StopAll {
    /// One run; all unfinished ones when absent.
    pub(crate) run_count: Option<i64>,
    pub(crate) mode: StopMode,
    pub(crate) reason: String,
    pub(crate) actor: Actor,
    pub(crate) cause: EndCause,
    /// Leaves runs alone that have never begun.
    pub(crate) keep_queue: bool,
}

/// What a stop did.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// As they are after it.
    pub(crate) rows: Vec<run::Model>,
    /// Runs that ended and had never begun.
    pub(crate) queued: u32,
}

/// Runs that one page of a stop takes; each is a transaction.
const PAGE: u64 = 500;

impl Store {
    /// Stops runs of a pipeline; each by itself, newest first, so that none moves up meanwhile.
    pub(crate) async fn stop_runs(
        &self,
        pipeline: &pipeline::Model,
        stop: &StopAll,
    ) -> Result<Stopped, Error> {
        let mut done = Stopped::default();
        let mut below = i64::MAX;
        loop {
            let page = self.to_stop(pipeline, stop, below).await?;
            let Some((_, last)) = page.last() else { break };
            below = *last;
            for (id, _) in page {
                self.stop_run(&id, stop, &mut done).await?;
            }
            if stop.run_count.is_some() {
                break;
            }
        }
        match stop.run_count {
            Some(run_count) if done.rows.is_empty() => Err(Error::NoRun {
                pipeline: pipeline.name.clone(),
                run_count,
            }),
            _ => Ok(done),
        }
    }

    async fn to_stop(
        &self,
        pipeline: &pipeline::Model,
        stop: &StopAll,
        below: i64,
    ) -> Result<Vec<(String, i64)>, Error> {
        let runs = run::Entity::find()
            .select_only()
            .columns([run::Column::Id, run::Column::RunCount])
            .filter(run::Column::PipelineId.eq(&pipeline.id))
            .filter(run::Column::RunCount.lt(below));
        let runs = match stop.run_count {
            Some(run_count) => runs.filter(run::Column::RunCount.eq(run_count)),
            None => runs.filter(run::Column::EndedAtMs.is_null()),
        };
        let runs = runs.order_by_desc(run::Column::RunCount).limit(PAGE);
        Ok(runs.into_tuple().all(self.database.reader()).await?)
    }

    async fn stop_run(&self, id: &str, stop: &StopAll, done: &mut Stopped) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, id).await?;
        let never_began = locked.run.started_at_ms.is_none();
        if stop.keep_queue && never_began {
            if stop.run_count.is_some() {
                done.rows.push(locked.row);
            }
            return Ok(());
        }
        let was_final = locked.run.state.is_final();
        let wish = Stop {
            mode: stop.mode,
            reason: stop.reason.clone(),
            actor: stop.actor.clone(),
            cause: stop.cause,
        };
        locked.run.stop(wish, now_ms);
        let run = Self::save(&tx, locked, now_ms).await?;
        tx.commit().await?;
        runtime::fault_point::pass("stop.accepted");
        self.relay.ring();
        done.queued += u32::from(!was_final && never_began && run.state.is_final());
        done.rows.push(self.run_row(id).await?);
        Ok(())
    }

    /// Clears the current run data of a pipeline. A run that works is stopped first with `force`,
    /// else it keeps the pipeline from being reset; one that waits or is being stopped ends.
    pub(crate) async fn reset(
        &self,
        pipeline: &pipeline::Model,
        actor: &Actor,
        force: bool,
    ) -> Result<(), Error> {
        let open: Vec<(i64, String)> = run::Entity::find()
            .select_only()
            .columns([run::Column::RunCount, run::Column::State])
            .filter(run::Column::PipelineId.eq(&pipeline.id))
            .filter(run::Column::EndedAtMs.is_null())
            .order_by_desc(run::Column::RunCount)
            .limit(super::starts::POSITIONS)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        let allows =
            |state: &str| state == State::Waiting.name() || state == State::Cancelling.name();
        if !force && !open.iter().all(|(_, state)| allows(state)) {
            return Err(Error::Unfinished(pipeline.name.clone()));
        }
        // Without force none but those that were looked at: one may have been accepted meanwhile.
        let runs: Vec<Option<i64>> = if force {
            vec![None]
        } else {
            open.iter().map(|(run_count, _)| Some(*run_count)).collect()
        };
        for run_count in runs {
            let stop = StopAll {
                run_count,
                mode: StopMode::Graceful,
                reason: "the pipeline was reset".into(),
                actor: actor.clone(),
                cause: EndCause::Reset,
                keep_queue: false,
            };
            self.stop_runs(pipeline, &stop).await?;
        }
        self.forget_position(pipeline, actor).await
    }
}
