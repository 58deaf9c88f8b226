//! Which runs that want to begin find no place in their pipelines.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{
    ColumnTrait as _, Condition, DatabaseTransaction, EntityTrait as _, FromQueryResult, JoinType,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use crate::Error;
use crate::entity::{pipeline, run};

/// A run that wants to begin and may find no place.
#[derive(Debug, FromQueryResult)]
struct Newcomer {
    id: String,
    pipeline_id: String,
    run_count: i64,
}

/// Those of the runs whose pipelines have no place for them. Locks the rows of pipelines whose
/// places are limited, so that two runs can't take the last one.
pub(super) async fn without(
    tx: &DatabaseTransaction,
    run_ids: BTreeSet<String>,
) -> Result<HashSet<String>, Error> {
    let mut without = HashSet::new();
    let newcomers = newcomers(tx, run_ids).await?;
    if newcomers.is_empty() {
        return Ok(without);
    }
    let places = lock(tx, &newcomers).await?;
    for newcomer in newcomers {
        let places = places.get(&newcomer.pipeline_id).copied();
        // A limit that was lifted meanwhile holds nobody back.
        if let Some(places) = places.filter(|&it| it > 0)
            && taken(tx, &newcomer, places).await? >= places
        {
            without.insert(newcomer.id);
        }
    }
    Ok(without)
}

/// The runs that have no place yet, of pipelines with a limit.
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
    let newcomers = run::Entity::find()
        .select_only()
        .columns([
            run::Column::Id,
            run::Column::PipelineId,
            run::Column::RunCount,
        ])
        .join(JoinType::InnerJoin, its_pipeline)
        .filter(run::Column::Id.is_in(run_ids))
        .filter(run::Column::StartedAtMs.is_null())
        .filter(run::Column::EndedAtMs.is_null())
        .filter(pipeline::Column::Concurrency.ne(0))
        .into_model()
        .all(tx)
        .await?;
    Ok(newcomers)
}

/// Locks the newcomers' pipelines and answers how many places each has; 0 is no limit.
async fn lock(
    tx: &DatabaseTransaction,
    newcomers: &[Newcomer],
) -> Result<HashMap<String, u64>, Error> {
    let ids: BTreeSet<&String> = newcomers.iter().map(|it| &it.pipeline_id).collect();
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
