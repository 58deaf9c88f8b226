//! Schedules are made, read, changed and removed.
//!
//! **Invariant:** a change is made under the row's lock, so it and a look at what is due exclude
//! each other, and it is announced with who made it.

use std::collections::{HashMap, HashSet};

use contracts::id::is_object_id;
use contracts::message::{Actor, Caller, ScheduleChanged, UserActed};
use outbox::Announcement;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseTransaction,
    EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use super::slots::close_open;
use crate::Error;
use crate::entity::{predecessor, schedule, slot};
use crate::record;
use crate::schedule::Reason;

/// The most schedules of a pipeline.
const MOST_OF_A_PIPELINE: u64 = 1000;
/// Schedules that go with their pipelines in one round.
const AT_ONCE: u64 = 500;

/// A schedule to be made.
#[derive(Debug)]
pub(crate) struct NewSchedule {
    pub(crate) row: schedule::ActiveModel,
    /// Pipelines that it follows.
    pub(crate) predecessors: Vec<String>,
    pub(crate) by: Caller,
    pub(crate) now_ms: i64,
}

/// A change of a schedule.
pub(crate) struct Change<F> {
    pub(crate) id: String,
    pub(crate) by: Caller,
    /// What users did, for the record.
    pub(crate) action: &'static str,
    /// Replaces the pipelines that it follows.
    pub(crate) predecessors: Option<Vec<String>>,
    /// Changes the row; answers slots that are skipped for it.
    pub(crate) edit: F,
    pub(crate) now_ms: i64,
}

/// What goes with the change of a row.
#[derive(Debug, Default)]
pub(crate) struct Edited {
    /// Slots that no row speaks of yet, and that are skipped.
    pub(crate) skipped: Option<slot::ActiveModel>,
    /// A slot that waits for the pipeline to be free is skipped, with why in words.
    pub(crate) gives_up_waiting: Option<&'static str>,
}

impl Store {
    /// A schedule is there.
    pub(crate) async fn create_schedule(&self, new: NewSchedule) -> Result<schedule::Model, Error> {
        let tx = self.database.begin().await?;
        let pipeline_id = new.row.pipeline_id.as_ref();
        let others = schedule::Entity::find()
            .select_only()
            .column(schedule::Column::Number)
            .filter(schedule::Column::PipelineId.eq(pipeline_id))
            .limit(MOST_OF_A_PIPELINE)
            .count(&*tx)
            .await?;
        if others >= MOST_OF_A_PIPELINE {
            return Err(Error::TooMany(MOST_OF_A_PIPELINE));
        }
        let row = new.row.insert(&*tx).await?;
        follow(&tx, &row.id, &new.predecessors).await?;
        let after = record::shown(&row, &new.predecessors);
        let told = Told::of(&row, &new.by, "create", new.now_ms);
        told.tell(&tx, (String::new(), after)).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// A schedule of an account by its id or number.
    pub(crate) async fn schedule(
        &self,
        account: &str,
        text: &str,
    ) -> Result<schedule::Model, Error> {
        let unknown = || Error::NoSchedule(text.chars().take(64).collect());
        let named = if is_object_id(text) {
            schedule::Column::Id.eq(text)
        } else {
            let number: i64 = text.parse().map_err(|_| unknown())?;
            schedule::Column::Number.eq(number)
        };
        let row = schedule::Entity::find()
            .filter(schedule::Column::Account.eq(account))
            .filter(named)
            .one(self.database.reader())
            .await?;
        row.ok_or_else(unknown)
    }

    /// A page of an account's schedules, or of those of a pipeline, by number.
    pub(crate) async fn schedules(
        &self,
        account: &str,
        pipeline_id: Option<&str>,
        after: i64,
        limit: u64,
    ) -> Result<Vec<schedule::Model>, Error> {
        let mut page = schedule::Entity::find()
            .filter(schedule::Column::Account.eq(account))
            .filter(schedule::Column::Number.gt(after));
        if let Some(pipeline_id) = pipeline_id {
            page = page.filter(schedule::Column::PipelineId.eq(pipeline_id));
        }
        let page = page.order_by_asc(schedule::Column::Number).limit(limit);
        Ok(page.all(self.database.reader()).await?)
    }

    /// The pipelines that schedules follow, in the order in which they were named.
    pub(crate) async fn predecessors(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, Vec<String>>, Error> {
        predecessors(self.database.reader(), ids).await
    }

    /// A schedule is changed. One that stays as it is isn't told of.
    pub(crate) async fn change_schedule<F>(
        &self,
        change: Change<F>,
    ) -> Result<schedule::Model, Error>
    where
        F: FnOnce(&mut schedule::Model) -> Result<Edited, Error> + Send,
    {
        let tx = self.database.begin().await?;
        let before = schedule::Entity::find()
            .filter(schedule::Column::Id.eq(&change.id))
            .lock_exclusive()
            .one(&*tx)
            .await?;
        let before = before.ok_or_else(|| Error::NoSchedule(change.id.clone()))?;
        let mut row = before.clone();
        let edited = (change.edit)(&mut row)?;
        let known = predecessors(&*tx, vec![row.id.clone()]).await?;
        let known = known.into_values().next().unwrap_or_default();
        let now_follows = change.predecessors.unwrap_or_else(|| known.clone());
        if row == before && now_follows == known {
            return Ok(before);
        }
        if now_follows != known {
            row.follows_since_ms = change.now_ms;
            unfollow(&tx, &row.id).await?;
            follow(&tx, &row.id, &now_follows).await?;
        }
        row.updated_at_ms = change.now_ms;
        update(&tx, &row).await?;
        if let Some(skipped) = edited.skipped {
            super::slots::insert(&tx, vec![skipped]).await?;
        }
        if let Some(why) = edited.gives_up_waiting {
            close_open(&tx, &row.id, (Reason::Paused, why), change.now_ms).await?;
        }
        let shown = (
            record::shown(&before, &known),
            record::shown(&row, &now_follows),
        );
        let told = Told::of(&row, &change.by, change.action, change.now_ms);
        told.tell(&tx, shown).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// A schedule isn't there any more. What its slots started goes on.
    pub(crate) async fn delete_schedule(
        &self,
        id: &str,
        by: &Caller,
        now_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let row = schedule::Entity::find()
            .filter(schedule::Column::Id.eq(id))
            .lock_exclusive()
            .one(&*tx)
            .await?;
        let row = row.ok_or_else(|| Error::NoSchedule(id.to_owned()))?;
        let known = predecessors(&*tx, vec![row.id.clone()]).await?;
        let known = known.into_values().next().unwrap_or_default();
        remove(&tx, &row).await?;
        let told = Told {
            removed: true,
            ..Told::of(&row, by, "delete", now_ms)
        };
        let before = record::shown(&row, &known);
        told.tell(&tx, (before, String::new())).await?;
        Ok(tx.commit().await?)
    }

    /// Schedules of these pipelines are gone, and nothing follows them.
    pub(crate) async fn pipelines_deleted(
        tx: &DatabaseTransaction,
        pipeline_ids: &[String],
        now_ms: i64,
    ) -> Result<(), Error> {
        if pipeline_ids.is_empty() {
            return Ok(());
        }
        loop {
            let rows = schedule::Entity::find()
                .filter(schedule::Column::PipelineId.is_in(pipeline_ids))
                .order_by_asc(schedule::Column::Id)
                .limit(AT_ONCE)
                .lock_exclusive()
                .all(tx)
                .await?;
            if rows.is_empty() {
                break;
            }
            let by = Caller {
                actor: Some(Actor::system()),
                ..Caller::default()
            };
            for row in rows {
                remove(tx, &row).await?;
                let told = Told {
                    removed: true,
                    ..Told::of(&row, &by, "delete", now_ms)
                };
                told.tell(tx, Default::default()).await?;
            }
        }
        predecessor::Entity::delete_many()
            .filter(predecessor::Column::PipelineId.is_in(pipeline_ids))
            .exec(tx)
            .await?;
        Ok(())
    }
}

/// All that a row says is as in `row`.
async fn update(tx: &DatabaseTransaction, row: &schedule::Model) -> Result<(), Error> {
    let changed = schedule::ActiveModel {
        number: Unchanged(row.number),
        ..row.clone().into_active_model().reset_all()
    };
    schedule::Entity::update(changed)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Slots of its that are open stay so: whoever takes them up sees that it is gone, and whether a run
/// was accepted before.
async fn remove(tx: &DatabaseTransaction, row: &schedule::Model) -> Result<(), Error> {
    unfollow(tx, &row.id).await?;
    schedule::Entity::delete_by_id(row.number).exec(tx).await?;
    Ok(())
}

async fn predecessors(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
) -> Result<HashMap<String, Vec<String>>, Error> {
    let mut by_schedule: HashMap<String, Vec<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(by_schedule);
    }
    let rows = predecessor::Entity::find()
        .filter(predecessor::Column::ScheduleId.is_in(ids))
        .order_by_asc(predecessor::Column::ScheduleId)
        .order_by_asc(predecessor::Column::Position)
        .all(db)
        .await?;
    for row in rows {
        let its = by_schedule.entry(row.schedule_id).or_default();
        its.push(row.pipeline_id);
    }
    Ok(by_schedule)
}

/// A schedule follows these pipelines, each once.
async fn follow(tx: &DatabaseTransaction, id: &str, pipelines: &[String]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let rows: Vec<_> = pipelines
        .iter()
        .filter(|it| seen.insert(it.as_str()))
        .zip(0..)
        .map(|(pipeline_id, position)| predecessor::ActiveModel {
            schedule_id: Set(id.to_owned()),
            pipeline_id: Set(pipeline_id.clone()),
            position: Set(position),
        })
        .collect();
    if !rows.is_empty() {
        predecessor::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

async fn unfollow(tx: &DatabaseTransaction, id: &str) -> Result<(), Error> {
    predecessor::Entity::delete_many()
        .filter(predecessor::Column::ScheduleId.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// What is told of a change.
struct Told<'a> {
    row: &'a schedule::Model,
    by: &'a Caller,
    action: &'static str,
    removed: bool,
    now_ms: i64,
}

impl<'a> Told<'a> {
    fn of(row: &'a schedule::Model, by: &'a Caller, action: &'static str, now_ms: i64) -> Self {
        Self {
            row,
            by,
            action,
            removed: false,
            now_ms,
        }
    }

    /// With the schedule before and after the change.
    async fn tell(
        self,
        tx: &DatabaseTransaction,
        (before, after): (String, String),
    ) -> Result<(), Error> {
        let Self {
            row, by, now_ms, ..
        } = self;
        let changed = ScheduleChanged {
            schedule_id: row.id.clone(),
            pipeline_id: row.pipeline_id.clone(),
            account: row.account.clone(),
            removed: self.removed,
            actor: by.actor.clone().filter(Actor::is_user),
        };
        let name: String = if row.description.is_empty() {
            format!("schedule {}", row.number)
        } else {
            row.description.chars().take(200).collect()
        };
        let mut news = vec![Announcement::of(&changed)?];
        let target = (row.id.as_str(), name.as_str());
        if let Some(acted) = UserActed::of(by, "schedule", self.action, target, now_ms) {
            news.push(Announcement::of(&acted.with_change(before, after))?);
        }
        Ok(outbox::announce_all(tx, news, now_ms).await?)
    }
}
