//! Users: made, found, changed.

use contracts::id::UserId;
use contracts::message;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::{Store, names};
use crate::Error;
use crate::authority::{self, Change, Wish};
use crate::caller::Caller;
use crate::entity::user;
use crate::news::Deed;
use crate::role::Roles;
use crate::user::{Email, Kind, Patch, Reference, check_kind};

mod identities;
mod rows;

use rows::{
    changed, check_room, deed, locked_administrators, next_number, portrait, portrait_after,
    roles_column, save, taken, tell,
};
pub(super) use rows::{find, groups_of, named_outside, person, unknown};

/// A user to be made.
pub(crate) struct NewUser {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) email: Option<Email>,
    pub(crate) kind: Kind,
    pub(crate) roles: Roles,
    /// What is kept of its password.
    pub(crate) password: Option<String>,
}

/// What of a user is to change.
#[derive(Debug, Default)]
pub(crate) struct UserChange {
    pub(crate) name: Option<String>,
    pub(crate) email: Patch<Email>,
    pub(crate) active: Option<bool>,
    pub(crate) roles: Option<Roles>,
    /// What is kept of its new password.
    pub(crate) password: Patch<String>,
}

impl Store {
    /// There is one user more.
    pub(crate) async fn create_user(
        &self,
        caller: &Caller,
        new: NewUser,
        now_ms: i64,
    ) -> Result<user::Model, Error> {
        caller.may(&Wish::Create(&new.roles), || Error::Account)?;
        check_kind(new.kind, new.email.as_ref())?;
        let tx = self.database.begin().await?;
        let number = next_number(&tx).await?;
        check_room(&tx, &new.account).await?;
        let row = user::Model {
            id: UserId::made_at(now_ms).into(),
            number,
            name: new.name,
            account: new.account,
            kind: new.kind.name().into(),
            email_key: new.email.as_ref().map(Email::key),
            email: new.email.map(|it| it.as_str().to_owned()),
            roles: roles_column(&new.roles),
            active: true,
            password: new.password,
            external_id: None,
            actor_external_id: None,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        user::Entity::insert(user::ActiveModel::from(row.clone()))
            .exec_without_returning(&*tx)
            .await
            .map_err(|error| taken(error, row.email.as_deref()))?;
        let deed = Deed {
            after: Some(portrait(&row)?),
            ..deed("create", &row)
        };
        tell(&tx, caller, &row, deed, now_ms).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Up to `limit` users of the caller's account by number, after `after`.
    pub(crate) async fn users(
        &self,
        caller: &Caller,
        after: i64,
        limit: u64,
    ) -> Result<Vec<user::Model>, Error> {
        caller.may(&Wish::List, || Error::Account)?;
        let page = user::Entity::find()
            .filter(user::Column::Account.eq(&caller.account))
            .filter(user::Column::Number.gt(after))
            .order_by_asc(user::Column::Number)
            .limit(limit);
        Ok(page.all(self.database.reader()).await?)
    }

    /// Who started a run, with the site roles and groups that they have by now: a run knows only
    /// who it was. Somebody who isn't there any more, or is switched off, has none.
    pub(crate) async fn with_rights(
        &self,
        caller: message::Caller,
    ) -> Result<message::Caller, Error> {
        let reader = self.database.reader();
        let id = caller.actor.as_ref().map(|actor| actor.user_id.clone());
        let wanted = Reference::Id(id.unwrap_or_default());
        let row = find(reader, &caller.account, &wanted, false).await?;
        let Some(row) = row.filter(|row| row.active) else {
            return Ok(caller);
        };
        Ok(message::Caller {
            roles: names(&row.roles)?,
            groups: groups_of(reader, &row.id).await?,
            ..caller
        })
    }

    /// The id and the name of an active user of an account, to whom something may be given.
    pub(crate) async fn owner(&self, account: &str, text: &str) -> Result<(String, String), Error> {
        if text.trim().is_empty() {
            return Err(unknown(text));
        }
        let wanted = Reference::parse(text, "");
        let row = find(self.database.reader(), account, &wanted, false).await?;
        let row = row.filter(|it| it.active).ok_or_else(|| unknown(text))?;
        Ok((row.id, row.name))
    }

    /// A user that the caller may read, with the names of its groups.
    pub(crate) async fn user(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<(user::Model, Vec<String>), Error> {
        let reader = self.database.reader();
        let wanted = Reference::parse(text, caller.id());
        let row = find(reader, &caller.account, &wanted, false).await?;
        let row = row.ok_or_else(|| unknown(text))?;
        let person = person(&row)?;
        caller.may(&Wish::Read(&person), || unknown(text))?;
        let groups = groups_of(reader, &row.id).await?;
        Ok((row, groups))
    }

    /// A user has changed as said. What is already so is no change and leaves no record.
    pub(crate) async fn change_user(
        &self,
        caller: &Caller,
        text: &str,
        change: UserChange,
        now_ms: i64,
    ) -> Result<user::Model, Error> {
        let wanted = Reference::parse(text, caller.id());
        let tx = self.database.begin().await?;
        let administrators = if change.active.is_some() || change.roles.is_some() {
            locked_administrators(&tx, &caller.account).await?
        } else {
            Vec::new()
        };
        let before = find(&*tx, &caller.account, &wanted, true).await?;
        let before = before.ok_or_else(|| unknown(text))?;
        let user = person(&before)?;
        let judged = Change {
            email: change.email != Patch::Keep,
            active: change.active,
            roles: change.roles.clone(),
        };
        caller.may(&Wish::Change(&user, &judged), || unknown(text))?;
        let after = changed(&before, change, now_ms)?;
        if after == before {
            tx.commit().await?;
            return Ok(after);
        }
        let roles = Roles::known(&names(&after.roles)?);
        let steps_down =
            authority::steps_down((&user.roles, before.active), (&roles, after.active));
        if steps_down && administrators.iter().all(|id| *id == before.id) {
            return Err(Error::LastAdministrator);
        }
        save(&tx, &before, &after).await?;
        let deed = Deed {
            before: Some(portrait(&before)?),
            after: Some(portrait_after(&before, &after)?),
            ..deed("update", &after)
        };
        tell(&tx, caller, &after, deed, now_ms).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Who may be signing in: the user with this address or external id, or else the only one with
    /// this name.
    pub(crate) async fn user_of_login(
        &self,
        account: &str,
        login: &str,
    ) -> Result<Option<user::Model>, Error> {
        let reader = self.database.reader();
        let by_email = Reference::Email(crate::user::key(login));
        if let Some(row) = find(reader, account, &by_email, false).await? {
            return Ok(Some(row));
        }
        named_outside(reader, account, login).await
    }

    /// The names of a user's groups.
    pub(crate) async fn groups_of(&self, user_id: &str) -> Result<Vec<String>, Error> {
        groups_of(self.database.reader(), user_id).await
    }
}
