//! Which pipelines must not run at the same time.
//!
//! A row is what the definition of one of two says; it holds for both. What was named is kept by
//! its id, whatever it is called later.
//!
//! **Invariant:** a pipeline that takes part in a conflict says so in its own row, so that all
//! others begin their runs without a look at this.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use steps::{Fault, Faults};

use super::Store;
use crate::Error;
use crate::entity::{conflict, pipeline, run};

/// The most pipelines that one can be in conflict with, whoever of them says so.
const MOST: usize = 200;

/// By the id of each pipeline, those that must not run at the same time.
pub(super) type Partners = BTreeMap<String, BTreeSet<String>>;

/// A run that another one has to wait for.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Blocker {
    pub(crate) pipeline_id: String,
    pub(crate) run_count: i64,
    pub(crate) started_at_ms: Option<i64>,
}

/// The partners of these pipelines.
pub(super) async fn partners(
    db: &impl ConnectionTrait,
    ids: &BTreeSet<String>,
) -> Result<Partners, DbErr> {
    use conflict::Column;
    let mut partners = Partners::new();
    if ids.is_empty() {
        return Ok(partners);
    }
    let either = Condition::any()
        .add(Column::PipelineId.is_in(ids))
        .add(Column::OtherId.is_in(ids));
    let pairs: Vec<(String, String)> = conflict::Entity::find()
        .select_only()
        .columns([Column::PipelineId, Column::OtherId])
        .filter(either)
        .into_tuple()
        .all(db)
        .await?;
    for (one, other) in pairs {
        for (of, partner) in [(&one, &other), (&other, &one)] {
            if ids.contains(of) {
                let its = partners.entry(of.clone()).or_default();
                its.insert(partner.clone());
            }
        }
    }
    Ok(partners)
}

/// A run of `partners` that one with this `number` has to wait for: it holds a place, or was
/// accepted before. So each waits for earlier ones only, and the first of all for none that waits.
pub(super) async fn blocker(
    db: &impl ConnectionTrait,
    number: i64,
    partners: &BTreeSet<String>,
) -> Result<Option<Blocker>, DbErr> {
    use run::Column;
    let before = Condition::any()
        .add(Column::StartedAtMs.is_not_null())
        .add(Column::Number.lt(number));
    run::Entity::find()
        .select_only()
        .columns([Column::PipelineId, Column::RunCount, Column::StartedAtMs])
        .filter(Column::PipelineId.is_in(partners))
        .filter(Column::EndedAtMs.is_null())
        .filter(before)
        .limit(1)
        .into_model()
        .one(db)
        .await
}

/// Locks those of these pipelines that are there, in the order of their ids.
pub(super) async fn lock(
    tx: &DatabaseTransaction,
    ids: &BTreeSet<String>,
) -> Result<BTreeMap<String, pipeline::Model>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = pipeline::Entity::find()
        .filter(pipeline::Column::Id.is_in(ids))
        .filter(pipeline::Column::DeletedAtMs.is_null())
        .order_by_asc(pipeline::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// Whether a pipeline may be in conflict with `named`, of which those that are there are `locked`.
pub(super) async fn check(
    tx: &DatabaseTransaction,
    own_id: Option<&str>,
    named: &[String],
    locked: &BTreeMap<String, pipeline::Model>,
) -> Result<(), Error> {
    if named.is_empty() {
        return Ok(());
    }
    let partners = partners(tx, &named.iter().cloned().collect()).await?;
    let is_full = |id: &String| {
        let known = own_id.unwrap_or_default();
        partners
            .get(id)
            .is_some_and(|its| its.len() >= MOST && !its.contains(known))
    };
    let mut faults = Vec::new();
    for (index, id) in named.iter().enumerate() {
        if own_id == Some(id) {
            faults.push(itself(index));
        } else if !locked.contains_key(id) {
            faults.push(fault(index, &Error::NoPipeline(id.clone())));
        } else if is_full(id) {
            let message =
                format!("is in conflict with {MOST} pipelines already, which is the most");
            faults.push(Fault::at(place(index), message));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Faults(Faults(faults)))
    }
}

/// The pipeline is in conflict with exactly `others`, and with whoever names it. `locked` are the
/// pipelines that this concerns.
pub(super) async fn replace(
    tx: &DatabaseTransaction,
    own_id: &str,
    others: &[String],
    locked: BTreeSet<String>,
    now_ms: i64,
) -> Result<(), DbErr> {
    use conflict::Column;
    conflict::Entity::delete_many()
        .filter(Column::PipelineId.eq(own_id))
        .filter(Column::OtherId.is_not_in(others))
        .exec(tx)
        .await?;
    let rows = others.iter().map(|other| conflict::ActiveModel {
        pipeline_id: Set(own_id.to_owned()),
        other_id: Set(other.clone()),
        created_at_ms: Set(now_ms),
    });
    if !others.is_empty() {
        let stays = OnConflict::columns([Column::PipelineId, Column::OtherId])
            .do_nothing()
            .to_owned();
        conflict::Entity::insert_many(rows)
            .on_conflict(stays)
            .exec_without_returning(tx)
            .await?;
    }
    note(tx, locked).await
}

/// The pipeline is in conflict with none any more, and none with it.
pub(super) async fn remove(
    tx: &DatabaseTransaction,
    own_id: &str,
    locked: BTreeSet<String>,
) -> Result<(), DbErr> {
    use conflict::Column;
    let either = Condition::any()
        .add(Column::PipelineId.eq(own_id))
        .add(Column::OtherId.eq(own_id));
    let removed = conflict::Entity::delete_many().filter(either);
    removed.exec(tx).await?;
    note(tx, locked).await
}

/// Notes in the rows of these pipelines whether they take part in a conflict.
async fn note(tx: &DatabaseTransaction, ids: BTreeSet<String>) -> Result<(), DbErr> {
    let own = (pipeline::Entity, pipeline::Column::Id);
    let takes_part = Query::select()
        .expr(Expr::value(1))
        .from(conflict::Entity)
        .cond_where(
            Condition::any()
                .add(Expr::col((conflict::Entity, conflict::Column::PipelineId)).equals(own))
                .add(Expr::col((conflict::Entity, conflict::Column::OtherId)).equals(own)),
        )
        .to_owned();
    pipeline::Entity::update_many()
        .col_expr(pipeline::Column::HasConflicts, Expr::exists(takes_part))
        .filter(pipeline::Column::Id.is_in(ids))
        .exec(tx)
        .await?;
    Ok(())
}

/// What is wrong with the conflict at an index that means no pipeline.
pub(crate) fn fault(index: usize, why: &Error) -> Fault {
    let advice = if matches!(why, Error::NoPipeline(_)) {
        ": name one by its id, number or name, or remove it"
    } else {
        ""
    };
    Fault::at(place(index), format!("{why}{advice}"))
}

/// What is wrong with a conflict that means the pipeline itself.
pub(crate) fn itself(index: usize) -> Fault {
    let message = "is the pipeline itself: `concurrency: 1` keeps its own runs apart";
    Fault::at(place(index), message)
}

fn place(index: usize) -> String {
    format!("conflicts[{index}]")
}

impl Store {
    /// The run of another pipeline that this one waits for, and that pipeline.
    pub(crate) async fn blocker(
        &self,
        row: &run::Model,
    ) -> Result<Option<(Blocker, pipeline::Model)>, Error> {
        let db = self.database.reader();
        let ids = BTreeSet::from([row.pipeline_id.clone()]);
        let Some(partners) = partners(db, &ids).await?.remove(&row.pipeline_id) else {
            return Ok(None);
        };
        let Some(blocker) = blocker(db, row.number, &partners).await? else {
            return Ok(None);
        };
        let pipeline = pipeline::Entity::find()
            .filter(pipeline::Column::Id.eq(&blocker.pipeline_id))
            .one(db)
            .await?;
        Ok(pipeline.map(|pipeline| (blocker, pipeline)))
    }
}
