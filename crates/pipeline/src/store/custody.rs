//! Whose a pipeline is, and whether it may be run: given to another owner, locked and unlocked.
//!
//! **Invariant:** a lock is set while no run of the pipeline is unfinished, under the row that a start
//! locks too, so that no run is accepted past it.

use contracts::access::Right;
use contracts::message::{PipelineLocked, PipelineTransferred};
use outbox::Announcement;
use runtime::clock;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{DatabaseTransaction, EntityTrait as _};
use serde::{Deserialize, Serialize};

use super::Store;
use super::pipelines::{has_unfinished, lock_pipeline};
use crate::Error;
use crate::caller::Caller;
use crate::entity::pipeline;
use crate::news;
use crate::record::{from_json, to_json};
use crate::run::Actor;

/// What keeps a pipeline from being run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lock {
    pub(crate) reason: String,
    pub(crate) actor: Actor,
    pub(crate) at_ms: i64,
}

impl Lock {
    /// That of a pipeline, if it has one.
    pub(crate) fn of(row: &pipeline::Model) -> Result<Option<Self>, Error> {
        row.locked.as_deref().map(from_json).transpose()
    }
}

/// Somebody to own a pipeline.
#[derive(Debug, Clone)]
pub(crate) struct NewOwner {
    /// A user's id.
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Refuses a run of a pipeline that is locked.
pub(super) fn check_unlocked(row: &pipeline::Model) -> Result<(), Error> {
    match Lock::of(row)? {
        None => Ok(()),
        Some(lock) => Err(Error::Locked {
            pipeline: row.name.clone(),
            by: lock.actor.name,
            reason: lock.reason,
        }),
    }
}

impl Store {
    /// Locks a pipeline for a reason, or unlocks it. One that is as it should be stays as it is.
    pub(crate) async fn set_lock(
        &self,
        row: &pipeline::Model,
        by: &Caller,
        reason: Option<String>,
    ) -> Result<pipeline::Model, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let row = lock_pipeline(&tx, row).await?;
        by.must(Right::Lock, &row, &row.name)?;
        if row.locked.is_some() == reason.is_some() {
            tx.commit().await?;
            return Ok(row);
        }
        if reason.is_some() && has_unfinished(&tx, &row.id).await? {
            return Err(Error::Unfinished(row.name));
        }
        let (action, is_locked) = match reason {
            Some(_) => ("lock", true),
            None => ("unlock", false),
        };
        let told = PipelineLocked {
            pipeline_id: row.id.clone(),
            locked: is_locked,
            reason: reason.clone().unwrap_or_default(),
            actor: Some(news::actor_message(by.actor())),
        };
        let lock = reason.map(|reason| Lock {
            reason,
            actor: by.actor().clone(),
            at_ms: now_ms,
        });
        let lock = lock.as_ref().map(to_json);
        let (before, after) = (row.locked.clone(), lock.clone());
        let next = pipeline::ActiveModel {
            number: Unchanged(row.number),
            locked: Set(lock),
            updated_at_ms: Set(now_ms),
            ..Default::default()
        };
        let mut news = vec![Announcement::of(&told)?];
        if let Some(acted) = by.acted(action, &row, now_ms) {
            let change = (before.unwrap_or_default(), after.unwrap_or_default());
            news.push(Announcement::of(&acted.with_change(change.0, change.1))?);
        }
        let changed = change(&tx, next, news, now_ms).await?;
        tx.commit().await?;
        self.relay.ring();
        Ok(changed)
    }

    /// Gives a pipeline to another owner. To who has it already it changes nothing.
    pub(crate) async fn transfer(
        &self,
        row: &pipeline::Model,
        by: &Caller,
        owner: NewOwner,
    ) -> Result<pipeline::Model, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let row = lock_pipeline(&tx, row).await?;
        by.must(Right::Transfer, &row, &row.name)?;
        if row.owner == owner.id {
            tx.commit().await?;
            return Ok(row);
        }
        let told = PipelineTransferred {
            pipeline_id: row.id.clone(),
            owner: owner.id.clone(),
            actor: Some(news::actor_message(by.actor())),
        };
        let mut news = vec![Announcement::of(&told)?];
        if let Some(acted) = by.acted("transfer", &row, now_ms) {
            let owned = |id: &str| serde_json::json!({"owner": id}).to_string();
            let acted = acted.with_change(owned(&row.owner), owned(&owner.id));
            news.push(Announcement::of(&acted)?);
        }
        let next = pipeline::ActiveModel {
            number: Unchanged(row.number),
            owner: Set(owner.id),
            owner_actor: Set(None),
            owner_name: Set(owner.name),
            updated_at_ms: Set(now_ms),
            ..Default::default()
        };
        let changed = change(&tx, next, news, now_ms).await?;
        tx.commit().await?;
        self.relay.ring();
        Ok(changed)
    }
}

async fn change(
    tx: &DatabaseTransaction,
    next: pipeline::ActiveModel,
    news: Vec<Announcement>,
    now_ms: i64,
) -> Result<pipeline::Model, Error> {
    let changed = pipeline::Entity::update(next).exec(tx).await?;
    outbox::announce_all(tx, news, now_ms).await?;
    Ok(changed)
}
