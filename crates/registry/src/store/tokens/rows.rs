//! Rows of tokens: found, judged, written, shown in records.

use contracts::id::is_object_id;
use jiff::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    QueryFilter as _,
};
use serde_json::{Value, json};

use super::super::names;
use super::super::users::{find, person, unknown as unknown_user};
use super::Owned;
use crate::Error;
use crate::authority::Wish;
use crate::caller::Caller;
use crate::entity::{token, user};
use crate::news::Deed;
use crate::token::{MOST, Standing};
use crate::user::Reference;

/// Where a token stands.
pub(crate) fn standing(row: &token::Model) -> Standing {
    Standing {
        expires_at_ms: row.expires_at_ms,
        revoked_at_ms: row.revoked_at_ms,
        replaced_until_ms: row.replaced_until_ms,
    }
}

/// [`Standing::is_live`], asked of the store.
pub(super) fn is_live(now_ms: i64) -> Condition {
    let open = |column: token::Column| {
        Condition::any()
            .add(column.is_null())
            .add(column.gt(now_ms))
    };
    Condition::all()
        .add(token::Column::RevokedAtMs.is_null())
        .add(open(token::Column::ExpiresAtMs))
        .add(open(token::Column::ReplacedUntilMs))
}

pub(super) async fn live_of(
    tx: &DatabaseTransaction,
    user_id: &str,
    now_ms: i64,
) -> Result<Vec<token::Model>, Error> {
    let live = token::Entity::find()
        .filter(token::Column::UserId.eq(user_id))
        .filter(is_live(now_ms));
    Ok(live.all(tx).await?)
}

/// Refuses one live token too many, and a name that one has which was not replaced.
pub(super) fn check_room(live: &[token::Model], name: &str) -> Result<(), Error> {
    if live.len() >= MOST {
        return Err(full());
    }
    let is_taken = |row: &token::Model| row.name == name && row.replaced_by.is_none();
    if live.iter().any(is_taken) {
        return Err(Error::TokenTaken(name.to_owned()));
    }
    Ok(())
}

pub(super) fn full() -> Error {
    Error::Full {
        whose: "the user",
        what: "tokens that are good",
        most: MOST as u64,
    }
}

/// The user whose tokens are meant, if the caller may see them.
pub(super) async fn owner(
    db: &impl ConnectionTrait,
    caller: &Caller,
    account: &str,
    text: &str,
    locked: bool,
) -> Result<user::Model, Error> {
    let wanted = Reference::parse(text, caller.id());
    let row = find(db, account, &wanted, locked).await?;
    let row = row.ok_or_else(|| unknown_user(text))?;
    let owner = person(&row)?;
    caller.may(&Wish::Tokens(&owner), || unknown_user(text))?;
    Ok(row)
}

pub(super) async fn locked_owner(
    tx: &DatabaseTransaction,
    caller: &Caller,
    account: &str,
    text: &str,
) -> Result<user::Model, Error> {
    owner(tx, caller, account, text, true).await
}

/// A token of the caller's account whose owner's tokens the caller may see. `locked`: the owner's row
/// is locked first, and the token is read as it is then.
pub(super) async fn found(
    db: &impl ConnectionTrait,
    caller: &Caller,
    id: &str,
    locked: bool,
) -> Result<Owned, Error> {
    let unknown = || Error::NoToken(crate::shown(id));
    if !is_object_id(id) {
        return Err(unknown());
    }
    let row = token::Entity::find_by_id(id).one(db).await?;
    let row = row.ok_or_else(unknown)?;
    let its = Reference::Id(row.user_id.clone());
    let owner = find(db, &caller.account, &its, locked).await?;
    let owner = owner.ok_or_else(unknown)?;
    caller.may(&Wish::Tokens(&person(&owner)?), unknown)?;
    if !locked {
        return Ok(Owned { row, owner });
    }
    let row = token::Entity::find_by_id(id).one(db).await?;
    let row = row.ok_or_else(unknown)?;
    Ok(Owned { row, owner })
}

pub(super) async fn insert(tx: &DatabaseTransaction, row: &token::Model) -> Result<(), Error> {
    token::Entity::insert(token::ActiveModel::from(row.clone()))
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

pub(super) async fn revoke(
    tx: &DatabaseTransaction,
    which: Condition,
    now_ms: i64,
) -> Result<(), Error> {
    token::Entity::update_many()
        .col_expr(token::Column::RevokedAtMs, Expr::value(now_ms))
        .filter(which)
        .filter(token::Column::RevokedAtMs.is_null())
        .exec(tx)
        .await?;
    Ok(())
}

pub(super) fn deed(action: &'static str, owned: &Owned) -> Deed {
    Deed {
        account: owned.owner.account.clone(),
        kind: "token",
        action,
        target_id: owned.row.id.clone(),
        target_name: owned.row.name.clone(),
        ..Deed::default()
    }
}

/// What a record shows of a token.
pub(super) fn portrait(owned: &Owned) -> Result<Value, Error> {
    let Owned { row, owner } = owned;
    let end = row
        .expires_at_ms
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    Ok(json!({
        "id": row.id,
        "user": owner.id,
        "name": row.name,
        "scope": names(&row.scopes)?.join(" "),
        "cidrs": names(&row.cidrs)?,
        "expiresAt": end.map(|it| it.to_string()),
    }))
}
