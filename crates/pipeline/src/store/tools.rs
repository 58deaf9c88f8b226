//! Where tools are used: which definitions name them, and what steps have done with them.
//!
//! **Invariants:** the names in a current definition are stored with it. A try that is granted with a
//! tool is noted once, before whoever carries it out hears of it, and forgotten with its run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use runtime::clock;
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, JoinType, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use steps::flow::StepState;
use steps::{Definition, Kind};

use super::Store;
use crate::Error;
use crate::caller::Caller;
use crate::entity::{pipeline, run, run_step, tool_run, tool_use};
use crate::record;

/// Rows that are read at a time for a page.
const CHUNK: u64 = 100;
/// Rows that are read for a page, at most: it may be shorter than asked for and not the last.
const MOST_READ: usize = 2000;

/// A pipeline that uses a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolPipeline {
    pub(crate) row: pipeline::Model,
    /// The ids of the steps that name it, in their order.
    pub(crate) steps: Vec<String>,
}

/// A try of a step with a tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolRun {
    pub(crate) row: tool_run::Model,
    pub(crate) run: run::Model,
    pub(crate) pipeline: pipeline::Model,
    pub(crate) step_id: String,
    /// What became of the try.
    pub(crate) state: StepState,
    pub(crate) message: String,
    pub(crate) ended_at_ms: Option<i64>,
}

/// Stores the names of the tools that a pipeline's new definition names.
pub(super) async fn replace_uses(
    tx: &DatabaseTransaction,
    pipeline_id: &str,
    definition: &Definition,
) -> Result<(), Error> {
    tool_use::Entity::delete_many()
        .filter(tool_use::Column::PipelineId.eq(pipeline_id))
        .exec(tx)
        .await?;
    let named = definition.steps.iter().filter_map(|step| name(&step.kind));
    let named: BTreeSet<&str> = named.collect();
    if named.is_empty() {
        return Ok(());
    }
    let rows = named.into_iter().map(|it| tool_use::ActiveModel {
        reference: Set(it.to_owned()),
        pipeline_id: Set(pipeline_id.to_owned()),
    });
    tool_use::Entity::insert_many(rows)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// What a step calls its tool, if it has one.
fn name(kind: &Kind) -> Option<&str> {
    if let Kind::Tool(tool) = kind {
        return Some(&tool.tool);
    }
    None
}

impl Store {
    /// Notes that a try was granted with a tool; once, however often it is granted.
    pub(crate) async fn note_tool(
        &self,
        run_id: &str,
        (position, of_try): (usize, u32),
        tool_id: &str,
        operation: &str,
    ) -> Result<(), Error> {
        let row = tool_run::ActiveModel {
            number: NotSet,
            tool_id: Set(tool_id.to_owned()),
            run_id: Set(run_id.to_owned()),
            position: Set(i32::try_from(position).unwrap_or(i32::MAX)),
            of_try: Set(of_try.cast_signed()),
            operation: Set(operation.to_owned()),
            at_ms: Set(clock::now_ms()),
        };
        let once = OnConflict::columns([
            tool_run::Column::RunId,
            tool_run::Column::Position,
            tool_run::Column::OfTry,
        ])
        .do_nothing()
        .to_owned();
        let tx = self.database.begin().await?;
        tool_run::Entity::insert(row)
            .on_conflict(once)
            .exec_without_returning(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The pipelines after a number whose definitions name a tool by one of these names, as far as the
    /// caller may see them; and where the next page begins.
    pub(crate) async fn tool_pipelines(
        &self,
        caller: &Caller,
        names: &[String],
        mut after: i64,
        limit: usize,
    ) -> Result<(Vec<ToolPipeline>, Option<i64>), Error> {
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let rows = self.naming(caller, names, after).await?;
            let is_last = (rows.len() as u64) < CHUNK;
            for row in rows {
                (after, read) = (row.number, read + 1);
                if caller.sees(&row)? {
                    let plan = self
                        .plan(self.database.reader(), &row.id, row.version)
                        .await?;
                    let its = plan.steps.iter().filter(|step| {
                        name(&step.kind).is_some_and(|it| names.iter().any(|name| name == it))
                    });
                    let steps = its.map(|step| step.id.clone()).collect();
                    found.push(ToolPipeline { row, steps });
                }
                if found.len() >= limit || read >= MOST_READ {
                    return Ok((found, Some(after)));
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    async fn naming(
        &self,
        caller: &Caller,
        names: &[String],
        after: i64,
    ) -> Result<Vec<pipeline::Model>, Error> {
        let its_uses = pipeline::Entity::belongs_to(tool_use::Entity)
            .from(pipeline::Column::Id)
            .to(tool_use::Column::PipelineId)
            .into();
        let rows = pipeline::Entity::find()
            .distinct()
            .join(JoinType::InnerJoin, its_uses)
            .filter(tool_use::Column::Reference.is_in(names))
            .filter(pipeline::Column::Account.eq(caller.account()))
            .filter(pipeline::Column::DeletedAtMs.is_null())
            .filter(pipeline::Column::Number.gt(after))
            .order_by_asc(pipeline::Column::Number)
            .limit(CHUNK);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// What steps did with a tool before a number of theirs, the newest first, as far as the caller may
    /// see their pipelines; and where the next page begins.
    pub(crate) async fn tool_runs(
        &self,
        caller: &Caller,
        tool_id: &str,
        mut before: i64,
        limit: usize,
    ) -> Result<(Vec<ToolRun>, Option<i64>), Error> {
        let (mut found, mut read) = (Vec::new(), 0);
        loop {
            let rows = tool_run::Entity::find()
                .filter(tool_run::Column::ToolId.eq(tool_id))
                .filter(tool_run::Column::Number.lt(before))
                .order_by_desc(tool_run::Column::Number)
                .limit(CHUNK)
                .all(self.database.reader())
                .await?;
            let is_last = (rows.len() as u64) < CHUNK;
            let surroundings = self.surroundings(caller, &rows).await?;
            for row in rows {
                (before, read) = (row.number, read + 1);
                found.extend(self.tool_run(row, &surroundings).await?);
                if found.len() >= limit || read >= MOST_READ {
                    return Ok((found, Some(before)));
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
    }

    /// The runs of these rows with their pipelines, where the caller sees these, and their steps.
    async fn surroundings(
        &self,
        caller: &Caller,
        rows: &[tool_run::Model],
    ) -> Result<Surroundings, Error> {
        let reader = self.database.reader();
        let ids: BTreeSet<&str> = rows.iter().map(|it| it.run_id.as_str()).collect();
        let runs = run::Entity::find()
            .filter(run::Column::Id.is_in(ids.iter().copied()))
            .all(reader)
            .await?;
        let theirs: BTreeSet<&str> = runs.iter().map(|it| it.pipeline_id.as_str()).collect();
        let pipelines = pipeline::Entity::find()
            .filter(pipeline::Column::Id.is_in(theirs))
            .filter(pipeline::Column::Account.eq(caller.account()))
            .all(reader)
            .await?;
        let mut seen = HashMap::new();
        for row in pipelines {
            if caller.sees(&row)? {
                seen.insert(row.id.clone(), row);
            }
        }
        let steps = run_step::Entity::find()
            .filter(run_step::Column::RunId.is_in(ids))
            .all(reader)
            .await?;
        let runs = runs.into_iter().filter_map(|run| {
            let pipeline = seen.get(&run.pipeline_id)?.clone();
            Some((run.id.clone(), (run, pipeline)))
        });
        let steps = steps.into_iter();
        Ok(Surroundings {
            runs: runs.collect(),
            steps: steps
                .map(|it| ((it.run_id.clone(), it.position), it))
                .collect(),
        })
    }

    async fn tool_run(
        &self,
        row: tool_run::Model,
        around: &Surroundings,
    ) -> Result<Option<ToolRun>, Error> {
        let Some((run, pipeline)) = around.runs.get(&row.run_id).cloned() else {
            return Ok(None);
        };
        let plan = self.plan(self.database.reader(), &run.pipeline_id, run.version);
        let plan = plan.await?;
        let position = usize::try_from(row.position).unwrap_or(usize::MAX);
        let step_id = plan.steps.get(position).map(|it| it.id.clone());
        let step = around.steps.get(&(row.run_id.clone(), row.position));
        let step = step.cloned().map(record::step_of).transpose()?;
        let is_latest = |it: &crate::run::StepRun| it.progress.tries == row.of_try.cast_unsigned();
        let (state, message, ended_at_ms) = match step {
            Some(step) if is_latest(&step) => (step.progress.state, step.message, step.ended_at_ms),
            // There was another try after it.
            Some(_) | None => (StepState::Failed, String::new(), None),
        };
        Ok(Some(ToolRun {
            step_id: step_id.unwrap_or_default(),
            row,
            run,
            pipeline,
            state,
            message,
            ended_at_ms,
        }))
    }
}

/// What the rows of a chunk are about.
struct Surroundings {
    /// Runs that the caller may see, with their pipelines.
    runs: HashMap<String, (run::Model, pipeline::Model)>,
    /// By run and position.
    steps: BTreeMap<(String, i32), run_step::Model>,
}
