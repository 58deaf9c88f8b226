//! Time runs out: an open step whose time is over has failed, and a retry that a waiting run was
//! parked for is due.

use runtime::clock;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};

use crate::Error;
use crate::entity::{run, run_step};
use crate::state::State;
use crate::store::{Store, leave_others_alone};

/// Runs whose time is looked at in one round.
const AT_ONCE: u64 = 100;

/// The runs of steps that are in this state until now.
fn due(state: &str, now_ms: i64) -> Select<run_step::Entity> {
    run_step::Entity::find()
        .select_only()
        .distinct()
        .column(run_step::Column::RunId)
        .filter(run_step::Column::State.eq(state))
        .filter(run_step::Column::DueMs.lte(now_ms))
        .limit(AT_ONCE)
}

impl Store {
    /// Sees to open steps whose time is over and to due retries, a few runs a round. Answers whether
    /// there may be more.
    pub(crate) async fn end_overdue(&self) -> Result<bool, Error> {
        let now_ms = clock::now_ms();
        let mut more = false;
        for due in [self.overdue(now_ms).await?, self.due_again(now_ms).await?] {
            for run_id in &due {
                leave_others_alone(run_id, self.end_overdue_of(run_id).await)?;
            }
            more |= due.len() as u64 == AT_ONCE;
        }
        Ok(more)
    }

    /// Runs with an open step whose time is over.
    async fn overdue(&self, now_ms: i64) -> Result<Vec<String>, Error> {
        let overdue = due("waiting", now_ms).into_tuple();
        Ok(overdue.all(self.database.reader()).await?)
    }

    /// Waiting runs, which nobody has, with a step that is to be tried again.
    async fn due_again(&self, now_ms: i64) -> Result<Vec<String>, Error> {
        let of_run = |column| Expr::col((run::Entity, column));
        let waits = Query::select()
            .expr(Expr::value(1))
            .from(run::Entity)
            .and_where(of_run(run::Column::Id).equals((run_step::Entity, run_step::Column::RunId)))
            .and_where(of_run(run::Column::State).eq(State::Waiting.name()))
            .to_owned();
        let again = due("retrying", now_ms).filter(Expr::exists(waits));
        let again = again.into_tuple();
        Ok(again.all(self.database.reader()).await?)
    }

    async fn end_overdue_of(&self, run_id: &str) -> Result<(), Error> {
        let now_ms = clock::now_ms();
        let tx = self.database.begin().await?;
        let mut locked = self.lock(&tx, run_id).await?;
        locked.run.end_overdue(now_ms);
        if locked.has_changed() {
            Self::save(&tx, locked, now_ms).await?;
        }
        tx.commit().await?;
        self.relay.ring();
        Ok(())
    }
}
