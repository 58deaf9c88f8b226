//! The pipeline service's transactions, named by what becomes true.
//!
//! Lock order: a pipeline's row before a run's row. A run's row is locked by everything that
//! changes the run or its steps, so that a stop and the grant of a step exclude each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use runtime::{Bell, Database};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};
use steps::Plan;

use crate::Error;
use crate::entity::{attempt, run, run_step, version};
use crate::news;
use crate::record;
use crate::run::{News, Run};

mod attempts;
mod pipelines;
mod reads;
mod starts;
mod stops;

pub(crate) use attempts::{Answer, Begun};
pub(crate) use pipelines::Define;
pub(crate) use starts::{Origin, Start};
pub(crate) use stops::StopAll;

/// Plans that are remembered; they never change.
const REMEMBERED: usize = 1024;

/// Plans by pipeline and version.
type Plans = Arc<Mutex<HashMap<(String, i32), Arc<Plan>>>>;

/// The database of pipelines and runs.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
    /// Rung after each commit that left an announcement.
    relay: Bell,
    plans: Plans,
}

/// A run under its row's lock.
pub(crate) struct Locked {
    pub(crate) row: run::Model,
    pub(crate) run: Run,
}

impl Store {
    pub(crate) fn new(database: Database, relay: Bell) -> Self {
        Self {
            database,
            relay,
            plans: Arc::default(),
        }
    }

    /// Locks a run's row and reads it with its steps.
    async fn lock(&self, tx: &DatabaseTransaction, id: &str) -> Result<Locked, Error> {
        let row = run::Entity::find()
            .filter(run::Column::Id.eq(id))
            .lock_exclusive()
            .one(tx)
            .await?
            .ok_or_else(|| Error::NoSuchRun(id.to_owned()))?;
        let rows = run_step::Entity::find()
            .filter(run_step::Column::RunId.eq(id))
            .all(tx)
            .await?;
        let plan = self.plan(tx, &row.pipeline_id, row.version).await?;
        let run = record::read(&row, rows, plan)?;
        Ok(Locked { row, run })
    }

    /// Writes back what changed and announces the news with it.
    async fn save(
        &self,
        tx: &DatabaseTransaction,
        locked: &mut Locked,
        now_ms: i64,
    ) -> Result<(), Error> {
        let Locked { row, run } = locked;
        let steps = record::changed_steps(&row.id, run);
        if !steps.is_empty() {
            run_step::Entity::insert_many(steps)
                .on_conflict(replace_step())
                .exec_without_returning(tx)
                .await?;
        }
        let news = std::mem::take(&mut run.news);
        let requested = news.iter().any(|it| matches!(it, News::Requested(_)));
        let queued_at_ms = if requested { now_ms } else { row.queued_at_ms };
        save_attempts(tx, row, run, &news, now_ms).await?;
        if !tells_of_steps_only(&news) || row.lost_in_a_row != run.lost_in_a_row.cast_signed() {
            let changes = record::changes(row, run, queued_at_ms);
            run::Entity::update(changes)
                .exec_without_returning(tx)
                .await?;
        }
        outbox::announce_all(tx, news::announcements(row, run, &news, now_ms)?, now_ms).await?;
        Ok(())
    }

    /// The plan of a version, from memory when it was asked for before.
    async fn plan(
        &self,
        db: &impl sea_orm::ConnectionTrait,
        pipeline_id: &str,
        number: i32,
    ) -> Result<Arc<Plan>, Error> {
        let key = (pipeline_id.to_owned(), number);
        if let Some(plan) = self
            .plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
        {
            return Ok(plan.clone());
        }
        let row = version::Entity::find_by_id(key.clone()).one(db).await?;
        let row =
            row.ok_or_else(|| Error::Row(format!("version {number} of {pipeline_id} is gone")))?;
        let plan: Arc<Plan> = Arc::new(record::from_json(&row.plan)?);
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= REMEMBERED {
            plans.clear();
        }
        plans.insert(key, plan.clone());
        Ok(plan)
    }
}

/// Whether the run's own row stays as it is. Its last log entry may wait: it is told exactly when
/// the attempt finishes, and as far as it is known when the attempt is lost.
fn tells_of_steps_only(news: &[News]) -> bool {
    news.iter().all(|item| matches!(item, News::Step(_)))
}

fn replace_step() -> OnConflict {
    use run_step::Column;
    OnConflict::columns([Column::RunId, Column::Position])
        .update_columns([
            Column::State,
            Column::DueMs,
            Column::Tries,
            Column::Failures,
            Column::ExitCode,
            Column::Message,
            Column::Outputs,
            Column::StartedAtMs,
            Column::EndedAtMs,
        ])
        .to_owned()
}

/// Keeps the attempts' rows: one begins with its row and ends with how.
async fn save_attempts(
    tx: &DatabaseTransaction,
    row: &run::Model,
    run: &Run,
    news: &[News],
    now_ms: i64,
) -> Result<(), Error> {
    use sea_orm::ActiveValue::{Set, Unchanged};
    for item in news {
        match item {
            News::Began(number) => {
                let Some(holder) = &run.holder else { continue };
                let began = attempt::ActiveModel {
                    run_id: Set(row.id.clone()),
                    attempt: Set(number.cast_signed()),
                    executor: Set(holder.executor.clone()),
                    boot: Set(holder.boot.cast_signed()),
                    began_at_ms: Set(now_ms),
                    ended_at_ms: Set(None),
                    how: Set(None),
                    last_seq: Set(0),
                };
                attempt::Entity::insert(began)
                    .exec_without_returning(tx)
                    .await?;
            }
            News::Ended(number, how) => {
                let ended = attempt::ActiveModel {
                    run_id: Unchanged(row.id.clone()),
                    attempt: Unchanged(number.cast_signed()),
                    ended_at_ms: Set(Some(now_ms)),
                    how: Set(Some(record::end_name(*how).to_owned())),
                    last_seq: Set(run.last_seq.cast_signed()),
                    ..Default::default()
                };
                attempt::Entity::update(ended)
                    .exec_without_returning(tx)
                    .await?;
            }
            News::Changed { .. } | News::Requested(_) | News::StopRequested | News::Step(_) => {}
        }
    }
    Ok(())
}
