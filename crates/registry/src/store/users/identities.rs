//! Users as systems outside name them: found, installed, provisioned.

use contracts::id::UserId;
use contracts::message::Actor;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::rows::{
    changed, check_room, deed, locked_administrators, named_outside, next_number, person, portrait,
    roles_column, save, taken, tell,
};
use super::{UserChange, groups_of};
use crate::Error;
use crate::authority::{self, Change, Wish};
use crate::caller::Caller;
use crate::entity::{actor, user};
use crate::identity::{self, Provisioned};
use crate::news::{self, Deed};
use crate::role::Roles;
use crate::store::{Store, names};
use crate::user::{Email, Kind};

/// Users that are looked up at once.
const MOST_AT_ONCE: usize = 1000;

impl Store {
    /// The user that systems outside call this, or else the only one with this name; and whether
    /// anybody knows the actor.
    pub(crate) async fn identity(
        &self,
        account: &str,
        text: &str,
        actor: &str,
    ) -> Result<(user::Model, bool), Error> {
        let reader = self.database.reader();
        // Nobody is called that, and no store can look for it.
        if text.contains('\0') {
            return Err(super::unknown(text));
        }
        let row = named_outside(reader, account, text).await?;
        let row = row.ok_or_else(|| super::unknown(text))?;
        let key = (account.to_owned(), actor.to_owned());
        let is_somebody = !actor.is_empty() && !actor.contains('\0');
        let knows = is_somebody && actor::Entity::find_by_id(key).one(reader).await?.is_some();
        Ok((row, knows))
    }

    /// Users of an account by id, as far as they are there.
    pub(crate) async fn identities(
        &self,
        account: &str,
        ids: Vec<String>,
    ) -> Result<Vec<user::Model>, Error> {
        if ids.len() > MOST_AT_ONCE {
            return Err(Error::Limit(u32::try_from(ids.len()).unwrap_or(u32::MAX)));
        }
        let rows = user::Entity::find()
            .filter(user::Column::Account.eq(account))
            .filter(user::Column::Id.is_in(ids))
            .all(self.database.reader());
        Ok(rows.await?)
    }

    /// A user of kind service with this external id is there, with the names of its groups. One that
    /// was there stays as it is.
    pub(crate) async fn install_identity(
        &self,
        account: &str,
        new: Provisioned,
        now_ms: i64,
    ) -> Result<(user::Model, Vec<String>), Error> {
        let reader = self.database.reader();
        if let Some(row) = of_external_id(reader, account, &new.external_id).await? {
            let groups = groups_of(reader, &row.id).await?;
            return Ok((row, groups));
        }
        let tx = self.database.begin().await?;
        // Who takes a number waits for whoever took the one before.
        let number = next_number(&tx).await?;
        if let Some(row) = of_external_id(&*tx, account, &new.external_id).await? {
            return Ok((row, Vec::new()));
        }
        let row = insert(&tx, account, new, number, now_ms).await?;
        let changed = news::user_changed(&row.id, &row.account, &Actor::system());
        outbox::announce(&tx, &changed, now_ms).await?;
        tx.commit().await?;
        Ok((row, Vec::new()))
    }

    /// There is a user with this external id and these roles. Answers whether it is new.
    pub(crate) async fn provision(
        &self,
        caller: &Caller,
        said: Provisioned,
        now_ms: i64,
    ) -> Result<(user::Model, bool), Error> {
        caller.may(&Wish::Create(&said.roles), || Error::Account)?;
        let tx = self.database.begin().await?;
        let administrators = locked_administrators(&tx, &caller.account).await?;
        let there = locked_external(&tx, &caller.account, &said.external_id).await?;
        if let Some(actor) = &said.actor {
            note_actor(&tx, &caller.account, actor, now_ms).await?;
        }
        let Some(before) = there else {
            let number = next_number(&tx).await?;
            check_room(&tx, &caller.account).await?;
            let row = insert(&tx, &caller.account, said, number, now_ms).await?;
            let deed = Deed {
                after: Some(portrait(&row)?),
                ..deed("create", &row)
            };
            tell(&tx, caller, &row, deed, now_ms).await?;
            tx.commit().await?;
            return Ok((row, true));
        };
        let after = reassigned(caller, &before, &said, &administrators, now_ms)?;
        if after != before {
            save(&tx, &before, &after).await?;
            let deed = Deed {
                before: Some(portrait(&before)?),
                after: Some(portrait(&after)?),
                ..deed("update", &after)
            };
            tell(&tx, caller, &after, deed, now_ms).await?;
        }
        tx.commit().await?;
        Ok((after, false))
    }
}

/// A user with the roles and the actor that were said, if the caller may give them.
fn reassigned(
    caller: &Caller,
    before: &user::Model,
    said: &Provisioned,
    administrators: &[String],
    now_ms: i64,
) -> Result<user::Model, Error> {
    let user = person(before)?;
    let judged = Change {
        roles: Some(said.roles.clone()),
        ..Change::default()
    };
    caller.may(&Wish::Change(&user, &judged), || {
        super::unknown(&said.external_id)
    })?;
    let change = UserChange {
        roles: Some(said.roles.clone()),
        ..UserChange::default()
    };
    let mut after = changed(before, change, now_ms)?;
    let actor = said.actor.as_ref().map(|it| it.external_id.clone());
    if actor.is_some() && actor != after.actor_external_id {
        (after.actor_external_id, after.updated_at_ms) = (actor, now_ms);
    }
    let roles = Roles::known(&names(&after.roles)?);
    let steps_down = authority::steps_down((&user.roles, before.active), (&roles, after.active));
    if steps_down && administrators.iter().all(|id| *id == before.id) {
        return Err(Error::LastAdministrator);
    }
    Ok(after)
}

async fn of_external_id(
    db: &impl sea_orm::ConnectionTrait,
    account: &str,
    external_id: &str,
) -> Result<Option<user::Model>, Error> {
    let found = user::Entity::find()
        .filter(user::Column::Account.eq(account))
        .filter(user::Column::ExternalId.eq(external_id));
    Ok(found.one(db).await?)
}

async fn locked_external(
    tx: &DatabaseTransaction,
    account: &str,
    external_id: &str,
) -> Result<Option<user::Model>, Error> {
    let found = user::Entity::find()
        .filter(user::Column::Account.eq(account))
        .filter(user::Column::ExternalId.eq(external_id))
        .lock_exclusive();
    Ok(found.one(tx).await?)
}

/// Nobody can sign in as it before it is given a password.
async fn insert(
    tx: &DatabaseTransaction,
    account: &str,
    new: Provisioned,
    number: i64,
    now_ms: i64,
) -> Result<user::Model, Error> {
    let kind = if new.email.is_some() {
        Kind::Person
    } else {
        Kind::Service
    };
    let row = user::Model {
        id: UserId::made_at(now_ms).into(),
        number,
        name: new.name,
        account: account.to_owned(),
        kind: kind.name().into(),
        email_key: new.email.as_ref().map(Email::key),
        email: new.email.map(|it| it.as_str().to_owned()),
        roles: roles_column(&new.roles),
        active: true,
        password: None,
        external_id: Some(new.external_id),
        actor_external_id: new.actor.map(|it| it.external_id),
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    user::Entity::insert(user::ActiveModel::from(row.clone()))
        .exec_without_returning(tx)
        .await
        .map_err(|error| taken(error, row.email.as_deref()))?;
    Ok(row)
}

/// An actor keeps the name that it was first given.
async fn note_actor(
    tx: &DatabaseTransaction,
    account: &str,
    said: &identity::Actor,
    now_ms: i64,
) -> Result<(), Error> {
    let row = actor::ActiveModel {
        account: Set(account.to_owned()),
        external_id: Set(said.external_id.clone()),
        name: Set(said.name.clone()),
        created_at_ms: Set(now_ms),
    };
    let known = OnConflict::columns([actor::Column::Account, actor::Column::ExternalId])
        .do_nothing()
        .to_owned();
    actor::Entity::insert(row)
        .on_conflict(known)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
