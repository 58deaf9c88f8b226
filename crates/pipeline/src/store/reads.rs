//! What is read without a transaction: pipelines, runs and lists of them, by keyset pages.

use std::collections::HashMap;

use contracts::access::Right;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::Store;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run, run_step, step, version};
use crate::record;
use crate::reference::{Meaning, Reference};
use crate::run::Run;

/// Pipelines of one name that are looked at.
const MOST_OF_A_NAME: u64 = 1000;
/// Pipelines that are read at once to find those that a caller may see.
const CHUNK: usize = 100;
/// Pipelines that are read for a page, at most: it may be shorter than asked for and not the last.
const MOST_READ: usize = 10_000;

/// Where a list goes on: when the last row was updated, and its number.
pub(crate) type Place = (i64, i64);

/// Which pipelines are listed, and in which order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Which<'a> {
    /// The user who owns them, by id; empty for everyone.
    pub(crate) owner: &'a str,
    /// The most recently updated first.
    pub(crate) latest_first: bool,
}

/// A page of pipelines.
pub(crate) struct Page {
    pub(crate) rows: Vec<pipeline::Model>,
    /// Where the next begins; none after the last.
    pub(crate) next: Option<Place>,
}

impl Store {
    /// The pipeline that a reference means to a caller, who must have this right to it. What is
    /// hidden from them is not meant.
    pub(crate) async fn find(
        &self,
        caller: &Caller,
        reference: &Reference,
        right: Right,
    ) -> Result<pipeline::Model, Error> {
        let name = reference.to_string();
        for meaning in reference.meanings() {
            let mut rows = self.meant(caller, meaning).await?;
            match rows.len() {
                0 => {}
                1 => {
                    let row = rows.remove(0);
                    self.must(caller, right, &row, &name)?;
                    return Ok(row);
                }
                _ => {
                    let ids = rows.into_iter().map(|row| row.id).collect();
                    return Err(Error::Ambiguous { name, ids });
                }
            }
        }
        Err(Error::NoPipeline(name))
    }

    /// What one meaning could mean to a caller, up to ten.
    async fn meant(
        &self,
        caller: &Caller,
        meaning: &Meaning,
    ) -> Result<Vec<pipeline::Model>, Error> {
        let is_meant = match meaning {
            Meaning::Id(id) => pipeline::Column::Id.eq(id.as_str()),
            Meaning::Number(number) => pipeline::Column::Number.eq(*number),
            Meaning::Name(name) => pipeline::Column::Name.eq(name.as_str()),
        };
        let mut seen = Vec::new();
        let rows = pipeline::Entity::find()
            .filter(pipeline::Column::Account.eq(caller.account()))
            .filter(pipeline::Column::DeletedAtMs.is_null())
            .filter(is_meant)
            .order_by_asc(pipeline::Column::Number)
            .limit(MOST_OF_A_NAME)
            .all(self.database.reader())
            .await?;
        for row in rows {
            if caller.sees(&row)? {
                seen.push(row);
            }
        }
        seen.truncate(10);
        Ok(seen)
    }

    pub(crate) async fn pipeline(&self, account: &str, id: &str) -> Result<pipeline::Model, Error> {
        let row = pipeline::Entity::find()
            .filter(pipeline::Column::Account.eq(account))
            .filter(pipeline::Column::Id.eq(id))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoPipeline(id.to_owned()))
    }

    /// A page of the pipelines that a caller may see: by number, or the most recently updated first.
    pub(crate) async fn pipelines(
        &self,
        caller: &Caller,
        after: Option<Place>,
        which: Which<'_>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut page = Page {
            rows: Vec::new(),
            next: after,
        };
        let mut read = 0;
        while read < MOST_READ {
            let left = limit - page.rows.len();
            // Of those who don't see everything, a chunk may hold little.
            let chunk = if caller.sees_everything() {
                left
            } else {
                left.max(CHUNK)
            };
            let rows = self
                .chunk(caller.account(), page.next, which, chunk)
                .await?;
            let is_last = rows.len() < chunk;
            read += rows.len();
            for row in rows {
                page.next = Some((row.updated_at_ms, row.number));
                if caller.sees(&row)? {
                    page.rows.push(row);
                }
                if page.rows.len() == limit {
                    return Ok(page);
                }
            }
            if is_last {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }

    async fn chunk(
        &self,
        account: &str,
        after: Option<Place>,
        which: Which<'_>,
        limit: usize,
    ) -> Result<Vec<pipeline::Model>, Error> {
        use pipeline::Column;
        let mut all = pipeline::Entity::find()
            .filter(Column::Account.eq(account))
            .filter(Column::DeletedAtMs.is_null());
        if !which.owner.is_empty() {
            all = all.filter(Column::Owner.eq(which.owner));
        }
        let page = if which.latest_first {
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
        Ok(page.limit(limit as u64).all(self.database.reader()).await?)
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

    /// A run of a pipeline by the number that it has among all runs.
    pub(crate) async fn run_numbered(
        &self,
        pipeline: &pipeline::Model,
        number: i64,
    ) -> Result<run::Model, Error> {
        let no_run = || Error::NoRun {
            pipeline: pipeline.name.clone(),
            run_count: number,
        };
        let row = run::Entity::find_by_id(number)
            .one(self.database.reader())
            .await?;
        let row = row.ok_or_else(no_run)?;
        if row.pipeline_id == pipeline.id {
            return Ok(row);
        }
        // Nothing is said of other accounts.
        if self.account_of(&row.pipeline_id).await? == pipeline.account {
            return Err(Error::OtherPipeline(number));
        }
        Err(no_run())
    }

    /// The run of a pipeline that ended last.
    pub(crate) async fn last_ended(&self, pipeline_id: &str) -> Result<Option<run::Model>, Error> {
        let last = run::Entity::find()
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::EndedAtMs.is_not_null())
            .order_by_desc(run::Column::EndedAtMs)
            .order_by_desc(run::Column::RunCount)
            .limit(1);
        Ok(last.one(self.database.reader()).await?)
    }

    /// The oldest of a pipeline's runs that have not ended, newest first.
    pub(crate) async fn unfinished(
        &self,
        pipeline_id: &str,
        limit: u64,
    ) -> Result<Vec<run::Model>, Error> {
        let oldest = run::Entity::find()
            .filter(run::Column::PipelineId.eq(pipeline_id))
            .filter(run::Column::EndedAtMs.is_null())
            .order_by_asc(run::Column::RunCount)
            .limit(limit);
        let mut rows = oldest.all(self.database.reader()).await?;
        rows.reverse();
        Ok(rows)
    }

    /// A run by its id.
    pub(crate) async fn run_row(&self, id: &str) -> Result<run::Model, Error> {
        let row = run::Entity::find()
            .filter(run::Column::Id.eq(id))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoSuchRun(id.to_owned()))
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

    pub(super) async fn any_pipeline(&self, id: &str) -> Result<pipeline::Model, Error> {
        let row = pipeline::Entity::find()
            .filter(pipeline::Column::Id.eq(id))
            .one(self.database.reader())
            .await?;
        row.ok_or_else(|| Error::NoPipeline(id.to_owned()))
    }
}
