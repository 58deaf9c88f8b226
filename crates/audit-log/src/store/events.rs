//! Storing what has happened to runs: lines of their lives, and their ends.

use std::collections::BTreeMap;

use contracts::message::RunState;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult as _, IntoActiveModel as _, Value,
};

use super::activity::{Key, locked_attempts, save_attempts};
use super::{ROWS, Store, placeholders, signed, statement};
use crate::Error;
use crate::entity::{attempt, life, run};
use crate::line::Line;

/// What one message says about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) run_id: String,
    pub(crate) pipeline_id: String,
    /// For people to read.
    pub(crate) line: Option<Line>,
    /// The run's number and where it is now.
    pub(crate) run: Option<(i64, RunState)>,
    /// An attempt, and the last entry that it numbered if it is over.
    pub(crate) attempt: Option<(u32, Option<u64>)>,
    /// When it happened.
    pub(crate) at_ms: i64,
}

impl Store {
    /// Lines, ends and states are noted, in the order of the news.
    pub(crate) async fn keep_news(
        &self,
        tx: &DatabaseTransaction,
        news: Vec<News>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let mut runs = locked_runs(tx, &news, now_ms).await?;
        let keys = news
            .iter()
            .filter_map(|it| Some((key(it)?, it.pipeline_id.clone())));
        let mut attempts = locked_attempts(tx, keys.collect(), now_ms).await?;
        let mut lines = Vec::with_capacity(news.len());
        for news in news {
            if let Some(row) = key(&news).and_then(|key| attempts.get_mut(&key)) {
                note_end(row, news.attempt.and_then(|it| it.1), now_ms);
            }
            let Some(run) = runs.get_mut(&news.run_id) else {
                continue;
            };
            if let Some((run_count, state)) = news.run {
                note_state(run, run_count, state, (news.at_ms, now_ms));
            }
            if let Some(line) = news.line {
                run.life_seq += 1;
                lines.push(row_of(run, line, now_ms));
            }
        }
        insert(tx, lines).await?;
        save_attempts(tx, attempts.into_values()).await?;
        save_runs(tx, runs.into_values()).await?;
        Ok(())
    }
}

fn key(news: &News) -> Option<Key> {
    let (attempt, _) = news.attempt.filter(|it| it.0 > 0)?;
    Some(Key {
        run_id: news.run_id.clone(),
        attempt,
    })
}

fn note_end(row: &mut attempt::Model, end_seq: Option<u64>, now_ms: i64) {
    let Some(end_seq) = end_seq.map(signed) else {
        return;
    };
    row.end_seq = Some(row.end_seq.map_or(end_seq, |known| known.max(end_seq)));
    row.ended_heard_ms.get_or_insert(now_ms);
}

/// A final state is final, whatever is heard after it.
fn note_state(run: &mut run::Model, run_count: i64, state: RunState, times: (i64, i64)) {
    run.run_count = run_count;
    if run.ended_heard_ms.is_some() {
        return;
    }
    run.state = state.into();
    if state.is_final() {
        (run.ended_at_ms, run.ended_heard_ms) = (Some(times.0), Some(times.1));
    }
}

fn row_of(run: &run::Model, line: Line, now_ms: i64) -> life::Model {
    life::Model {
        run_id: run.run_id.clone(),
        seq: run.life_seq,
        pipeline_id: run.pipeline_id.clone(),
        time_ms: line.time_ms,
        heard_ms: now_ms,
        kind: line.kind.into(),
        attempt: line.attempt.into(),
        step_id: line.step_id,
        tried: line.tried.into(),
        message: line.text,
    }
}

async fn locked_runs(
    tx: &DatabaseTransaction,
    news: &[News],
    now_ms: i64,
) -> Result<BTreeMap<String, run::Model>, Error> {
    let runs: BTreeMap<&str, &str> = news
        .iter()
        .map(|it| (it.run_id.as_str(), it.pipeline_id.as_str()))
        .collect();
    let runs: Vec<(&str, &str)> = runs.into_iter().collect();
    let mut locked = BTreeMap::new();
    for runs in runs.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO run (run_id, pipeline_id, run_count, state, life_seq, touched_ms) \
             VALUES {} ON CONFLICT (run_id) DO UPDATE SET touched_ms = excluded.touched_ms \
             RETURNING *",
            placeholders(runs.len(), 6)
        );
        let values = runs.iter().flat_map(|(run_id, pipeline_id)| -> [Value; 6] {
            let run_id = (*run_id).into();
            [
                run_id,
                (*pipeline_id).into(),
                0_i64.into(),
                0_i32.into(),
                0_i64.into(),
                now_ms.into(),
            ]
        });
        for row in tx.query_all_raw(statement(tx, sql, values)).await? {
            let row = run::Model::from_query_result(&row, "")?;
            locked.insert(row.run_id.clone(), row);
        }
    }
    Ok(locked)
}

async fn save_runs(
    tx: &DatabaseTransaction,
    rows: impl Iterator<Item = run::Model>,
) -> Result<(), DbErr> {
    use run::Column as C;
    let mut rows: Vec<_> = rows
        .map(|row| row.into_active_model().reset_all())
        .collect();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        let columns = [
            C::RunCount,
            C::State,
            C::EndedAtMs,
            C::EndedHeardMs,
            C::LifeSeq,
        ];
        let update = OnConflict::column(C::RunId)
            .update_columns(columns)
            .to_owned();
        run::Entity::insert_many(rows)
            .on_conflict(update)
            .exec_without_returning(tx)
            .await?;
        rows = rest;
    }
    Ok(())
}

async fn insert(tx: &DatabaseTransaction, rows: Vec<life::Model>) -> Result<(), DbErr> {
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|it| it.into_active_model().reset_all())
        .collect();
    while !rows.is_empty() {
        let rest = rows.split_off(rows.len().min(ROWS));
        life::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
        rows = rest;
    }
    Ok(())
}
