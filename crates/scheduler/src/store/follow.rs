//! Slots of schedules that follow runs.
//!
//! A run that succeeded or warned makes one slot of each schedule that follows its pipeline, whose
//! name is the run's id: so hearing of it again, or finding it again, makes no other.
//!
//! **Invariant:** a schedule doesn't follow a run that goes back to a slot of its own.

use std::collections::{HashMap, HashSet};

use contracts::pipeline::EndedRun;
use outbox::Announcement;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, EntityTrait as _, JoinType, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::Store;
use super::slots::{blank, insert, new_row};
use crate::Error;
use crate::entity::{predecessor, schedule, slot};
use crate::record;
use crate::schedule::{self as rules, Kind, Reason, SlotState};

/// Rows that one statement looks for by their names.
const TOGETHER: usize = 200;

impl Store {
    /// Schedules that follow these runs have a slot of each. Answers whether there are new ones.
    pub(crate) async fn follow_runs(
        tx: &DatabaseTransaction,
        ended: &[EndedRun],
        now_ms: i64,
    ) -> Result<bool, Error> {
        let followers = followers(tx, ended).await?;
        if followers.is_empty() {
            return Ok(false);
        }
        let mut wanted: Vec<(&EndedRun, &schedule::Model)> = Vec::new();
        for run in ended {
            let its = followers.iter().filter(|(id, _)| *id == run.pipeline_id);
            wanted.extend(
                its.map(|(_, row)| (run, row))
                    .filter(|(run, row)| follows(row, run)),
            );
        }
        let known = known(tx, &wanted).await?;
        wanted.retain(|(run, row)| !known.contains(&(row.id.clone(), run.run_id.clone())));
        let chains = chains(tx, wanted.iter().map(|(run, _)| *run)).await?;
        let (mut over, mut fired) = (HashSet::new(), Vec::new());
        let (mut slots, mut news) = (Vec::new(), Vec::new());
        for (run, row) in wanted {
            if over.contains(&row.id) {
                continue;
            }
            let row_of_slot = follower_slot(row, run, &chains, now_ms);
            if row_of_slot.state == SlotState::Firing.name() {
                fired.push(row.id.clone());
                if row.just_once {
                    over.insert(row.id.clone());
                }
            } else {
                news.push(Announcement::of(&record::skipped(&row_of_slot, now_ms))?);
            }
            slots.push(new_row(row_of_slot));
        }
        let is_new = !fired.is_empty();
        insert(tx, slots).await?;
        have_fired(tx, fired, over, now_ms).await?;
        outbox::announce_all(tx, news, now_ms).await?;
        Ok(is_new)
    }

    /// A page of the pipelines that are followed, by id.
    pub(crate) async fn followed(&self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let ids = predecessor::Entity::find()
            .select_only()
            .column(predecessor::Column::PipelineId)
            .distinct()
            .filter(predecessor::Column::PipelineId.gt(after))
            .order_by_asc(predecessor::Column::PipelineId)
            .limit(limit)
            .into_tuple();
        Ok(ids.all(self.database.reader()).await?)
    }

    /// The same as [`Store::follow_runs`] in a transaction of its own.
    pub(crate) async fn follow_ended(&self, ended: &[EndedRun]) -> Result<bool, Error> {
        let tx = self.database.begin().await?;
        let now_ms = runtime::database::store_now_ms(&*tx).await?;
        let is_new = Self::follow_runs(&tx, ended, now_ms).await?;
        tx.commit().await?;
        Ok(is_new)
    }
}

/// Schedules that follow the pipelines of these runs, each with the pipeline.
async fn followers(
    tx: &DatabaseTransaction,
    ended: &[EndedRun],
) -> Result<Vec<(String, schedule::Model)>, Error> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let its_schedule = predecessor::Entity::belongs_to(schedule::Entity)
        .from(predecessor::Column::ScheduleId)
        .to(schedule::Column::Id)
        .into();
    let rows = predecessor::Entity::find()
        .join(JoinType::InnerJoin, its_schedule)
        .select_also(schedule::Entity)
        .filter(predecessor::Column::PipelineId.is_in(ended.iter().map(|it| &it.pipeline_id)))
        .filter(schedule::Column::Kind.eq(Kind::After.name()))
        .filter(schedule::Column::Enabled.eq(true))
        .order_by_asc(schedule::Column::Number)
        .all(tx)
        .await?;
    let both = rows.into_iter();
    Ok(both
        .filter_map(|(row, schedule)| Some((row.pipeline_id, schedule?)))
        .collect())
}

fn follows(row: &schedule::Model, run: &EndedRun) -> bool {
    run.ended_at_ms >= row.follows_since_ms && (!run.silent || row.after_any_start)
}

/// Which of the slots there are: their schedules and the runs that they follow.
async fn known(
    tx: &DatabaseTransaction,
    wanted: &[(&EndedRun, &schedule::Model)],
) -> Result<HashSet<(String, String)>, Error> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: HashSet<&String> = wanted.iter().map(|(_, row)| &row.id).collect();
    let run_ids: HashSet<&String> = wanted.iter().map(|(run, _)| &run.run_id).collect();
    let known = slot::Entity::find()
        .select_only()
        .columns([slot::Column::ScheduleId, slot::Column::Slot])
        .filter(slot::Column::ScheduleId.is_in(ids))
        .filter(slot::Column::Slot.is_in(run_ids))
        .into_tuple()
        .all(tx)
        .await?;
    Ok(known.into_iter().collect())
}

/// By schedule and slot: the schedules whose slots one after the other led there, itself included.
type Chains = HashMap<(String, String), String>;

async fn chains(
    tx: &DatabaseTransaction,
    runs: impl Iterator<Item = &EndedRun>,
) -> Result<Chains, Error> {
    let of_slots = runs.filter(|it| !it.schedule_id.is_empty());
    let wanted: HashSet<_> = of_slots.map(|it| (&it.schedule_id, &it.slot)).collect();
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut chains = Chains::new();
    for names in wanted.chunks(TOGETHER) {
        let any = names.iter().fold(Condition::any(), |any, (id, name)| {
            let this = slot::Column::ScheduleId.eq(id.as_str());
            any.add(this.and(slot::Column::Slot.eq(name.as_str())))
        });
        for row in slot::Entity::find().filter(any).all(tx).await? {
            let chain = format!("{} {}", row.chain, row.schedule_id);
            chains.insert((row.schedule_id, row.slot), chain.trim().to_owned());
        }
    }
    Ok(chains)
}

/// The slot of a schedule that follows a run: its run is to be asked for, or it is skipped.
fn follower_slot(
    row: &schedule::Model,
    run: &EndedRun,
    chains: &Chains,
    now_ms: i64,
) -> slot::Model {
    let key = (run.schedule_id.clone(), run.slot.clone());
    let chain = chains.get(&key).cloned().unwrap_or_default();
    let ids: Vec<&str> = chain.split(' ').filter(|it| !it.is_empty()).collect();
    let blank = slot::Model {
        slot: run.run_id.clone(),
        slot_ms: run.ended_at_ms,
        until_ms: run.ended_at_ms,
        upstream_run_id: Some(run.run_id.clone()),
        ..blank(row)
    };
    match rules::may_follow(&ids, &row.id) {
        Ok(()) => slot::Model {
            state: SlotState::Firing.name().to_owned(),
            try_at_ms: Some(now_ms),
            chain,
            ..blank
        },
        Err(reason) => {
            let why = if reason == Reason::Cycle {
                "the run that it follows goes back to a slot of this schedule"
            } else {
                "too many schedules follow one another"
            };
            slot::Model {
                state: SlotState::Skipped.name().to_owned(),
                reason: Some(reason.name().to_owned()),
                message: why.to_owned(),
                settled_at_ms: Some(now_ms),
                ..blank
            }
        }
    }
}

/// Schedules that follow runs have fired, and those that do so once are over.
async fn have_fired(
    tx: &DatabaseTransaction,
    ids: Vec<String>,
    over: HashSet<String>,
    now_ms: i64,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    schedule::Entity::update_many()
        .col_expr(schedule::Column::LastAtMs, Expr::value(now_ms))
        .filter(schedule::Column::Id.is_in(ids))
        .exec(tx)
        .await?;
    if !over.is_empty() {
        schedule::Entity::update_many()
            .col_expr(schedule::Column::Enabled, Expr::value(false))
            .filter(schedule::Column::Id.is_in(over))
            .exec(tx)
            .await?;
    }
    Ok(())
}
