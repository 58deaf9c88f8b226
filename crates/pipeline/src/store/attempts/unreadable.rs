//! The end of a run whose rows this version can't read.
//!
//! No rule can be applied to it, and no attempt of it can begin or be reported. Each attempt that is
//! ended counts as lost; after as many as any run may lose in a row, it has failed (I1).

use contracts::message::{AttemptEnd as EndMessage, AttemptEnded, RunChanged, RunState};
use outbox::Announcement;
use runtime::database::Tx;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};

use super::After;
use crate::Error;
use crate::entity::{attempt, run};
use crate::news;
use crate::record;
use crate::run::{Actor, AttemptEnd, EndCause, LOST_IN_A_ROW};
use crate::state::State;
use crate::store::Store;

impl Store {
    /// An attempt of a run ends that can't be read, which is `why`. Fails as long as it may be tried
    /// again.
    pub(super) async fn unreadable_ended(
        &self,
        tx: Tx,
        run_id: &str,
        why: String,
        now_ms: i64,
    ) -> Result<After, Error> {
        let row = run::Entity::find()
            .filter(run::Column::Id.eq(run_id))
            .one(&*tx)
            .await?;
        let row = row.ok_or_else(|| Error::NoSuchRun(run_id.to_owned()))?;
        let lost_in_a_row = row.lost_in_a_row + 1;
        let is_over = row.ended_at_ms.is_some();
        if !is_over {
            let counted = run::ActiveModel {
                number: Unchanged(row.number),
                lost_in_a_row: Set(lost_in_a_row),
                ..Default::default()
            };
            run::Entity::update(counted)
                .exec_without_returning(&*tx)
                .await?;
        }
        if !is_over && lost_in_a_row.cast_unsigned() < LOST_IN_A_ROW {
            tx.commit().await?;
            return Err(Error::Row(why));
        }
        if !is_over {
            fail(&tx, &row, &why, now_ms).await?;
        }
        tx.commit().await?;
        self.relay.ring();
        Ok(After {
            next_attempt: 0,
            run_ended: true,
        })
    }
}

/// The run has failed, and what of it lived is lost.
async fn fail(
    tx: &DatabaseTransaction,
    row: &run::Model,
    why: &str,
    now_ms: i64,
) -> Result<(), Error> {
    attempt::Entity::update_many()
        .col_expr(attempt::Column::EndedAtMs, Expr::value(now_ms))
        .col_expr(
            attempt::Column::How,
            Expr::value(record::end_name(AttemptEnd::Lost)),
        )
        .filter(attempt::Column::RunId.eq(&row.id))
        .filter(attempt::Column::EndedAtMs.is_null())
        .exec(tx)
        .await?;
    let (way, last) = way(row);
    let reason = format!("what is stored of the run can't be read: {why}");
    let known = record::cause_of_row(row).ok().flatten();
    let cause = known.unwrap_or(EndCause::ExecutorLost);
    let stop = record::stop_of_row(row).is_ok();
    let failed = run::ActiveModel {
        number: Unchanged(row.number),
        state: Set(last.name().to_owned()),
        executor: Set(None),
        boot: Set(None),
        stop: Set(row.stop.clone().filter(|_| stop)),
        cause: Set(Some(record::cause_name(cause).to_owned())),
        reason: Set(reason.clone()),
        ended_at_ms: Set(Some(now_ms)),
        ..Default::default()
    };
    run::Entity::update(failed)
        .exec_without_returning(tx)
        .await?;
    outbox::announce_all(tx, news_of(row, way, cause, &reason, now_ms)?, now_ms).await?;
    Ok(())
}

/// What is told of the end.
fn news_of(
    row: &run::Model,
    way: &[State],
    cause: EndCause,
    reason: &str,
    now_ms: i64,
) -> Result<Vec<Announcement>, Error> {
    let actor: Actor = record::from_json(&row.started_by).unwrap_or_default();
    let mut told = Vec::new();
    if let Some(executor) = &row.executor {
        told.push(Announcement::of(&AttemptEnded {
            run_id: row.id.clone(),
            pipeline_id: row.pipeline_id.clone(),
            attempt: row.attempt.cast_unsigned(),
            executor: executor.clone(),
            how: EndMessage::Lost.into(),
            at_ms: now_ms,
            last_seq: row.last_seq.cast_unsigned(),
        })?);
    }
    let mut from = row.state.parse().map_or(RunState::Unspecified, news::state);
    for &state in way {
        let to = news::state(state);
        let cause = state.is_final().then(|| news::cause(cause).into());
        told.push(Announcement::of(&RunChanged {
            run_id: row.id.clone(),
            pipeline_id: row.pipeline_id.clone(),
            run_count: row.run_count,
            from: from.into(),
            to: to.into(),
            attempt: row.attempt.cast_unsigned(),
            at_ms: now_ms,
            cause: cause.unwrap_or_default(),
            actor: Some(news::actor_message(&actor)),
            reason: reason.to_owned(),
            last_seq: row.last_seq.cast_unsigned(),
            schedule_id: row.schedule_id.clone().unwrap_or_default(),
            slot: row.slot.clone().unwrap_or_default(),
            silent: row.silent,
        })?);
        from = to;
    }
    Ok(told)
}

/// The way through the graph to the end, and that end.
fn way(row: &run::Model) -> (&'static [State], State) {
    match row.state.parse() {
        Ok(State::Cancelling) => (&[State::Cancelled], State::Cancelled),
        Ok(State::Failing) => (&[State::Failed], State::Failed),
        _ => (&[State::Failing, State::Failed], State::Failed),
    }
}
