//! Which runs that want to begin find no place: in their pipelines, or because of pipelines that
//! must not run at the same time.
//!
//! **Invariant (I11):** all pipelines that a decision looks at are locked first, in the order of
//! their ids. A run begins after those of its pipeline, and of its pipeline's partners, that were
//! accepted before it: so runs that come together decide alike, and none waits for ever.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, EntityTrait as _, FromQueryResult, JoinType,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::Error;
use crate::entity::{pipeline, run};
use crate::store::conflicts::{self, Partners};

/// What a run lacks to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// A place in its own pipeline.
    Place,
    /// That this other pipeline has no run that holds a place or was accepted before.
    Partner(String),
}

/// What those that want to begin find.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// What runs lack that can't begin.
    pub(super) lacking: HashMap<String, Lack>,
    /// Runs that can begin, and had to wait for a partner of their pipeline before.
    pub(super) waited: HashSet<String>,
}

/// A run that wants to begin and may find no place.
#[derive(Debug, FromQueryResult)]
struct Newcomer {
    id: String,
    number: i64,
    pipeline_id: String,
    run_count: i64,
    requested_at_ms: i64,
    has_conflicts: bool,
}

/// Which of the runs can't begin now, and why. Locks the rows of pipelines whose places are
/// limited or that have conflicts, so that two runs can't take the last place.
pub(super) async fn found(
    tx: &DatabaseTransaction,
    run_ids: BTreeSet<String>,
) -> Result<Places, Error> {
    let mut found = Places::default();
    let newcomers = newcomers(tx, run_ids).await?;
    if newcomers.is_empty() {
        return Ok(found);
    }
    let in_conflict = newcomers.iter().filter(|it| it.has_conflicts);
    let in_conflict = in_conflict.map(|it| it.pipeline_id.clone()).collect();
    let partners = conflicts::partners(tx, &in_conflict).await?;
    let places = lock(tx, &newcomers, &partners).await?;
    for newcomer in newcomers {
        let places = places.get(&newcomer.pipeline_id).copied();
        if let Some(lack) = lack(tx, &newcomer, places, &partners).await? {
            found.lacking.insert(newcomer.id, lack);
        } else if let Some(partners) = partners.get(&newcomer.pipeline_id)
            && had_to_wait(tx, &newcomer, partners).await?
        {
            found.waited.insert(newcomer.id);
        }
    }
    Ok(found)
}

/// Whether a run of a partner kept this one from beginning until it ended.
async fn had_to_wait(
    tx: &DatabaseTransaction,
    newcomer: &Newcomer,
    partners: &BTreeSet<String>,
) -> Result<bool, Error> {
    let before = Condition::any()
        .add(run::Column::StartedAtMs.is_not_null())
        .add(run::Column::Number.lt(newcomer.number));
    let ended: Option<i64> = run::Entity::find()
        .select_only()
        .column(run::Column::Number)
        .filter(run::Column::PipelineId.is_in(partners))
        .filter(run::Column::EndedAtMs.gt(newcomer.requested_at_ms))
        .filter(before)
        .limit(1)
        .into_tuple()
        .one(tx)
        .await?;
    Ok(ended.is_some())
}

async fn lack(
    tx: &DatabaseTransaction,
    newcomer: &Newcomer,
    places: Option<u64>,
    partners: &Partners,
) -> Result<Option<Lack>, Error> {
    // A limit that was lifted meanwhile holds nobody back.
    if let Some(places) = places.filter(|&it| it > 0)
        && taken(tx, newcomer, places).await? >= places
    {
        return Ok(Some(Lack::Place));
    }
    let Some(partners) = partners.get(&newcomer.pipeline_id) else {
        return Ok(None);
    };
    let blocker = conflicts::blocker(tx, newcomer.number, partners).await?;
    Ok(blocker.map(|it| Lack::Partner(it.pipeline_id)))
}

/// The runs that have no place yet, of pipelines with a limit or with conflicts.
async fn newcomers(
    tx: &DatabaseTransaction,
    run_ids: BTreeSet<String>,
) -> Result<Vec<Newcomer>, Error> {
    if run_ids.is_empty() {
        return Ok(Vec::new());
    }
    let its_pipeline = run::Entity::belongs_to(pipeline::Entity)
        .from(run::Column::PipelineId)
        .to(pipeline::Column::Id)
        .into();
    let is_bound = Condition::any()
        .add(pipeline::Column::Concurrency.ne(0))
        .add(pipeline::Column::HasConflicts.eq(true));
    let newcomers = run::Entity::find()
        .select_only()
        .columns([
            run::Column::Id,
            run::Column::Number,
            run::Column::PipelineId,
            run::Column::RunCount,
            run::Column::RequestedAtMs,
        ])
        .column(pipeline::Column::HasConflicts)
        .join(JoinType::InnerJoin, its_pipeline)
        .filter(run::Column::Id.is_in(run_ids))
        .filter(run::Column::StartedAtMs.is_null())
        .filter(run::Column::EndedAtMs.is_null())
        .filter(is_bound)
        .into_model()
        .all(tx)
        .await?;
    Ok(newcomers)
}

/// Locks the newcomers' pipelines with their partners, and answers how many places each has; 0 is
/// no limit.
async fn lock(
    tx: &DatabaseTransaction,
    newcomers: &[Newcomer],
    partners: &Partners,
) -> Result<HashMap<String, u64>, Error> {
    let own = newcomers.iter().map(|it| &it.pipeline_id);
    let ids: BTreeSet<&String> = own.chain(partners.values().flatten()).collect();
    let rows: Vec<(String, i32)> = pipeline::Entity::find()
        .select_only()
        .columns([pipeline::Column::Id, pipeline::Column::Concurrency])
        .filter(pipeline::Column::Id.is_in(ids))
        .order_by_asc(pipeline::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(tx)
        .await?;
    let places = rows
        .into_iter()
        .map(|(id, places)| (id, u64::try_from(places).unwrap_or_default()));
    Ok(places.collect())
}

/// How many of the pipeline's places others have, or will have before this run; `most` at most.
async fn taken(tx: &DatabaseTransaction, newcomer: &Newcomer, most: u64) -> Result<u64, Error> {
    let before = Condition::any()
        .add(run::Column::StartedAtMs.is_not_null())
        .add(run::Column::RunCount.lt(newcomer.run_count));
    let taken = run::Entity::find()
        .select_only()
        .column(run::Column::Number)
        .filter(run::Column::PipelineId.eq(&newcomer.pipeline_id))
        .filter(run::Column::EndedAtMs.is_null())
        .filter(before)
        .limit(most)
        .count(tx)
        .await?;
    Ok(taken)
}
