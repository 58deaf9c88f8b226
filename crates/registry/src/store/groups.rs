//! Groups and their members.

use std::collections::{BTreeSet, HashMap};

use contracts::id::{GroupId, is_object_id};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, SqlErr,
};
use serde_json::{Value, json};

use super::Store;
use crate::Error;
use crate::authority::Wish;
use crate::caller::Caller;
use crate::entity::{group, member, user};
use crate::group::{MOST, checked_name};
use crate::news::{self, Deed};

mod members;

use members::{check_count, member_ids, members_of, set_members, users};

/// A group and who is in it.
pub(crate) struct Whole {
    pub(crate) row: group::Model,
    pub(crate) members: Vec<user::Model>,
}

impl Store {
    /// A group is called and has members as said; what isn't said stays. Answers whether it is new.
    pub(crate) async fn put_group(
        &self,
        caller: &Caller,
        text: &str,
        (name, members): (Option<String>, Option<Vec<String>>),
        now_ms: i64,
    ) -> Result<(Whole, bool), Error> {
        caller.may(&Wish::Group, || Error::Account)?;
        let tx = self.database.begin().await?;
        let found = find_group(&*tx, &caller.account, text, true).await?;
        let created = found.is_none();
        let before = match found {
            Some(row) => row,
            None => insert(&tx, caller, text, now_ms).await?,
        };
        let old = member_ids(&*tx, &before.id).await?;
        let new = match members {
            Some(texts) => users(&*tx, caller, &texts).await?,
            None => old.clone(),
        };
        let after = group::Model {
            name: name
                .as_deref()
                .map_or(Ok(before.name.clone()), checked_name)?,
            ..before.clone()
        };
        if created || after != before || new != old {
            let after = save(&tx, &after, now_ms).await?;
            set_members(&tx, &after.id, &old, &new).await?;
            let before = (!created).then(|| portrait(&before, &old));
            let action = if created { "create" } else { "update" };
            let deed = Deed {
                before,
                after: Some(portrait(&after, &new)),
                ..deed(action, &after)
            };
            tell(&tx, caller, &after, deed, now_ms).await?;
        }
        let row = find_group(&*tx, &caller.account, &after.id, false).await?;
        let row = row.ok_or_else(|| unknown(text))?;
        let members = members_of(&*tx, &row.id).await?;
        tx.commit().await?;
        Ok((Whole { row, members }, created))
    }

    /// A group is no more, and nobody is in it.
    pub(crate) async fn delete_group(
        &self,
        caller: &Caller,
        text: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        caller.may(&Wish::Group, || Error::Account)?;
        let tx = self.database.begin().await?;
        let row = find_group(&*tx, &caller.account, text, true).await?;
        let row = row.ok_or_else(|| unknown(text))?;
        let old = member_ids(&*tx, &row.id).await?;
        member::Entity::delete_many()
            .filter(member::Column::GroupId.eq(&row.id))
            .exec(&*tx)
            .await?;
        group::Entity::delete_by_id(&row.id).exec(&*tx).await?;
        let deed = Deed {
            before: Some(portrait(&row, &old)),
            ..deed("delete", &row)
        };
        tell(&tx, caller, &row, deed, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A user is in a group, or is not.
    pub(crate) async fn set_member(
        &self,
        caller: &Caller,
        (text, user): (&str, &str),
        is_member: bool,
        now_ms: i64,
    ) -> Result<(), Error> {
        caller.may(&Wish::Group, || Error::Account)?;
        let tx = self.database.begin().await?;
        let row = find_group(&*tx, &caller.account, text, true).await?;
        let row = row.ok_or_else(|| unknown(text))?;
        let id = users(&*tx, caller, &[user.to_owned()]).await?;
        let old = member_ids(&*tx, &row.id).await?;
        let new: BTreeSet<String> = if is_member {
            old.union(&id).cloned().collect()
        } else {
            old.difference(&id).cloned().collect()
        };
        if new != old {
            check_count(new.len())?;
            let row = save(&tx, &row, now_ms).await?;
            set_members(&tx, &row.id, &old, &new).await?;
            let deed = Deed {
                before: Some(portrait(&row, &old)),
                after: Some(portrait(&row, &new)),
                ..deed("update", &row)
            };
            tell(&tx, caller, &row, deed, now_ms).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Up to `limit` groups of the caller's account by name, after `after`, each with the number of
    /// its members.
    pub(crate) async fn groups(
        &self,
        caller: &Caller,
        after: &str,
        limit: u64,
    ) -> Result<Vec<(group::Model, u32)>, Error> {
        caller.may(&Wish::List, || Error::Account)?;
        let reader = self.database.reader();
        let page = group::Entity::find()
            .filter(group::Column::Account.eq(&caller.account))
            .filter(group::Column::Name.gt(after))
            .order_by_asc(group::Column::Name)
            .limit(limit)
            .all(reader)
            .await?;
        let ids = page.iter().map(|row| row.id.as_str());
        let counts: Vec<(String, i64)> = member::Entity::find()
            .select_only()
            .column(member::Column::GroupId)
            .column_as(member::Column::UserId.count(), "members")
            .filter(member::Column::GroupId.is_in(ids))
            .group_by(member::Column::GroupId)
            .into_tuple()
            .all(reader)
            .await?;
        let counts: HashMap<String, i64> = counts.into_iter().collect();
        let count = |row: &group::Model| {
            let count = counts.get(&row.id).copied().unwrap_or_default();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        Ok(page
            .into_iter()
            .map(|row| (row.clone(), count(&row)))
            .collect())
    }

    /// A group of the caller's account.
    pub(crate) async fn group(&self, caller: &Caller, text: &str) -> Result<Whole, Error> {
        caller.may(&Wish::List, || Error::Account)?;
        let reader = self.database.reader();
        let row = find_group(reader, &caller.account, text, false).await?;
        let row = row.ok_or_else(|| unknown(text))?;
        let members = members_of(reader, &row.id).await?;
        Ok(Whole { row, members })
    }
}

async fn find_group(
    db: &impl ConnectionTrait,
    account: &str,
    text: &str,
    locked: bool,
) -> Result<Option<group::Model>, Error> {
    let column = if is_object_id(text) {
        group::Column::Id
    } else {
        group::Column::Name
    };
    let all = group::Entity::find()
        .filter(group::Column::Account.eq(account))
        .filter(column.eq(text));
    let all = if locked { all.lock_exclusive() } else { all };
    Ok(all.one(db).await?)
}

/// Makes an empty group of this name; an id that no group has makes none.
async fn insert(
    tx: &DatabaseTransaction,
    caller: &Caller,
    text: &str,
    now_ms: i64,
) -> Result<group::Model, Error> {
    if is_object_id(text) {
        return Err(unknown(text));
    }
    let name = checked_name(text)?;
    let of_account = group::Entity::find().filter(group::Column::Account.eq(&caller.account));
    if of_account.count(tx).await? >= MOST {
        return Err(Error::Full {
            whose: "the account",
            what: "groups",
            most: MOST,
        });
    }
    let row = group::Model {
        id: GroupId::made_at(now_ms).into(),
        account: caller.account.clone(),
        name,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    group::Entity::insert(group::ActiveModel::from(row.clone()))
        .exec_without_returning(tx)
        .await
        .map_err(|error| taken(error, &row.name))?;
    Ok(row)
}

async fn save(
    tx: &DatabaseTransaction,
    row: &group::Model,
    now_ms: i64,
) -> Result<group::Model, Error> {
    let saved = group::ActiveModel {
        id: Unchanged(row.id.clone()),
        name: Set(row.name.clone()),
        updated_at_ms: Set(now_ms),
        ..Default::default()
    };
    group::Entity::update(saved)
        .exec_without_returning(tx)
        .await
        .map_err(|error| taken(error, &row.name))?;
    Ok(group::Model {
        updated_at_ms: now_ms,
        ..row.clone()
    })
}

async fn tell(
    tx: &DatabaseTransaction,
    caller: &Caller,
    row: &group::Model,
    deed: Deed,
    now_ms: i64,
) -> Result<(), Error> {
    let changed = news::group_changed(&row.id, &row.account, &caller.actor);
    news::tell(tx, &changed, &deed.by(caller, now_ms), now_ms).await
}

fn deed(action: &'static str, row: &group::Model) -> Deed {
    Deed {
        account: row.account.clone(),
        kind: "group",
        action,
        target_id: row.id.clone(),
        target_name: row.name.clone(),
        ..Deed::default()
    }
}

/// What a record shows of a group.
fn portrait(row: &group::Model, members: &BTreeSet<String>) -> Value {
    json!({"name": row.name, "members": members})
}

fn unknown(text: &str) -> Error {
    Error::NoGroup(crate::shown(text))
}

fn taken(error: DbErr, name: &str) -> Error {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => Error::GroupTaken(name.to_owned()),
        _ => error.into(),
    }
}
