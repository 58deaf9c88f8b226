//! Time runs out: an open step whose time is over has failed.

use runtime::clock;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use crate::Error;
use crate::entity::run_step;
use crate::store::{Store, leave_others_alone};

/// Runs whose time is looked at in one round.
const AT_ONCE: u64 = 100;

impl Store {
    /// Fails open steps whose time is over, a few runs a round. Answers whether there may be more.
    pub(crate) async fn end_overdue(&self) -> Result<bool, Error> {
        let due: Vec<String> = run_step::Entity::find()
            .select_only()
            .distinct()
            .column(run_step::Column::RunId)
            .filter(run_step::Column::State.eq("waiting"))
            .filter(run_step::Column::DueMs.lte(clock::now_ms()))
            .limit(AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        for run_id in &due {
            leave_others_alone(run_id, self.end_overdue_of(run_id).await)?;
        }
        Ok(due.len() as u64 == AT_ONCE)
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
