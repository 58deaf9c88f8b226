//! The rows of pipelines, their versions and their steps' ids, and what is told of them.

use contracts::id::{PipelineId, StepId};
use contracts::message::PipelineDefined;
use outbox::Announcement;
use sea_orm::ActiveValue::{NotSet, Set, Unchanged};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, EntityTrait as _};
use steps::{Definition, Plan};

use super::Define;
use crate::Error;
use crate::entity::{pipeline, step, version};
use crate::news;
use crate::record::to_json;

/// What is told of a definition that was stored.
pub(super) fn defined(
    row: &pipeline::Model,
    Define { by, copy_of, .. }: &Define,
    before: String,
    after: String,
    now_ms: i64,
) -> Result<Vec<Announcement>, Error> {
    let defined = PipelineDefined {
        pipeline_id: row.id.clone(),
        name: row.name.clone(),
        version: row.version.cast_unsigned(),
        actor: Some(news::actor_message(by.actor())),
    };
    let (action, before) = match copy_of {
        Some(id) => ("duplicate", serde_json::json!({"copyOf": id}).to_string()),
        None if before.is_empty() => ("create", before),
        None => ("update", before),
    };
    let mut news = vec![Announcement::of(&defined)?];
    if let Some(acted) = by.acted(action, row, now_ms) {
        news.push(Announcement::of(&acted.with_change(before, after))?);
    }
    Ok(news)
}

/// Writes a new pipeline, or the next version of one.
pub(super) async fn save_pipeline(
    tx: &DatabaseTransaction,
    existing: Option<pipeline::Model>,
    define: &Define,
    access: String,
    now_ms: i64,
) -> Result<pipeline::Model, Error> {
    let actor = define.by.actor();
    let definition = &define.definition;
    let concurrency = definition.concurrency.cast_signed();
    if let Some(row) = existing {
        let next = pipeline::ActiveModel {
            number: Unchanged(row.number),
            name: Set(definition.name.clone()),
            version: Set(row.version + 1),
            access: Set(access),
            concurrency: Set(concurrency),
            updated_at_ms: Set(now_ms),
            ..Default::default()
        };
        return Ok(pipeline::Entity::update(next).exec(tx).await?);
    }
    let (owner, owner_name, owner_actor) = match &define.owner {
        Some(it) => (&it.user_id, &it.name, it.actor.clone()),
        None => (&actor.user_id, &actor.name, None),
    };
    let first = pipeline::ActiveModel {
        number: NotSet,
        id: Set(PipelineId::made_at(now_ms).to_string()),
        account: Set(define.by.account().to_owned()),
        owner: Set(owner.clone()),
        owner_name: Set(owner_name.clone()),
        name: Set(definition.name.clone()),
        version: Set(1),
        access: Set(access),
        concurrency: Set(concurrency),
        run_count: Set(0),
        reset_run_count: Set(0),
        created_at_ms: Set(now_ms),
        updated_at_ms: Set(now_ms),
        deleted_at_ms: Set(None),
        has_conflicts: Set(false),
        locked: Set(None),
        owner_actor: Set(owner_actor),
    };
    Ok(pipeline::Entity::insert(first)
        .exec_with_returning(tx)
        .await?)
}

/// Writes what the pipeline is now.
pub(super) async fn save_version(
    tx: &DatabaseTransaction,
    row: &pipeline::Model,
    define: &Define,
    definition: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let version = version::ActiveModel {
        pipeline_id: Set(row.id.clone()),
        version: Set(row.version),
        definition: Set(definition.to_owned()),
        plan: Set(to_json(&Plan::of(&define.definition))),
        created_by: Set(define.by.actor().user_id.clone()),
        created_at_ms: Set(now_ms),
    };
    version::Entity::insert(version)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// A step keeps its ids as long as its slug stays; a new slug gets new ones.
pub(super) async fn save_step_ids(
    tx: &DatabaseTransaction,
    row: &pipeline::Model,
    definition: &Definition,
    now_ms: i64,
) -> Result<(), Error> {
    if definition.steps.is_empty() {
        return Ok(());
    }
    let steps = definition.steps.iter().map(|it| step::ActiveModel {
        number: NotSet,
        id: Set(StepId::made_at(now_ms).to_string()),
        pipeline_id: Set(row.id.clone()),
        slug: Set(it.id.clone()),
    });
    let known = OnConflict::columns([step::Column::PipelineId, step::Column::Slug])
        .do_nothing()
        .to_owned();
    step::Entity::insert_many(steps)
        .on_conflict(known)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
