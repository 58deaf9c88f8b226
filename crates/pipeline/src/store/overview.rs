//! All that is shown of pipelines, read for many of them at once.
//!
//! **Invariant:** how many statements this takes depends on what kinds of things there are to show (steps,
//! gates, children), and not on how many pipelines or runs have them.

use std::collections::HashMap;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, Order, QueryFilter as _,
};

use super::Store;
use super::shown::Shown;
use crate::Error;
use crate::entity::{pipeline, run, step, version};

/// Pipelines that are read at once: what a statement names one by one is limited.
pub(crate) const AT_ONCE: usize = 100;

/// The permanent ids of a pipeline's steps, by slug.
pub(crate) type StepIds = HashMap<String, step::Model>;

/// What is shown of a pipeline besides its row.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) version: version::Model,
    pub(crate) step_ids: StepIds,
    /// Its latest run.
    pub(crate) latest: Option<Shown>,
    /// Its latest run that has ended.
    pub(crate) ended: Option<run::Model>,
}

impl Store {
    /// What is shown of at most [`AT_ONCE`] pipelines, by their ids.
    pub(crate) async fn overviews(
        &self,
        rows: &[pipeline::Model],
    ) -> Result<HashMap<String, Overview>, Error> {
        self.overviews_on(self.database.reader(), rows).await
    }

    pub(super) async fn overviews_on(
        &self,
        db: &impl ConnectionTrait,
        rows: &[pipeline::Model],
    ) -> Result<HashMap<String, Overview>, Error> {
        let mut versions = versions(db, rows).await?;
        let mut step_ids = step_ids(db, rows).await?;
        let latest = latest(db, rows).await?;
        let unfinished = latest.iter().filter(|run| run.ended_at_ms.is_none());
        let unfinished = unfinished.map(|run| run.pipeline_id.clone()).collect();
        let mut ended = latest_ended(db, unfinished).await?;
        for run in latest.iter().filter(|run| run.ended_at_ms.is_some()) {
            ended.insert(run.pipeline_id.clone(), run.clone());
        }
        let shown = self.shown(db, latest).await?.into_iter();
        let mut latest: HashMap<_, _> = shown.map(|it| (it.row.pipeline_id.clone(), it)).collect();
        let overview = |row: &pipeline::Model| {
            let gone = || Error::Row(format!("the version of {} is gone", row.id));
            let overview = Overview {
                version: versions.remove(&row.id).ok_or_else(gone)?,
                step_ids: step_ids.remove(&row.id).unwrap_or_default(),
                latest: latest.remove(&row.id),
                ended: ended.remove(&row.id),
            };
            Ok((row.id.clone(), overview))
        };
        rows.iter().map(overview).collect()
    }

    /// The current versions of at most [`AT_ONCE`] pipelines, by the pipelines' ids.
    pub(crate) async fn versions(
        &self,
        rows: &[pipeline::Model],
    ) -> Result<HashMap<String, version::Model>, Error> {
        versions(self.database.reader(), rows).await
    }

    /// The latest runs of at most [`AT_ONCE`] pipelines, by the pipelines' ids.
    pub(crate) async fn latest_of(
        &self,
        rows: &[pipeline::Model],
    ) -> Result<HashMap<String, run::Model>, Error> {
        let latest = latest(self.database.reader(), rows).await?.into_iter();
        Ok(latest.map(|row| (row.pipeline_id.clone(), row)).collect())
    }
}

async fn versions(
    db: &impl ConnectionTrait,
    rows: &[pipeline::Model],
) -> Result<HashMap<String, version::Model>, Error> {
    let keys = rows.iter().map(|row| (row.id.as_str(), row.version));
    let found = numbered(db, keys).await?.into_iter();
    Ok(found.map(|it| (it.pipeline_id.clone(), it)).collect())
}

/// These versions of pipelines, at most [`AT_ONCE`].
pub(super) async fn numbered(
    db: &impl ConnectionTrait,
    keys: impl Iterator<Item = (&str, i32)>,
) -> Result<Vec<version::Model>, Error> {
    use version::Column;
    let any = keys.fold(Condition::any(), |any, (pipeline_id, number)| {
        let its = Condition::all().add(Column::PipelineId.eq(pipeline_id));
        any.add(its.add(Column::Version.eq(number)))
    });
    if any.is_empty() {
        return Ok(Vec::new());
    }
    Ok(version::Entity::find().filter(any).all(db).await?)
}

async fn step_ids(
    db: &impl ConnectionTrait,
    rows: &[pipeline::Model],
) -> Result<HashMap<String, StepIds>, Error> {
    let mut ids: HashMap<String, StepIds> = HashMap::new();
    let found = step::Entity::find()
        .filter(step::Column::PipelineId.is_in(rows.iter().map(|row| &row.id)))
        .all(db)
        .await?;
    for row in found {
        let its = ids.entry(row.pipeline_id.clone()).or_default();
        its.insert(row.slug.clone(), row);
    }
    Ok(ids)
}

async fn latest(
    db: &impl ConnectionTrait,
    rows: &[pipeline::Model],
) -> Result<Vec<run::Model>, Error> {
    use run::Column;
    let have_run = rows.iter().filter(|row| row.run_count > 0);
    let any = have_run.fold(Condition::any(), |any, row| {
        let its = Condition::all().add(Column::PipelineId.eq(&row.id));
        any.add(its.add(Column::RunCount.eq(row.run_count)))
    });
    if any.is_empty() {
        return Ok(Vec::new());
    }
    Ok(run::Entity::find().filter(any).all(db).await?)
}

/// The latest runs that have ended of these pipelines, by the pipelines' ids.
async fn latest_ended(
    db: &impl ConnectionTrait,
    pipeline_ids: Vec<String>,
) -> Result<HashMap<String, run::Model>, Error> {
    if pipeline_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let of_pipeline = (run::Entity, run::Column::PipelineId);
    let its = Expr::col(of_pipeline).equals((pipeline::Entity, pipeline::Column::Id));
    let number = Query::select()
        .column((run::Entity, run::Column::Number))
        .from(run::Entity)
        .and_where(its)
        .and_where(Expr::col((run::Entity, run::Column::EndedAtMs)).is_not_null())
        .order_by((run::Entity, run::Column::RunCount), Order::Desc)
        .limit(1)
        .to_owned();
    let numbers = Query::select()
        .expr(Expr::SubQuery(None, Box::new(number.into())))
        .from(pipeline::Entity)
        .and_where(Expr::col((pipeline::Entity, pipeline::Column::Id)).is_in(pipeline_ids))
        .to_owned();
    let found = run::Entity::find()
        .filter(run::Column::Number.in_subquery(numbers))
        .all(db)
        .await?
        .into_iter();
    Ok(found.map(|row| (row.pipeline_id.clone(), row)).collect())
}

#[cfg(test)]
mod tests;
