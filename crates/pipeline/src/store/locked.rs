//! Runs under their rows' locks: read together, changed by their rules, and written back together
//! with what they announce.
//!
//! **Invariant:** what changed is written with its announcements or not at all.

use std::collections::BTreeMap;

use outbox::Announcement;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

pub(super) use self::rows::steps_of;
use self::rows::{save_attempts, save_steps};
use super::Store;
use crate::Error;
use crate::entity::{attempt, run, run_step};
use crate::news;
use crate::record;
use crate::run::{AttemptEnd, News, Run};

mod rows;

/// A run under its row's lock.
#[derive(Debug, Clone)]
pub(crate) struct Locked {
    /// As it was read.
    pub(crate) row: run::Model,
    pub(crate) run: Run,
    /// The news that are written down.
    news: Vec<News>,
    announcements: Vec<Announcement>,
}

/// A run that is locked, or why its rows can't be read.
pub(super) type Readable = Result<Locked, String>;

impl Locked {
    /// What has happened, as far as it is written down.
    pub(super) fn news(&self) -> &[News] {
        &self.news
    }

    /// Whether child runs are to be seen to: its own, or itself as one that has ended.
    pub(super) fn concerns_children(&self) -> bool {
        let is_child = self.row.parent_id.is_some() && self.run.state.is_final();
        is_child
            || self
                .run
                .plan
                .steps
                .iter()
                .any(|it| it.kind.child().is_some())
    }

    /// Whether somebody waits for what is told of this: another service or a follower acts on it. Of
    /// the rest, that an attempt or a step came further, nobody is in a hurry to hear.
    pub(super) fn is_urgent(&self) -> bool {
        self.news().iter().any(|news| match news {
            News::Changed { to, .. } => to.is_final(),
            News::Requested(_)
            | News::StopRequested
            | News::Decided(_)
            | News::Said { .. }
            | News::Recalled(_) => true,
            // It was handed over: whoever serves it is to hear of it.
            News::Step(position) => self.run.is_served(*position),
            News::Began(..) | News::Ended(..) => false,
        })
    }

    /// Writes the run's news down, as a part of the current trace.
    pub(super) fn write_down(&mut self, now_ms: i64) -> Result<(), Error> {
        let news = std::mem::take(&mut self.run.news);
        let announcements = news::announcements(&self.row, &self.run, &news, now_ms)?;
        self.announcements.extend(announcements);
        self.news.extend(news);
        Ok(())
    }

    /// Tells this with the run's news.
    pub(super) fn tell_too(&mut self, more: Option<Announcement>) {
        self.announcements.extend(more);
    }

    /// Whether there is something to write back.
    pub(super) fn has_changed(&self) -> bool {
        !self.news.is_empty() || !self.run.news.is_empty() || self.counts_a_loss()
    }

    fn counts_a_loss(&self) -> bool {
        self.row.lost_in_a_row != self.run.lost_in_a_row.cast_signed()
    }

    /// Whether the run's own row stays as it is. Its last log entry may wait: it is told exactly
    /// when the attempt finishes, and as far as it is known when the attempt is lost.
    fn keeps_its_row(&self) -> bool {
        let is_of_step =
            |it: &News| matches!(it, News::Step(_) | News::Said { .. } | News::Recalled(_));
        let steps_only = self.news.iter().all(is_of_step);
        steps_only && !self.counts_a_loss()
    }

    fn changes(&self, now_ms: i64) -> run::ActiveModel {
        let requested = |it: &News| matches!(it, News::Requested(_));
        let queued_at_ms = if self.news.iter().any(requested) {
            now_ms
        } else {
            self.row.queued_at_ms
        };
        record::changes(&self.row, &self.run, queued_at_ms)
    }

    fn begun(&self, now_ms: i64) -> Option<attempt::ActiveModel> {
        let (number, holder) = self.news.iter().find_map(|it| match it {
            News::Began(number, holder) => Some((*number, holder)),
            News::Changed { .. }
            | News::Requested(_)
            | News::StopRequested
            | News::Ended(..)
            | News::Step(_)
            | News::Decided(_)
            | News::Said { .. }
            | News::Recalled(_) => None,
        })?;
        Some(attempt::ActiveModel {
            run_id: Set(self.row.id.clone()),
            attempt: Set(number.cast_signed()),
            executor: Set(holder.executor.clone()),
            boot: Set(holder.boot.cast_signed()),
            began_at_ms: Set(now_ms),
            ended_at_ms: Set(None),
            how: Set(None),
            last_seq: Set(0),
        })
    }

    /// How the attempt ended, if it did in this transaction.
    pub(super) fn ended(&self) -> Option<AttemptEnd> {
        self.news.iter().find_map(|it| match it {
            News::Ended(_, how) => Some(*how),
            News::Changed { .. }
            | News::Requested(_)
            | News::StopRequested
            | News::Began(..)
            | News::Step(_)
            | News::Decided(_)
            | News::Said { .. }
            | News::Recalled(_) => None,
        })
    }

    /// Notes how long the run took to end since its stop was accepted, if it ends now. One that
    /// never began ends with its stop.
    #[allow(clippy::cast_precision_loss, reason = "a time in milliseconds")]
    fn measure_stop(&self) {
        let ends = |it: &News| matches!(it, News::Changed { to, .. } if to.is_final());
        let stop = self.run.stop.as_ref().and_then(|it| it.at_ms);
        if let (Some(at_ms), Some(ended_at_ms)) = (stop, self.run.ended_at_ms)
            && self.news.iter().any(ends)
            && self.run.has_begun()
        {
            let took_ms = Ord::max(ended_at_ms - at_ms, 0);
            metrics::histogram!("penstock_run_stop_seconds").record(took_ms as f64 / 1000.0);
        }
    }
}

impl Store {
    /// Locks a run's row and reads it with its steps.
    pub(super) async fn lock(&self, tx: &DatabaseTransaction, id: &str) -> Result<Locked, Error> {
        let mut locked = self.lock_all(tx, [id.to_owned()]).await?;
        let readable = locked
            .remove(id)
            .ok_or_else(|| Error::NoSuchRun(id.to_owned()))?;
        readable.map_err(Error::Row)
    }

    /// Locks the rows of runs, in the order of their ids, and reads them with their steps. Runs
    /// that don't exist are left out.
    pub(super) async fn lock_all(
        &self,
        tx: &DatabaseTransaction,
        ids: impl IntoIterator<Item = String>,
    ) -> Result<BTreeMap<String, Readable>, Error> {
        let rows = run::Entity::find()
            .filter(run::Column::Id.is_in(ids))
            .order_by_asc(run::Column::Id)
            .lock_exclusive()
            .all(tx)
            .await?;
        let mut steps = steps_of(tx, &rows).await?;
        let mut all = BTreeMap::new();
        for row in rows {
            let its_steps = steps.remove(&row.id).unwrap_or_default();
            let readable = match self.read(tx, row.clone(), its_steps).await {
                Ok(locked) => Ok(locked),
                Err(Error::Row(why)) => Err(why),
                Err(error) => return Err(error),
            };
            all.insert(row.id, readable);
        }
        Ok(all)
    }

    /// Reads a run with its steps as it is now, without a lock. None if it can't be read.
    pub(super) async fn peek(
        &self,
        tx: &impl ConnectionTrait,
        row: &run::Model,
    ) -> Result<Option<Run>, Error> {
        let mut read = self.runs_of(tx, vec![row.clone()]).await?;
        Ok(read.pop().and_then(|(_, run)| run.ok()))
    }

    async fn read(
        &self,
        tx: &DatabaseTransaction,
        row: run::Model,
        steps: Vec<run_step::Model>,
    ) -> Result<Locked, Error> {
        let plan = self.plan(tx, &row.pipeline_id, row.version).await?;
        let run = record::read(&row, steps, plan)?;
        Ok(Locked {
            row,
            run,
            news: Vec::new(),
            announcements: Vec::new(),
        })
    }

    /// Writes back what has changed of a run, with its announcements.
    pub(super) async fn save(
        tx: &DatabaseTransaction,
        mut locked: Locked,
        now_ms: i64,
    ) -> Result<Run, Error> {
        locked.write_down(now_ms)?;
        Self::save_all(tx, vec![&locked], now_ms).await?;
        Ok(locked.run)
    }

    /// Writes back what has changed of runs whose news are written down, with the announcements.
    pub(super) async fn save_all(
        tx: &DatabaseTransaction,
        locked: Vec<&Locked>,
        now_ms: i64,
    ) -> Result<(), Error> {
        save_steps(tx, &locked).await?;
        super::children::note(tx, &locked).await?;
        save_attempts(tx, &locked, now_ms).await?;
        for it in locked.iter().filter(|it| !it.keeps_its_row()) {
            run::Entity::update(it.changes(now_ms))
                .exec_without_returning(tx)
                .await?;
        }
        for it in &locked {
            it.measure_stop();
        }
        let announcements = locked.iter().flat_map(|it| it.announcements.clone());
        outbox::announce_all(tx, announcements, now_ms).await?;
        Ok(())
    }
}
