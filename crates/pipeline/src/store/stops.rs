//! Stops and resets.

use runtime::clock;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Store, Untold};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run};
use crate::record::stop_mode_name;
use crate::run::{EndCause, Stop, StopMode};
use crate::state::State;

/// Which runs of a pipeline are to stop, and how.
#[derive(Debug, Clone)]
pub(crate) struct StopAll {
    /// One run; all unfinished ones when absent.
    pub(crate) run_count: Option<i64>,
    pub(crate) mode: StopMode,
    pub(crate) reason: String,
    pub(crate) by: Caller,
    pub(crate) cause: EndCause,
    /// Leaves runs alone that have never begun.
    pub(crate) keep_queue: bool,
}

impl StopAll {
    /// What is told of it, as JSON.
    fn told(&self) -> String {
        let mut told = serde_json::json!({"mode": stop_mode_name(self.mode)});
        if let Some(run_count) = self.run_count {
            told["runCount"] = run_count.into();
        }
        told.to_string()
    }

    fn wish(&self, now_ms: i64) -> Stop {
        Stop {
            mode: self.mode,
            reason: self.reason.clone(),
            actor: self.by.actor().clone(),
            cause: self.cause,
            at_ms: Some(now_ms),
        }
    }
}

/// What a stop did.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// As they are after it.
    pub(crate) rows: Vec<run::Model>,
    /// Runs that ended and had never begun.
    pub(crate) queued: u32,
}

/// Runs that are looked up at once.
const PAGE: u64 = 500;
/// Runs that one transaction stops.
const TOGETHER: usize = 25;

impl Store {
    /// Stops runs of a pipeline, newest first, so that none moves up meanwhile.
    pub(crate) async fn stop_runs(
        &self,
        pipeline: &pipeline::Model,
        stop: &StopAll,
    ) -> Result<Stopped, Error> {
        let acted = stop.by.acted("stop", pipeline, clock::now_ms());
        let mut acted = Untold::of(acted.map(|it| it.with_change(String::new(), stop.told())))?;
        self.stop_and_tell(pipeline, stop, &mut acted).await
    }

    async fn stop_and_tell(
        &self,
        pipeline: &pipeline::Model,
        stop: &StopAll,
        acted: &mut Untold,
    ) -> Result<Stopped, Error> {
        let mut done = Stopped::default();
        let mut below = i64::MAX;
        loop {
            let page = self.to_stop(pipeline, stop, below).await?;
            let Some((_, last)) = page.last() else { break };
            below = *last;
            let ids: Vec<String> = page.into_iter().map(|(id, _)| id).collect();
            for ids in ids.chunks(TOGETHER) {
                self.stop_together(ids, stop, acted, &mut done).await?;
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

    /// Stops these runs in one transaction. One whose row can't be read leaves the others alone.
    async fn stop_together(
        &self,
        ids: &[String],
        stop: &StopAll,
        acted: &mut Untold,
        done: &mut Stopped,
    ) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let (mut stopped, mut unreadable) = (Vec::new(), None);
        for its in self.lock_all(&tx, ids.to_vec()).await?.into_values() {
            match its {
                Ok(its) => stopped.push(its),
                Err(why) => unreadable = Some(Error::Row(why)),
            }
        }
        for its in &mut stopped {
            let (was_final, never_began) = (its.run.state.is_final(), !its.run.has_begun());
            if never_began && stop.keep_queue {
                continue;
            }
            its.run.stop(stop.wish(now_ms), now_ms);
            its.write_down(now_ms)?;
            done.queued += u32::from(!was_final && never_began && its.run.state.is_final());
        }
        if let Some(first) = stopped.iter_mut().find(|it| it.has_changed()) {
            first.tell_too(acted.take());
        }
        let changed: Vec<_> = stopped.iter().filter(|it| it.has_changed()).collect();
        if changed.is_empty() {
            // What follows asks the pool.
            drop(tx);
        } else {
            Self::save_all(&tx, changed, now_ms).await?;
            tx.commit().await?;
            runtime::fault_point::pass("stop.accepted");
            self.relay.ring();
            self.children.ring();
        }
        done.rows.extend(self.run_rows(ids).await?);
        unreadable.map_or(Ok(()), Err)
    }

    /// The rows of these runs, newest first.
    async fn run_rows(&self, ids: &[String]) -> Result<Vec<run::Model>, Error> {
        let rows = run::Entity::find()
            .filter(run::Column::Id.is_in(ids))
            .order_by_desc(run::Column::RunCount);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// Clears the current run data of a pipeline. A run that works is stopped first with `force`,
    /// else it keeps the pipeline from being reset; one that waits or is being stopped ends.
    pub(crate) async fn reset(
        &self,
        pipeline: &pipeline::Model,
        by: &Caller,
        force: bool,
    ) -> Result<(), Error> {
        let open: Vec<(i64, String, Option<i64>)> = run::Entity::find()
            .select_only()
            .columns([
                run::Column::RunCount,
                run::Column::State,
                run::Column::StartedAtMs,
            ])
            .filter(run::Column::PipelineId.eq(&pipeline.id))
            .filter(run::Column::EndedAtMs.is_null())
            .order_by_desc(run::Column::RunCount)
            .limit(super::starts::POSITIONS)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        let rests =
            |state: &str| state == State::Waiting.name() || state == State::Cancelling.name();
        // What never began stays in the queue, if it is only behind a run that rests.
        let (resting, others): (Vec<_>, Vec<_>) =
            open.iter().partition(|(_, state, _)| rests(state));
        let is_behind = !resting.is_empty() && others.iter().all(|(_, _, begun)| begun.is_none());
        if !force && !others.is_empty() && !is_behind {
            return Err(Error::Unfinished(pipeline.name.clone()));
        }
        // Without force none but those that were looked at: one may have been accepted meanwhile.
        let runs: Vec<Option<i64>> = if force {
            vec![None]
        } else {
            resting
                .iter()
                .map(|(run_count, ..)| Some(*run_count))
                .collect()
        };
        let mut acted = Untold::of(by.acted("reset", pipeline, clock::now_ms()))?;
        for run_count in runs {
            let stop = StopAll {
                run_count,
                mode: StopMode::Graceful,
                reason: "the pipeline was reset".into(),
                by: by.clone(),
                cause: EndCause::Reset,
                keep_queue: false,
            };
            self.stop_and_tell(pipeline, &stop, &mut acted).await?;
        }
        self.forget_position(pipeline, by, acted).await
    }
}
