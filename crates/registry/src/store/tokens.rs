//! Tokens: made, shown, replaced, ended.
//!
//! **Invariant:** whoever changes a user's tokens has locked the user's row before.

use contracts::id::TokenId;
use runtime::config::Secret;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use serde_json::{Value, json};

use super::users::groups_of;
use super::{Bearer, Store, names};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{token, user};
use crate::news::{self, Deed};
use crate::token::{Hash, Shown, hash, mint};

mod rotation;
mod rows;

pub(crate) use rows::standing;
use rows::{
    check_room, deed, found, insert, is_live, live_of, locked_owner, owner, portrait, revoke,
};

/// A token to be made.
pub(crate) struct NewToken {
    /// Whose it is to be.
    pub(crate) user: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at_ms: i64,
    pub(crate) cidrs: Vec<String>,
}

/// A token and whose it is.
pub(crate) struct Owned {
    pub(crate) row: token::Model,
    pub(crate) owner: user::Model,
}

/// What became of a token that was shown.
pub(crate) enum Presented {
    Good(Box<Bearer>),
    Refused,
    /// It was replaced, and its time is over: the id.
    Reused(String),
}

impl Store {
    /// What becomes of the token of this hash at `now_ms`.
    pub(crate) async fn presented(&self, hash: Hash, now_ms: i64) -> Result<Presented, Error> {
        let reader = self.database.reader();
        let row = token::Entity::find()
            .filter(token::Column::Hash.eq(hash.to_vec()))
            .one(reader)
            .await?;
        let Some(row) = row else {
            return Ok(Presented::Refused);
        };
        let standing = standing(&row);
        match standing.shown(now_ms) {
            Shown::Good => {}
            Shown::Ended => return Ok(Presented::Refused),
            Shown::Reused => return Ok(Presented::Reused(row.id)),
        }
        let owner = user::Entity::find_by_id(&row.user_id).one(reader).await?;
        let Some(owner) = owner.filter(|it| it.active) else {
            return Ok(Presented::Refused);
        };
        let groups = groups_of(reader, &owner.id).await?;
        Ok(Presented::Good(Box::new(Bearer {
            token_id: row.id,
            token_name: row.name,
            scopes: names(&row.scopes)?,
            cidrs: names(&row.cidrs)?,
            expires_at_ms: standing.until_ms(),
            last_used_at_ms: row.last_used_at_ms,
            ..Bearer::of(owner, groups)?
        })))
    }

    /// There is one token more; its text is answered here and never again.
    pub(crate) async fn create_token(
        &self,
        caller: &Caller,
        new: NewToken,
        now_ms: i64,
    ) -> Result<(Owned, Secret), Error> {
        let tx = self.database.begin().await?;
        let owner = locked_owner(&tx, caller, &new.account, &new.user).await?;
        if !owner.active {
            return Err(Error::Inactive);
        }
        let live = live_of(&tx, &owner.id, now_ms).await?;
        check_room(&live, &new.name)?;
        let id = TokenId::made_at(now_ms);
        let text = mint(&id, rand::random());
        let row = token::Model {
            family: id.as_str().to_owned(),
            id: id.into(),
            user_id: owner.id.clone(),
            hash: hash(text.expose()).to_vec(),
            scopes: Value::from(new.scopes).to_string(),
            installed: false,
            created_at_ms: now_ms,
            expires_at_ms: Some(new.expires_at_ms),
            revoked_at_ms: None,
            name: new.name,
            cidrs: Value::from(new.cidrs).to_string(),
            last_used_at_ms: None,
            replaced_by: None,
            replaced_until_ms: None,
        };
        insert(&tx, &row).await?;
        let owned = Owned { row, owner };
        let deed = Deed {
            after: Some(portrait(&owned)?),
            ..deed("create", &owned)
        };
        let ids = [owned.row.id.clone()];
        news::tell_tokens(&tx, &ids, &deed.by(caller, now_ms), now_ms).await?;
        tx.commit().await?;
        Ok((owned, text))
    }

    /// Up to `limit` tokens of a user, the newest first, with ids before `before` unless it is empty.
    pub(crate) async fn tokens(
        &self,
        caller: &Caller,
        user: &str,
        (before, limit): (&str, u64),
        now_ms: Option<i64>,
    ) -> Result<Vec<Owned>, Error> {
        let reader = self.database.reader();
        let owner = owner(reader, caller, &caller.account, user, false).await?;
        let mut all = token::Entity::find().filter(token::Column::UserId.eq(&owner.id));
        if !before.is_empty() {
            all = all.filter(token::Column::Id.lt(before));
        }
        if let Some(now_ms) = now_ms {
            all = all.filter(is_live(now_ms));
        }
        let rows = all
            .order_by_desc(token::Column::Id)
            .limit(limit)
            .all(reader)
            .await?;
        let owned = |row| Owned {
            row,
            owner: owner.clone(),
        };
        Ok(rows.into_iter().map(owned).collect())
    }

    /// A token whose owner's tokens the caller may see.
    pub(crate) async fn token(&self, caller: &Caller, id: &str) -> Result<Owned, Error> {
        found(self.database.reader(), caller, id, false).await
    }

    /// A token is good no more.
    pub(crate) async fn revoke_token(
        &self,
        caller: &Caller,
        id: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let mut owned = found(&*tx, caller, id, true).await?;
        if owned.row.installed && owned.row.revoked_at_ms.is_none() {
            return Err(Error::Installed);
        }
        if owned.row.revoked_at_ms.is_none() {
            let ids = [owned.row.id.clone()];
            revoke(&tx, Condition::all().add(token::Column::Id.eq(id)), now_ms).await?;
            let before = portrait(&owned)?;
            owned.row.revoked_at_ms = Some(now_ms);
            let deed = Deed {
                before: Some(before),
                ..deed("revoke", &owned)
            };
            news::tell_tokens(&tx, &ids, &deed.by(caller, now_ms), now_ms).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// No token of a user is good any more but the installed one. Answers how many were.
    pub(crate) async fn revoke_tokens(
        &self,
        caller: &Caller,
        user: &str,
        now_ms: i64,
    ) -> Result<usize, Error> {
        let tx = self.database.begin().await?;
        let owner = locked_owner(&tx, caller, &caller.account, user).await?;
        let live = live_of(&tx, &owner.id, now_ms).await?;
        let live = live.into_iter().filter(|row| !row.installed);
        let ids: Vec<String> = live.map(|row| row.id).collect();
        if !ids.is_empty() {
            let these = Condition::all().add(token::Column::Id.is_in(&ids));
            revoke(&tx, these, now_ms).await?;
            let deed = Deed {
                account: owner.account,
                kind: "user",
                action: "revoke",
                target_id: owner.id,
                target_name: owner.name,
                after: Some(json!({"revokedTokens": ids})),
                ..Deed::default()
            };
            news::tell_tokens(&tx, &ids, &deed.by(caller, now_ms), now_ms).await?;
        }
        tx.commit().await?;
        Ok(ids.len())
    }

    /// These tokens were used just now. No record, and no news.
    pub(crate) async fn used(&self, ids: &[String], now_ms: i64) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        token::Entity::update_many()
            .col_expr(token::Column::LastUsedAtMs, Expr::value(now_ms))
            .filter(token::Column::Id.is_in(ids))
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Removes some of the tokens that ended before `before_ms`; answers whether there may be more.
    pub(crate) async fn prune_tokens(&self, before_ms: i64) -> Result<bool, Error> {
        /// Tokens removed a transaction.
        const AT_ONCE: u64 = 500;
        let ended = Condition::any()
            .add(token::Column::RevokedAtMs.lt(before_ms))
            .add(token::Column::ExpiresAtMs.lt(before_ms))
            .add(token::Column::ReplacedUntilMs.lt(before_ms));
        let ids: Vec<String> = token::Entity::find()
            .select_only()
            .column(token::Column::Id)
            .filter(ended)
            .limit(AT_ONCE)
            .into_tuple()
            .all(self.database.reader())
            .await?;
        if ids.is_empty() {
            return Ok(false);
        }
        let tx = self.database.begin().await?;
        token::Entity::delete_many()
            .filter(token::Column::Id.is_in(&ids))
            .exec(&*tx)
            .await?;
        tx.commit().await?;
        Ok(ids.len() as u64 == AT_ONCE)
    }
}
