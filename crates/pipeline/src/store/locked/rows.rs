//! The rows of runs' steps and attempts.

use std::collections::HashMap;

use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, QueryFilter as _,
};

use super::Locked;
use crate::Error;
use crate::entity::{attempt, run, run_step};
use crate::record;
use crate::run::AttemptEnd;

/// Rows an `INSERT`, well below the number of values that a statement may have.
const ROWS: usize = 500;

/// The steps of runs by their runs' ids. A run that waits for its first attempt has none yet, unless
/// it goes on from another.
pub(in crate::store) async fn steps_of(
    tx: &impl ConnectionTrait,
    rows: &[run::Model],
) -> Result<HashMap<String, Vec<run_step::Model>>, Error> {
    let mut steps: HashMap<String, Vec<run_step::Model>> = HashMap::new();
    let has_steps = |row: &&run::Model| {
        row.started_at_ms.is_some() || row.ended_at_ms.is_some() || row.resumed_from.is_some()
    };
    let ids: Vec<&String> = rows.iter().filter(has_steps).map(|row| &row.id).collect();
    if ids.is_empty() {
        return Ok(steps);
    }
    let found = run_step::Entity::find()
        .filter(run_step::Column::RunId.is_in(ids))
        .all(tx)
        .await?;
    for step in found {
        steps.entry(step.run_id.clone()).or_default().push(step);
    }
    Ok(steps)
}

/// Writes the steps that have changed.
pub(super) async fn save_steps(tx: &DatabaseTransaction, locked: &[&Locked]) -> Result<(), Error> {
    use run_step::Column;
    let changed = locked
        .iter()
        .flat_map(|it| record::changed_steps(&it.row.id, &it.run));
    let changed: Vec<_> = changed.collect();
    let replaces = OnConflict::columns([Column::RunId, Column::Position])
        .update_columns([
            Column::State,
            Column::DueMs,
            Column::Tries,
            Column::Failures,
            Column::ExitCode,
            Column::Message,
            Column::Outputs,
            Column::StartedAtMs,
            Column::EndedAtMs,
            Column::ServedHeard,
            Column::ServedLines,
        ])
        .to_owned();
    for rows in changed.chunks(ROWS) {
        run_step::Entity::insert_many(rows.to_vec())
            .on_conflict(replaces.clone())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Keeps the attempts' rows: one begins with its row and ends with how.
pub(super) async fn save_attempts(
    tx: &DatabaseTransaction,
    locked: &[&Locked],
    now_ms: i64,
) -> Result<(), Error> {
    let begun: Vec<_> = locked.iter().filter_map(|it| it.begun(now_ms)).collect();
    if !begun.is_empty() {
        attempt::Entity::insert_many(begun)
            .exec_without_returning(tx)
            .await?;
    }
    for how in [
        AttemptEnd::Finished,
        AttemptEnd::HandedBack,
        AttemptEnd::Lost,
    ] {
        let ended = locked.iter().filter(|it| it.ended() == Some(how));
        let ended: Vec<&Locked> = ended.copied().collect();
        if !ended.is_empty() {
            end_attempts(tx, &ended, how, now_ms).await?;
        }
    }
    Ok(())
}

/// Ends the live attempt of each run.
async fn end_attempts(
    tx: &DatabaseTransaction,
    ended: &[&Locked],
    how: AttemptEnd,
    now_ms: i64,
) -> Result<(), Error> {
    use attempt::Column;
    let last_seq = ended.iter().fold(CaseStatement::new(), |case, it| {
        let of_run = Expr::col(Column::RunId).eq(&it.row.id);
        case.case(of_run, Expr::value(it.run.last_seq.cast_signed()))
    });
    attempt::Entity::update_many()
        .col_expr(Column::EndedAtMs, Expr::value(now_ms))
        .col_expr(Column::How, Expr::value(record::end_name(how)))
        .col_expr(Column::LastSeq, last_seq.into())
        .filter(Column::RunId.is_in(ended.iter().map(|it| &it.row.id)))
        .filter(Column::EndedAtMs.is_null())
        .exec(tx)
        .await?;
    Ok(())
}
