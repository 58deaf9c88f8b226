//! All that is shown of runs, read for many of them at once: their steps, what people decided at
//! their gates, the runs that are their children, and what those ask of people.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait as _, Query};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};

use super::Store;
use super::gates::OpenGate;
use super::locked::steps_of;
use super::overview::{AT_ONCE, numbered};
use super::starts::POSITIONS;
use super::{Pinned, record};
use crate::Error;
use crate::entity::{child, decision, pipeline, run};
use crate::run::Run;
use crate::state::State;

/// Rows that a statement names one by one.
const NAMED: usize = 1000;

/// What people decided at the gates of a run, by position, in the order in which they did.
pub(crate) type Decisions = BTreeMap<i32, Vec<decision::Model>>;

/// What is shown of a run.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) row: run::Model,
    pub(crate) run: Run,
    pub(crate) decisions: Decisions,
    /// The runs of its child steps, by position.
    pub(crate) children: BTreeMap<usize, ShownChild>,
    /// While it is queued: unfinished runs of its pipeline before it, up to 10 000.
    pub(crate) position: u32,
}

/// What a step shows of the run that it is.
#[derive(Debug)]
pub(crate) struct ShownChild {
    pub(crate) row: run::Model,
    pub(crate) pipeline_name: Arc<str>,
    /// The open gate of this run or of one below it.
    pub(crate) gate: Option<ShownGate>,
}

/// A gate at which a run waits.
#[derive(Debug, Clone)]
pub(crate) struct ShownGate {
    pub(crate) run: Run,
    pub(crate) position: usize,
    pub(crate) decisions: Vec<decision::Model>,
}

impl Store {
    /// What is shown of a run.
    pub(crate) async fn shown_run(&self, row: &run::Model) -> Result<Shown, Error> {
        let shown = self.shown(self.database.reader(), vec![row.clone()]);
        shown
            .await?
            .pop()
            .ok_or_else(|| Error::NoSuchRun(row.id.clone()))
    }

    /// What is shown of runs, in their order.
    pub(super) async fn shown(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<run::Model>,
    ) -> Result<Vec<Shown>, Error> {
        let mut runs = Vec::with_capacity(rows.len());
        for (row, run) in self.runs_of(db, rows).await? {
            runs.push((row, run?));
        }
        let has_gate = |run: &Run| run.plan.steps.iter().any(|it| it.kind.gate().is_some());
        let gated = runs.iter().filter(|(_, run)| has_gate(run));
        let gated = gated.map(|(row, _)| row.id.clone()).collect();
        let mut decisions = decisions(db, gated).await?;
        let mut children = self.shown_children(db, &runs).await?;
        let mut positions = positions(db, &runs).await?;
        let shown = runs.into_iter().map(|(row, run)| Shown {
            decisions: decisions.remove(&row.id).unwrap_or_default(),
            children: children.remove(&row.id).unwrap_or_default(),
            position: positions.remove(&row.id).unwrap_or_default(),
            row,
            run,
        });
        Ok(shown.collect())
    }

    /// Runs with their steps. One that can't be read is the inner error.
    pub(super) async fn runs_of(
        &self,
        db: &impl ConnectionTrait,
        rows: Vec<run::Model>,
    ) -> Result<Vec<(run::Model, Result<Run, Error>)>, Error> {
        let pinned = self.pinned_of(db, &rows).await?;
        let mut steps = steps_of(db, &rows).await?;
        let read = rows.into_iter().map(|row| {
            let its_steps = steps.remove(&row.id).unwrap_or_default();
            let plan = pinned.get(&key(&row)).map(|it| Arc::clone(&it.plan));
            let run = plan
                .ok_or_else(|| gone(&row))
                .and_then(|plan| record::read(&row, its_steps, plan));
            (row, run)
        });
        Ok(read.collect())
    }

    /// What runs are pinned to, by pipeline and version; what is not remembered is read together.
    async fn pinned_of(
        &self,
        db: &impl ConnectionTrait,
        rows: &[run::Model],
    ) -> Result<HashMap<(String, i32), Pinned>, Error> {
        let keys: BTreeSet<_> = rows.iter().map(key).collect();
        let mut pinned = HashMap::new();
        let mut unknown = Vec::new();
        {
            let remembered = self.remembered();
            for key in keys {
                match remembered.get(&key) {
                    Some(known) => _ = pinned.insert(key, known.clone()),
                    None => unknown.push(key),
                }
            }
        }
        for some in unknown.chunks(AT_ONCE) {
            for (key, read) in read_pinned(db, some).await? {
                self.remember(key.clone(), read.clone());
                pinned.insert(key, read);
            }
        }
        Ok(pinned)
    }

    /// The child runs of runs' steps, by run and position.
    async fn shown_children(
        &self,
        db: &impl ConnectionTrait,
        parents: &[(run::Model, Run)],
    ) -> Result<HashMap<String, BTreeMap<usize, ShownChild>>, Error> {
        let has_child = |run: &Run| run.plan.steps.iter().any(|it| it.kind.child().is_some());
        let parents = parents.iter().filter(|(_, run)| has_child(run));
        let parents: Vec<_> = parents.map(|(row, _)| row.id.clone()).collect();
        let mut places = HashMap::new();
        for some in parents.chunks(NAMED) {
            let found = child::Entity::find()
                .filter(child::Column::ParentId.is_in(some))
                .filter(child::Column::RunId.is_not_null());
            for it in found.all(db).await? {
                let position = usize::try_from(it.position).unwrap_or(usize::MAX);
                places.insert(it.run_id.unwrap_or_default(), (it.parent_id, position));
            }
        }
        let rows = rows_of(db, places.keys().cloned().collect()).await?;
        let pinned = self.pinned_of(db, &rows).await?;
        let mut gates = self.shown_gates(db, &rows).await?;
        let mut children: HashMap<_, BTreeMap<_, _>> = HashMap::new();
        for row in rows {
            let Some((parent_id, position)) = places.remove(&row.id) else {
                continue;
            };
            let known = pinned.get(&key(&row)).ok_or_else(|| gone(&row))?;
            let child = ShownChild {
                pipeline_name: Arc::clone(&known.pipeline_name),
                gate: gates.remove(&row.id),
                row,
            };
            let its = children.entry(parent_id).or_default();
            its.insert(position, child);
        }
        Ok(children)
    }

    /// The gates at which those of these runs wait that have not ended, by the runs' ids.
    async fn shown_gates(
        &self,
        db: &impl ConnectionTrait,
        rows: &[run::Model],
    ) -> Result<HashMap<String, ShownGate>, Error> {
        let open = rows.iter().filter(|row| row.ended_at_ms.is_none());
        let open: Vec<_> = open.map(|row| row.id.clone()).collect();
        let gates = self.gates_below(db, open).await?;
        let ids: BTreeSet<_> = gates.values().map(|it| it.run_id.clone()).collect();
        let decisions = decisions(db, ids.into_iter().collect()).await?;
        let shown = gates.into_iter().map(|(id, gate)| {
            let OpenGate {
                run_id,
                run,
                position,
            } = gate;
            let number = i32::try_from(position).unwrap_or(i32::MAX);
            let made = decisions.get(&run_id).and_then(|its| its.get(&number));
            let gate = ShownGate {
                run,
                position,
                decisions: made.cloned().unwrap_or_default(),
            };
            (id, gate)
        });
        Ok(shown.collect())
    }
}

fn key(row: &run::Model) -> (String, i32) {
    (row.pipeline_id.clone(), row.version)
}

fn gone(row: &run::Model) -> Error {
    Error::Row(format!(
        "version {} of {} is gone",
        row.version, row.pipeline_id
    ))
}

async fn read_pinned(
    db: &impl ConnectionTrait,
    keys: &[(String, i32)],
) -> Result<Vec<((String, i32), Pinned)>, Error> {
    let versions = numbered(db, keys.iter().map(|(id, number)| (id.as_str(), *number))).await?;
    let named =
        pipeline::Entity::find().filter(pipeline::Column::Id.is_in(keys.iter().map(|(id, _)| id)));
    let named = named.all(db).await?.into_iter();
    let names: HashMap<String, Arc<str>> = named.map(|it| (it.id, it.name.into())).collect();
    let mut read = Vec::with_capacity(versions.len());
    for version in versions {
        let Some(name) = names.get(&version.pipeline_id) else {
            continue;
        };
        let pinned = Pinned {
            plan: Arc::new(record::from_json(&version.plan)?),
            pipeline_name: Arc::clone(name),
        };
        read.push(((version.pipeline_id, version.version), pinned));
    }
    Ok(read)
}

/// The rows of these runs.
pub(super) async fn rows_of(
    db: &impl ConnectionTrait,
    ids: Vec<String>,
) -> Result<Vec<run::Model>, Error> {
    let mut rows = Vec::with_capacity(ids.len());
    for some in ids.chunks(NAMED) {
        let found = run::Entity::find().filter(run::Column::Id.is_in(some));
        rows.extend(found.all(db).await?);
    }
    Ok(rows)
}

/// What people decided at the gates of these runs, by the runs' ids.
async fn decisions(
    db: &impl ConnectionTrait,
    run_ids: Vec<String>,
) -> Result<HashMap<String, Decisions>, Error> {
    let mut made: HashMap<String, Decisions> = HashMap::new();
    for some in run_ids.chunks(NAMED) {
        let rows = decision::Entity::find()
            .filter(decision::Column::RunId.is_in(some))
            .order_by_asc(decision::Column::AtMs)
            .order_by_asc(decision::Column::UserId)
            .all(db)
            .await?;
        for row in rows {
            let of_run = made.entry(row.run_id.clone()).or_default();
            of_run.entry(row.position).or_default().push(row);
        }
    }
    Ok(made)
}

/// How many unfinished runs of their pipelines are before those of these runs that are queued.
async fn positions(
    db: &impl ConnectionTrait,
    runs: &[(run::Model, Run)],
) -> Result<HashMap<String, u32>, Error> {
    let queued = runs.iter().filter(|(_, run)| run.state == State::Queued);
    let queued: Vec<_> = queued.map(|(row, _)| row.id.as_str()).collect();
    if queued.is_empty() {
        return Ok(HashMap::new());
    }
    let earlier = Alias::new("earlier");
    let of_earlier = |column| Expr::col((earlier.clone(), column));
    let before = Query::select()
        .expr(Expr::value(1))
        .from_as(run::Entity, earlier.clone())
        .and_where(
            of_earlier(run::Column::PipelineId).equals((run::Entity, run::Column::PipelineId)),
        )
        .and_where(of_earlier(run::Column::EndedAtMs).is_null())
        .and_where(
            of_earlier(run::Column::RunCount).lt(Expr::col((run::Entity, run::Column::RunCount))),
        )
        .limit(POSITIONS)
        .to_owned();
    let count = Query::select()
        .expr(Expr::col(Asterisk).count())
        .from_subquery(before, Alias::new("before_it"))
        .to_owned();
    let statement = Query::select()
        .column((run::Entity, run::Column::Id))
        .expr_as(
            Expr::SubQuery(None, Box::new(count.into())),
            Alias::new("position"),
        )
        .from(run::Entity)
        .and_where(Expr::col((run::Entity, run::Column::Id)).is_in(queued))
        .to_owned();
    let mut positions = HashMap::new();
    for row in db.query_all(&statement).await? {
        let position: i64 = row.try_get("", "position")?;
        positions.insert(
            row.try_get("", "id")?,
            u32::try_from(position).unwrap_or(u32::MAX),
        );
    }
    Ok(positions)
}
