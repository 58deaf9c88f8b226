//! Executors and their leases, judged by the store's clock.

use contracts::message::UserActed;
use runtime::clock::millis;
use runtime::database::store_now_ms;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::{Holder, Store};
use crate::Error;
use crate::entity::{executor, queue};

impl Store {
    /// An executor has a lease from now on. Refused when a later boot of it has one.
    pub(crate) async fn lease(
        &self,
        holder: &Holder,
        slots: u32,
        lease: std::time::Duration,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let known = executor::Entity::find_by_id(&holder.name)
            .lock_exclusive()
            .one(&*tx)
            .await?;
        let expires_at_ms = store_now_ms(&*tx).await? + millis(lease);
        let slots = i32::try_from(slots).unwrap_or(i32::MAX);
        match known {
            Some(row) if row.boot > holder.boot.cast_signed() => {
                let Holder { name, boot } = holder.clone();
                return Err(Error::OldBoot { name, boot });
            }
            Some(row) => {
                let renewed = executor::ActiveModel {
                    name: Unchanged(row.name),
                    boot: Set(holder.boot.cast_signed()),
                    slots: Set(slots),
                    expires_at_ms: Set(expires_at_ms),
                    ..Default::default()
                };
                executor::Entity::update(renewed)
                    .exec_without_returning(&*tx)
                    .await?;
            }
            None => {
                let first = executor::ActiveModel {
                    name: Set(holder.name.clone()),
                    boot: Set(holder.boot.cast_signed()),
                    slots: Set(slots),
                    draining: Set(false),
                    expires_at_ms: Set(expires_at_ms),
                };
                executor::Entity::insert(first)
                    .exec_without_returning(&*tx)
                    .await?;
            }
        }
        Ok(tx.commit().await?)
    }

    /// An executor gets no new work, or gets work again. `acted` is told if that is a change.
    pub(crate) async fn drain(
        &self,
        name: &str,
        draining: bool,
        acted: Option<UserActed>,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let known = executor::Entity::find_by_id(name)
            .lock_exclusive()
            .one(&*tx)
            .await?;
        let row = known.ok_or_else(|| Error::NoExecutor(name.to_owned()))?;
        if row.draining == draining {
            return Ok(());
        }
        let changed = executor::ActiveModel {
            name: Unchanged(row.name),
            draining: Set(draining),
            ..Default::default()
        };
        executor::Entity::update(changed)
            .exec_without_returning(&*tx)
            .await?;
        if let Some(acted) = acted {
            outbox::announce(&tx, &acted, acted.at_ms).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Executors whose lease is over.
    pub(crate) async fn lapsed(&self) -> Result<Vec<executor::Model>, Error> {
        let now_ms = self.now_ms().await?;
        let over = executor::Entity::find()
            .filter(executor::Column::ExpiresAtMs.lt(now_ms))
            .limit(100);
        Ok(over.all(self.database.reader()).await?)
    }

    /// Forgets an executor whose lease is over, unless it has a run yet.
    pub(crate) async fn forget_executor(&self, row: &executor::Model) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        // Runs are assigned under this lock.
        let locked = executor::Entity::find_by_id(&row.name).lock_exclusive();
        locked.one(&*tx).await?;
        let assigned = queue::Entity::find().filter(queue::Column::Executor.eq(&row.name));
        if assigned.one(&*tx).await?.is_some() {
            return Ok(());
        }
        executor::Entity::delete_many()
            .filter(executor::Column::Name.eq(&row.name))
            .filter(executor::Column::Boot.eq(row.boot))
            .filter(executor::Column::ExpiresAtMs.eq(row.expires_at_ms))
            .exec(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Runs that are assigned to executors that are not known (any more).
    pub(crate) async fn assigned_to_nobody(&self) -> Result<Vec<queue::Model>, Error> {
        let known = Query::select()
            .column(executor::Column::Name)
            .from(executor::Entity)
            .to_owned();
        let rows = queue::Entity::find()
            .filter(queue::Column::Executor.is_not_null())
            .filter(queue::Column::Executor.not_in_subquery(known))
            .limit(100);
        Ok(rows.all(self.database.reader()).await?)
    }

    /// An executor has a run that the queue doesn't know of: it is its own from now on.
    pub(crate) async fn adopt(&self, row: queue::ActiveModel) -> Result<(), Error> {
        self.enqueue_missing(vec![row]).await
    }
}
