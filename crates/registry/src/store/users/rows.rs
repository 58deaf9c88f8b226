//! Rows of users: found, changed, shown in records.

use contracts::access::SiteRole;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
    SqlErr,
};
use serde_json::{Value, json};

use super::super::{execute, names};
use super::UserChange;
use crate::authority::Person;
use crate::caller::Caller;
use crate::entity::{group, member, user};
use crate::news::{self, Deed};
use crate::role::Roles;
use crate::user::{Kind, MOST, Patch, Reference, check_kind};
use crate::{Error, administrator};

/// The next number, one caller at a time.
pub(super) async fn next_number(tx: &DatabaseTransaction) -> Result<i64, Error> {
    let sql = "UPDATE user_numbers SET latest = latest + 1 WHERE id = 1 RETURNING latest";
    let rows = execute(tx, sql, []).await?;
    let row = rows
        .first()
        .ok_or_else(|| Error::Row("user_numbers".into()))?;
    Ok(row.try_get("", "latest")?)
}

/// Refuses a user more than an account may have.
pub(super) async fn check_room(tx: &DatabaseTransaction, account: &str) -> Result<(), Error> {
    let of_account = user::Entity::find().filter(user::Column::Account.eq(account));
    if of_account.count(tx).await? < MOST {
        return Ok(());
    }
    Err(Error::Full {
        whose: "the account",
        what: "users",
        most: MOST,
    })
}

/// The user that systems outside call this, or else the only one with this name.
pub(in crate::store) async fn named_outside(
    db: &impl ConnectionTrait,
    account: &str,
    text: &str,
) -> Result<Option<user::Model>, Error> {
    let of_account = || user::Entity::find().filter(user::Column::Account.eq(account));
    let by_id = of_account().filter(user::Column::ExternalId.eq(text));
    if let Some(row) = by_id.one(db).await? {
        return Ok(Some(row));
    }
    let by_name = of_account().filter(user::Column::Name.eq(text)).limit(2);
    let mut called = by_name.all(db).await?;
    Ok(if called.len() == 1 {
        called.pop()
    } else {
        None
    })
}

/// A user of an account.
pub(in crate::store) async fn find(
    db: &impl ConnectionTrait,
    account: &str,
    wanted: &Reference,
    locked: bool,
) -> Result<Option<user::Model>, Error> {
    let all = user::Entity::find().filter(user::Column::Account.eq(account));
    let all = match wanted {
        Reference::Id(id) => all.filter(user::Column::Id.eq(id)),
        Reference::Email(key) => all.filter(user::Column::EmailKey.eq(key)),
    };
    let all = if locked { all.lock_exclusive() } else { all };
    Ok(all.one(db).await?)
}

/// The ids of an account's active site administrators, whose rows nobody else changes meanwhile. In
/// the order of ids, so that two who ask don't wait for each other.
pub(super) async fn locked_administrators(
    tx: &DatabaseTransaction,
    account: &str,
) -> Result<Vec<String>, Error> {
    let rows = user::Entity::find()
        .filter(user::Column::Account.eq(account))
        .filter(user::Column::Active.eq(true))
        .filter(user::Column::Roles.contains(SiteRole::SiteAdministrator.name()))
        .order_by_asc(user::Column::Id)
        .lock_exclusive()
        .all(tx)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The names of a user's groups, in their order.
pub(in crate::store) async fn groups_of(
    db: &impl ConnectionTrait,
    user_id: &str,
) -> Result<Vec<String>, Error> {
    let its = member::Entity::find()
        .select_only()
        .column(member::Column::GroupId)
        .filter(member::Column::UserId.eq(user_id));
    let names = group::Entity::find()
        .select_only()
        .column(group::Column::Name)
        .filter(group::Column::Id.in_subquery(its.into_query()))
        .order_by_asc(group::Column::Name)
        .into_tuple()
        .all(db)
        .await?;
    Ok(names)
}

/// A user, as far as rights are concerned.
pub(in crate::store) fn person(row: &user::Model) -> Result<Person, Error> {
    Ok(Person {
        id: row.id.clone(),
        roles: Roles::known(&names(&row.roles)?),
        installed: row.id == administrator::ID,
    })
}

pub(super) fn changed(
    before: &user::Model,
    change: UserChange,
    now_ms: i64,
) -> Result<user::Model, Error> {
    let mut after = before.clone();
    if let Some(name) = change.name {
        after.name = name;
    }
    match change.email {
        Patch::Keep => {}
        Patch::Clear => {
            check_kind(Kind::parse(&before.kind)?, None)?;
            (after.email, after.email_key) = (None, None);
        }
        Patch::Set(email) => {
            after.email_key = Some(email.key());
            after.email = Some(email.as_str().to_owned());
        }
    }
    if let Some(active) = change.active {
        after.active = active;
    }
    if let Some(roles) = change.roles {
        after.roles = roles_column(&roles);
    }
    after.password = change.password.over(after.password);
    if after != *before {
        after.updated_at_ms = now_ms;
    }
    Ok(after)
}

pub(super) async fn save(
    tx: &DatabaseTransaction,
    before: &user::Model,
    after: &user::Model,
) -> Result<(), Error> {
    let row = user::ActiveModel {
        id: Unchanged(before.id.clone()),
        name: Set(after.name.clone()),
        email: Set(after.email.clone()),
        email_key: Set(after.email_key.clone()),
        roles: Set(after.roles.clone()),
        active: Set(after.active),
        password: Set(after.password.clone()),
        actor_external_id: Set(after.actor_external_id.clone()),
        updated_at_ms: Set(after.updated_at_ms),
        ..Default::default()
    };
    user::Entity::update(row)
        .exec_without_returning(tx)
        .await
        .map_err(|error| taken(error, after.email.as_deref()))?;
    Ok(())
}

pub(super) async fn tell(
    tx: &DatabaseTransaction,
    caller: &Caller,
    row: &user::Model,
    deed: Deed,
    now_ms: i64,
) -> Result<(), Error> {
    let changed = news::user_changed(&row.id, &row.account, &caller.actor);
    news::tell(tx, &changed, &deed.by(caller, now_ms), now_ms).await
}

pub(super) fn deed(action: &'static str, row: &user::Model) -> Deed {
    Deed {
        account: row.account.clone(),
        kind: "user",
        action,
        target_id: row.id.clone(),
        target_name: row.name.clone(),
        ..Deed::default()
    }
}

/// What a record shows of a user.
pub(super) fn portrait(row: &user::Model) -> Result<Value, Error> {
    Ok(json!({
        "name": row.name,
        "email": row.email,
        "kind": row.kind,
        "roles": names(&row.roles)?,
        "active": row.active,
        "hasPassword": row.password.is_some(),
    }))
}

pub(super) fn portrait_after(before: &user::Model, after: &user::Model) -> Result<Value, Error> {
    let mut portrait = portrait(after)?;
    if before.password != after.password {
        portrait["passwordChanged"] = true.into();
    }
    Ok(portrait)
}

pub(super) fn roles_column(roles: &Roles) -> String {
    Value::from(roles.names()).to_string()
}

pub(in crate::store) fn unknown(text: &str) -> Error {
    Error::NoUser(crate::shown(text))
}

pub(super) fn taken(error: DbErr, email: Option<&str>) -> Error {
    match (error.sql_err(), email) {
        (Some(SqlErr::UniqueConstraintViolation(_)), Some(email)) => {
            Error::EmailTaken(email.to_owned())
        }
        _ => error.into(),
    }
}
