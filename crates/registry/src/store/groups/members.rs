//! Who is in a group.

use std::collections::BTreeSet;

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _,
};

use super::super::users::{find, unknown};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{member, user};
use crate::group::{MOST_MEMBERS, MOST_OF_USER};
use crate::user::Reference;

/// The ids of these users of the caller's account; all of them or none.
pub(super) async fn users(
    db: &impl ConnectionTrait,
    caller: &Caller,
    texts: &[String],
) -> Result<BTreeSet<String>, Error> {
    check_count(texts.len())?;
    let mut ids = BTreeSet::new();
    for text in texts {
        let wanted = Reference::parse(text, caller.id());
        let row = find(db, &caller.account, &wanted, false).await?;
        ids.insert(row.ok_or_else(|| unknown(text))?.id);
    }
    Ok(ids)
}

pub(super) async fn set_members(
    tx: &DatabaseTransaction,
    group_id: &str,
    old: &BTreeSet<String>,
    new: &BTreeSet<String>,
) -> Result<(), Error> {
    let gone: Vec<&String> = old.difference(new).collect();
    if !gone.is_empty() {
        member::Entity::delete_many()
            .filter(member::Column::GroupId.eq(group_id))
            .filter(member::Column::UserId.is_in(gone))
            .exec(tx)
            .await?;
    }
    for user_id in new.difference(old) {
        let its = member::Entity::find().filter(member::Column::UserId.eq(user_id));
        if its.count(tx).await? >= MOST_OF_USER {
            return Err(Error::Full {
                whose: "a member",
                what: "groups",
                most: MOST_OF_USER,
            });
        }
        let row = member::ActiveModel {
            group_id: Set(group_id.to_owned()),
            user_id: Set(user_id.clone()),
        };
        member::Entity::insert(row)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn member_ids(
    db: &impl ConnectionTrait,
    group_id: &str,
) -> Result<BTreeSet<String>, Error> {
    let rows = member::Entity::find().filter(member::Column::GroupId.eq(group_id));
    let rows = rows.all(db).await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

pub(super) async fn members_of(
    db: &impl ConnectionTrait,
    group_id: &str,
) -> Result<Vec<user::Model>, Error> {
    let ids = member_ids(db, group_id).await?;
    let rows = user::Entity::find()
        .filter(user::Column::Id.is_in(ids))
        .order_by_asc(user::Column::Number);
    Ok(rows.all(db).await?)
}

pub(super) fn check_count(members: usize) -> Result<(), Error> {
    if members <= MOST_MEMBERS {
        return Ok(());
    }
    Err(Error::Full {
        whose: "a group",
        what: "members",
        most: MOST_MEMBERS as u64,
    })
}
