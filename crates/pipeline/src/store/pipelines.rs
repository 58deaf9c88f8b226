//! Pipelines and their versions.

use std::collections::{BTreeMap, BTreeSet};

use contracts::access::Right;
use contracts::message::{PipelineDeleted, PipelineReset};
use outbox::Announcement;
use runtime::clock;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseBackend, DatabaseTransaction, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QuerySelect as _, Statement,
};
use steps::Definition;

use self::rows::{defined, save_pipeline, save_step_ids, save_version};
use super::{Store, Untold, conflicts, tools};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run, version};
use crate::news;
use crate::record::to_json;
use crate::rules::{self, Rules};

mod rows;

/// A definition to be stored.
pub(crate) struct Define {
    pub(crate) by: Caller,
    /// The pipeline that gets a new version; a new pipeline when absent.
    pub(crate) pipeline_id: Option<String>,
    pub(crate) definition: Definition,
    /// The ids of what the definition's `conflicts` name, in their order.
    pub(crate) conflicts: Vec<String>,
    /// Give the pipeline of the same name a new version if there is one.
    pub(crate) upsert: bool,
    /// The pipeline whose definition it is a copy of.
    pub(crate) copy_of: Option<String>,
    /// Whose a new one is, where it is not the caller's.
    pub(crate) owner: Option<Owner>,
    /// Make a new one also beside another of its name.
    pub(crate) same_name: bool,
}

/// Whose a pipeline or a run is, where somebody else made it for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user_id: String,
    pub(crate) name: String,
    /// On whose behalf they act, as another system names them.
    pub(crate) actor: Option<String>,
}

/// What became of a definition.
pub(crate) struct Stored {
    pub(crate) row: pipeline::Model,
    pub(crate) created: bool,
}

impl Store {
    /// Stores a definition as a pipeline's new version. The same definition again makes none, and
    /// is no action of its user.
    pub(crate) async fn define(&self, mut define: Define) -> Result<Stored, Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let (existing, locked) = to_define(&tx, &define).await?;
        let own_id = existing.as_ref().map(|row| row.id.as_str());
        conflicts::check(&tx, own_id, &define.conflicts, &locked).await?;
        define.conflicts.sort_unstable();
        define.conflicts.dedup();
        define.definition.conflicts.clone_from(&define.conflicts);
        let created = existing.is_none();
        let definition = to_json(&define.definition);
        let before = match &existing {
            Some(row) => current_definition(&tx, row).await?,
            None => String::new(),
        };
        may_define(&define, existing.as_ref(), &before, &definition)?;
        if let Some(row) = &existing
            && before == definition
        {
            // Who made it may wait for the same group commit: it is told once it is true.
            tx.commit().await?;
            return Ok(Stored {
                row: row.clone(),
                created,
            });
        }
        let access = to_json(&Rules::of_definition(&definition)?);
        let row = save_pipeline(&tx, existing, &define, access, now_ms).await?;
        save_version(&tx, &row, &define, &definition, now_ms).await?;
        save_step_ids(&tx, &row, &define.definition, now_ms).await?;
        tools::replace_uses(&tx, &row.id, &define.definition).await?;
        if row.has_conflicts || !define.conflicts.is_empty() {
            let concerned = locked.into_keys().chain([row.id.clone()]).collect();
            conflicts::replace(&tx, &row.id, &define.conflicts, concerned, now_ms).await?;
        }
        let news = defined(&row, &define, before, definition, now_ms)?;
        outbox::announce_all(&tx, news, now_ms).await?;
        tx.commit().await?;
        self.relay.ring();
        Ok(Stored { row, created })
    }

    /// Hides a pipeline whose runs have all ended. Its number and counts are never used again.
    pub(crate) async fn delete(&self, row: &pipeline::Model, by: &Caller) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let ids = with_partners(&tx, &row.id).await?;
        let mut locked = conflicts::lock(&tx, &ids).await?;
        let gone = || Error::NoPipeline(row.name.clone());
        let has_conflicts = locked.values().any(|it| it.has_conflicts);
        let row = &locked.remove(&row.id).ok_or_else(gone)?;
        by.must(Right::Delete, row, &row.name)?;
        if has_unfinished(&tx, &row.id).await? {
            return Err(Error::Unfinished(row.name.clone()));
        }
        let hidden = pipeline::ActiveModel {
            number: Unchanged(row.number),
            deleted_at_ms: Set(Some(now_ms)),
            ..Default::default()
        };
        pipeline::Entity::update(hidden)
            .exec_without_returning(&*tx)
            .await?;
        if has_conflicts {
            conflicts::remove(&tx, &row.id, ids).await?;
        }
        let deleted = PipelineDeleted {
            pipeline_id: row.id.clone(),
            name: row.name.clone(),
            actor: Some(news::actor_message(by.actor())),
        };
        let mut news = vec![Announcement::of(&deleted)?];
        if let Some(acted) = by.acted("delete", row, now_ms) {
            let before = current_definition(&tx, row).await?;
            news.push(Announcement::of(&acted.with_change(before, String::new()))?);
        }
        outbox::announce_all(&tx, news, now_ms).await?;
        tx.commit().await?;
        self.relay.ring();
        Ok(())
    }

    /// The pipeline shows no position until its next run. `acted` is told unless it was told
    /// already, with a run that the reset has stopped; if nothing changes, nothing is told.
    pub(super) async fn forget_position(
        &self,
        row: &pipeline::Model,
        by: &Caller,
        acted: Untold,
    ) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let latest = lock_pipeline(&tx, row).await?;
        if latest.reset_run_count == latest.run_count && !acted.was_told() {
            return Ok(());
        }
        let reset = pipeline::ActiveModel {
            number: Unchanged(row.number),
            reset_run_count: Set(latest.run_count),
            updated_at_ms: Set(now_ms),
            ..Default::default()
        };
        pipeline::Entity::update(reset)
            .exec_without_returning(&*tx)
            .await?;
        let message = PipelineReset {
            pipeline_id: row.id.clone(),
            actor: Some(news::actor_message(by.actor())),
        };
        let news = [Some(Announcement::of(&message)?), acted.into_announcement()];
        outbox::announce_all(&tx, news.into_iter().flatten(), now_ms).await?;
        tx.commit().await?;
        self.relay.ring();
        Ok(())
    }
}

/// The pipeline that a definition is for, if there is one, with those that its conflicts concern:
/// all that are there, locked.
async fn to_define(
    tx: &DatabaseTransaction,
    define: &Define,
) -> Result<(Option<pipeline::Model>, BTreeMap<String, pipeline::Model>), Error> {
    let own_id = own_id(tx, define).await?;
    let mut ids: BTreeSet<String> = define.conflicts.iter().cloned().collect();
    if let Some(id) = &own_id {
        ids.extend(with_partners(tx, id).await?);
    }
    let locked = conflicts::lock(tx, &ids).await?;
    let existing = own_id.and_then(|id| locked.get(&id).cloned());
    match &define.pipeline_id {
        Some(id) if existing.is_none() => Err(Error::NoPipeline(id.clone())),
        Some(_) => Ok((existing, locked)),
        // It may have got another name meanwhile.
        None => {
            let existing = existing.filter(|row| row.name == define.definition.name);
            Ok((existing, locked))
        }
    }
}

/// The id of the pipeline that a definition is for, if there is one.
async fn own_id(tx: &DatabaseTransaction, define: &Define) -> Result<Option<String>, Error> {
    if define.pipeline_id.is_some() || define.same_name {
        return Ok(define.pipeline_id.clone());
    }
    let name = &define.definition.name;
    lock_name(tx, define.by.account(), name).await?;
    let same = pipeline::Entity::find()
        .filter(pipeline::Column::Account.eq(define.by.account()))
        .filter(pipeline::Column::DeletedAtMs.is_null())
        .filter(pipeline::Column::Name.eq(name))
        .limit(10)
        .all(tx)
        .await?;
    if same.is_empty() {
        return Ok(None);
    }
    let mut seen = Vec::new();
    for row in same {
        if define.by.sees(&row)? {
            seen.push(row.id);
        }
    }
    match (seen.len(), define.upsert) {
        // The name is taken, also by what the caller may not see.
        (_, false) | (0, true) => Err(Error::Exists(name.clone())),
        (1, true) => Ok(seen.pop()),
        (_, true) => Err(Error::Ambiguous {
            name: name.clone(),
            ids: seen,
        }),
    }
}

/// A pipeline and those that it is in conflict with.
async fn with_partners(tx: &DatabaseTransaction, id: &str) -> Result<BTreeSet<String>, Error> {
    let own = BTreeSet::from([id.to_owned()]);
    let partners = conflicts::partners(tx, &own).await?;
    Ok(partners.into_values().flatten().chain(own).collect())
}

/// Lets one at a time look whether there is a pipeline of a name, and make it. `SQLite` has one
/// writer anyway.
async fn lock_name(tx: &DatabaseTransaction, account: &str, name: &str) -> Result<(), Error> {
    let backend = tx.get_database_backend();
    if backend == DatabaseBackend::Postgres {
        let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let key = to_json(&["pipeline", account, name]);
        let lock = Statement::from_sql_and_values(backend, sql, [key.into()]);
        tx.execute_raw(lock).await?;
    }
    Ok(())
}

/// Whether a run of the pipeline has not ended.
pub(super) async fn has_unfinished(tx: &DatabaseTransaction, id: &str) -> Result<bool, Error> {
    let open = run::Entity::find()
        .filter(run::Column::PipelineId.eq(id))
        .filter(run::Column::EndedAtMs.is_null())
        .limit(1);
    Ok(open.count(tx).await? > 0)
}

pub(super) async fn lock_pipeline(
    tx: &DatabaseTransaction,
    row: &pipeline::Model,
) -> Result<pipeline::Model, Error> {
    let locked = pipeline::Entity::find_by_id(row.number)
        .filter(pipeline::Column::DeletedAtMs.is_null())
        .lock_exclusive()
        .one(tx)
        .await?;
    locked.ok_or_else(|| Error::NoPipeline(row.name.clone()))
}

async fn current_definition(
    tx: &DatabaseTransaction,
    row: &pipeline::Model,
) -> Result<String, Error> {
    let key = (row.id.clone(), row.version);
    let current = version::Entity::find_by_id(key).one(tx).await?;
    Ok(current.map(|it| it.definition).unwrap_or_default())
}

/// A new pipeline takes a role in the site, a change the rights of what it changes.
fn may_define(
    define: &Define,
    existing: Option<&pipeline::Model>,
    before: &str,
    after: &str,
) -> Result<(), Error> {
    let Some(row) = existing else {
        return define.by.must_make();
    };
    for right in rules::rights_to_change(before, after)? {
        define.by.must(right, row, &row.name)?;
    }
    Ok(())
}
