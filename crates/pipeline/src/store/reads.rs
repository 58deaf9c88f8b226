//! What is read without a transaction: pipelines, runs and lists of them, by keyset pages.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::entity::{pipeline, run, run_step, step, version};
use crate::record;
use crate::reference::{Meaning, Reference};
use crate::run::Run;

impl Store {
    /// The pipeline that a reference means.
    pub(crate) async fn find(
        &self,
        account: &str,
        reference: &Reference,
    ) -> Result<pipeline::Model, Error> {
        for meaning in reference.meanings() {
            let is_meant = match meaning {
                Meaning::Id(id) => pipeline::Column::Id.eq(id.as_str()),
                Meaning::Number(number) => pipeline::Column::Number.eq(*number),
                Meaning::Name(name) => pipeline::Column::Name.eq(name.as_str()),
            };
            let mut rows = pipeline::Entity::find()
                .filter(pipeline::Column::Account.eq(account))
                .filter(pipeline::Column::DeletedAtMs.is_null())
                .filter(is_meant)
                .order_by_asc(pipeline::Column::Number)
                .limit(10)
                .all(self.database.reader())
                .await?;
            match rows.len() {
                0 => {}
                1 => return Ok(rows.remove(0)),
                _ => {
                    return Err(Error::Ambiguous {
                        name: reference.to_string(),
                        ids: rows.into_iter().map(|row| row.id).collect(),
                    });
                }
            }
        }
        Err(Error::NoPipeline(reference.to_string()))
    }

    pub(crate) async fn pipeline(&self, account: &str, id: &str) -> Result<pipeline::Model, Error> {
        let row = pipeline::Entity::find()
            .filter(pipeline::Column::Account.eq(account))
            .filter(pipeline::Column::Id.eq(id))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoPipeline(id.to_owned()))
    }

    /// A page of pipelines: by number, or the most recently updated first. `after` is the last
    /// row's (updated, number) of the page before.
    pub(crate) async fn pipelines(
        &self,
        account: &str,
        after: Option<(i64, i64)>,
        latest_first: bool,
        limit: u64,
    ) -> Result<Vec<pipeline::Model>, Error> {
        use pipeline::Column;
        let all = pipeline::Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::DeletedAtMs.is_null());
        let page = if latest_first {
            let all = match after {
                Some((updated, number)) => all.filter(
                    Condition::any().add(Column::UpdatedAtMs.lt(updated)).add(
                        Condition::all()
                            .add(Column::UpdatedAtMs.eq(updated))
                            .add(Column::Number.lt(number)),
                    ),
                ),
                None => all,
            };
            all.order_by_desc(Column::UpdatedAtMs)
                .order_by_desc(Column::Number)
        } else {
            let first = after.map_or(0, |(_, number)| number);
            all.filter(Column::Number.gt(first))
                .order_by_asc(Column::Number)
        };
        Ok(page.limit(limit).all(self.database.reader()).await?)
    }

    pub(crate) async fn version(&self, row: &pipeline::Model) -> Result<version::Model, Error> {
        let key = (row.id.clone(), row.version);
        let found = version::Entity::find_by_id(key)
            .one(self.database.reader())
            .await?;
        found.ok_or_else(|| Error::Row(format!("the version of {} is gone", row.id)))
    }

    /// The permanent ids of a pipeline's steps, by slug.
    pub(crate) async fn step_ids(
        &self,
        pipeline_id: &str,
    ) -> Result<HashMap<String, step::Model>, Error> {
        let rows = step::Entity::find()
            .filter(step::Column::PipelineId.eq(pipeline_id))
            .all(self.database.reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| (row.slug.clone(), row))
            .collect())
    }

    /// A run of a pipeline by its number; the latest for 0.
    pub(crate) async fn run_of(
        &self,
        pipeline: &pipeline::Model,
        run_count: i64,
    ) -> Result<run::Model, Error> {
        let wanted = if run_count == 0 {
            pipeline.run_count
        } else {
            run_count
        };
        let row = run::Entity::find()
            .filter(run::Column::PipelineId.eq(&pipeline.id))
            .filter(run::Column::RunCount.eq(wanted))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoRun {
            pipeline: pipeline.name.clone(),
            run_count: wanted,
        })
    }

    /// The latest run of a pipeline that has ended.
    pub(crate) async fn latest_ended(
        &self,
        pipeline_id: &str,
    ) -> Result<Option<run::Model>, Error> {
        let latest = run::Entity::find()
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::EndedAtMs.is_not_null())
            .order_by_desc(run::Column::RunCount)
            .limit(1);
        Ok(latest.one(self.database.reader()).await?)
    }

    /// A page of a pipeline's runs below a number, newest first.
    pub(crate) async fn runs(
        &self,
        pipeline_id: &str,
        below: i64,
        limit: u64,
    ) -> Result<Vec<run::Model>, Error> {
        let page = run::Entity::find()
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::RunCount.lt(below))
            .order_by_desc(run::Column::RunCount)
            .limit(limit);
        Ok(page.all(self.database.reader()).await?)
    }

    /// A run with its steps.
    pub(crate) async fn with_steps(&self, row: &run::Model) -> Result<Run, Error> {
        let reader = self.database.reader();
        let plan = self.plan(reader, &row.pipeline_id, row.version).await?;
        let steps = run_step::Entity::find()
            .filter(run_step::Column::RunId.eq(&row.id))
            .all(reader)
            .await?;
        record::read(row, steps, plan)
    }
}

impl Store {
    /// The account that a pipeline belongs to.
    pub(crate) async fn account_of(&self, pipeline_id: &str) -> Result<String, Error> {
        Ok(self.any_pipeline(pipeline_id).await?.account)
    }

    /// The name of a run's pipeline.
    pub(crate) async fn name_of(&self, row: &run::Model) -> Result<String, Error> {
        let reader = self.database.reader();
        let pinned = self.pinned(reader, &row.pipeline_id, row.version).await?;
        Ok(pinned.pipeline_name.as_ref().to_owned())
    }

    async fn any_pipeline(&self, id: &str) -> Result<pipeline::Model, Error> {
        let row = pipeline::Entity::find()
            .filter(pipeline::Column::Id.eq(id))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoPipeline(id.to_owned()))
    }
}
