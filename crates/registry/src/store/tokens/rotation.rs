//! A token is replaced by another one, and what follows when it is shown nevertheless.

use contracts::id::TokenId;
use contracts::message::Actor;
use runtime::config::Secret;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use serde_json::json;

use super::rows::{deed, found, full, insert, live_of, portrait, revoke, standing};
use super::{Owned, Store};
use crate::Error;
use crate::caller::Caller;
use crate::entity::{token, user};
use crate::news::{self, Deed};
use crate::token::{MOST, hash, mint, terms};

impl Store {
    /// A token is replaced by a new one of the same terms, and stays good until `until_ms`.
    pub(crate) async fn rotate_token(
        &self,
        caller: &Caller,
        id: &str,
        (overlap_ms, expiration): (i64, &str),
        now_ms: i64,
    ) -> Result<(Owned, Secret), Error> {
        let until_ms = terms::overlap(overlap_ms, now_ms)?;
        let tx = self.database.begin().await?;
        let Owned { row: old, owner } = found(&*tx, caller, id, true).await?;
        let next_id = TokenId::made_at(now_ms);
        let text = mint(&next_id, rand::random());
        check_rotation(&old, &owner, now_ms)?;
        let live = live_of(&tx, &owner.id, now_ms).await?;
        if live.len() > MOST {
            return Err(full());
        }
        let lasted = (old.created_at_ms, old.expires_at_ms);
        let expires_at_ms = terms::end_of_successor(expiration, lasted, now_ms)?;
        let row = token::Model {
            id: next_id.into(),
            hash: hash(text.expose()).to_vec(),
            created_at_ms: now_ms,
            expires_at_ms: Some(expires_at_ms),
            last_used_at_ms: None,
            ..old.clone()
        };
        insert(&tx, &row).await?;
        let replaced = token::ActiveModel {
            id: Unchanged(old.id.clone()),
            replaced_by: Set(Some(row.id.clone())),
            replaced_until_ms: Set(Some(until_ms)),
            ..Default::default()
        };
        token::Entity::update(replaced)
            .exec_without_returning(&*tx)
            .await?;
        let ids = [old.id.clone(), row.id.clone()];
        let before = Owned { row: old, owner };
        let after = Owned {
            row,
            owner: before.owner.clone(),
        };
        let deed = Deed {
            before: Some(portrait(&before)?),
            after: Some(portrait(&after)?),
            ..deed("rotate", &before)
        };
        news::tell_tokens(&tx, &ids, &deed.by(caller, now_ms), now_ms).await?;
        tx.commit().await?;
        Ok((after, text))
    }

    /// A token was shown after its time: no token of its family is good any more, and it is told.
    pub(crate) async fn revoke_family(&self, id: &str, now_ms: i64) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let Some(row) = token::Entity::find_by_id(id).one(&*tx).await? else {
            return Ok(());
        };
        let owner = user::Entity::find_by_id(&row.user_id)
            .lock_exclusive()
            .one(&*tx)
            .await?;
        let owner = owner.ok_or_else(|| Error::Row("a token without a user".into()))?;
        let family = Condition::all().add(token::Column::Family.eq(&row.family));
        let unrevoked = token::Entity::find()
            .filter(family.clone())
            .filter(token::Column::RevokedAtMs.is_null())
            .all(&*tx)
            .await?;
        let ids: Vec<String> = unrevoked.into_iter().map(|it| it.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        revoke(&tx, family, now_ms).await?;
        let owned = Owned { row, owner };
        tracing::warn!(
            token.id = owned.row.id,
            user.id = owned.owner.id,
            revoked = ids.len(),
            "a token was shown after it had been replaced: all that descend from its first are \
             revoked"
        );
        let deed = Deed {
            before: Some(portrait(&owned)?),
            after: Some(json!({"revokedTokens": ids})),
            ..deed("reuse", &owned)
        };
        let actor = Actor {
            user_id: owned.owner.id.clone(),
            name: owned.owner.name.clone(),
            token_id: owned.row.id.clone(),
            email: owned.owner.email.clone().unwrap_or_default(),
        };
        let acted = deed.by_actor(actor, now_ms);
        news::tell_tokens(&tx, &ids, &acted, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn check_rotation(old: &token::Model, owner: &user::Model, now_ms: i64) -> Result<(), Error> {
    if old.installed {
        return Err(Error::Installed);
    }
    if !owner.active {
        return Err(Error::Inactive);
    }
    if let Some(next) = &old.replaced_by {
        return Err(Error::Replaced(next.clone()));
    }
    if !standing(old).is_live(now_ms) {
        return Err(Error::TokenEnded);
    }
    Ok(())
}
