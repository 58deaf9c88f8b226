//! What is told of a change: that it was made, to whom it matters at once, and as a record of who did
//! what.
//!
//! **Invariant:** neither a token nor a password, nor what is kept of them, is in any of it.

use contracts::message::{Actor, GroupChanged, Message, TokenChanged, UserActed, UserChanged};
use outbox::{Announcement, announce_all};
use sea_orm::DatabaseTransaction;
use serde_json::Value;

use crate::Error;
use crate::caller::Caller;

/// Something that was done to something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deed {
    /// The account of what it was done to.
    pub(crate) account: String,
    /// `user`, `group`, `token` or `secret`.
    pub(crate) kind: &'static str,
    /// The verb.
    pub(crate) action: &'static str,
    pub(crate) target_id: String,
    pub(crate) target_name: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Deed {
    /// The record of it.
    pub(crate) fn by(self, caller: &Caller, now_ms: i64) -> UserActed {
        UserActed {
            r#use: caller.usage.clone(),
            ..self.by_actor(caller.actor.clone(), now_ms)
        }
    }

    /// The record of it, where nobody called.
    pub(crate) fn by_actor(self, actor: Actor, now_ms: i64) -> UserActed {
        let side = |value: Option<Value>| value.map(|it| it.to_string()).unwrap_or_default();
        let acted = UserActed {
            account: self.account,
            actor: Some(actor),
            r#type: self.kind.into(),
            action: self.action.into(),
            target_id: self.target_id,
            target_name: self.target_name,
            at_ms: now_ms,
            ..UserActed::default()
        };
        acted.with_change(side(self.before), side(self.after))
    }
}

/// Tells of a change and who made it.
pub(crate) async fn tell(
    tx: &DatabaseTransaction,
    change: &impl Message,
    acted: &UserActed,
    now_ms: i64,
) -> Result<(), Error> {
    let both = [Announcement::of(change)?, Announcement::of(acted)?];
    Ok(announce_all(tx, both, now_ms).await?)
}

/// Tells that tokens have changed, and who changed them.
pub(crate) async fn tell_tokens(
    tx: &DatabaseTransaction,
    ids: &[String],
    acted: &UserActed,
    now_ms: i64,
) -> Result<(), Error> {
    let changed = ids.iter().map(|id| token_changed(id, acted.actor.clone()));
    let mut all = changed
        .map(|it| Announcement::of(&it))
        .collect::<Result<Vec<_>, _>>()?;
    all.push(Announcement::of(acted)?);
    Ok(announce_all(tx, all, now_ms).await?)
}

/// That a token has changed.
pub(crate) fn token_changed(id: &str, actor: Option<Actor>) -> TokenChanged {
    TokenChanged {
        token_id: id.to_owned(),
        actor,
    }
}

/// That a user has changed.
pub(crate) fn user_changed(id: &str, account: &str, actor: &Actor) -> UserChanged {
    UserChanged {
        user_id: id.to_owned(),
        account: account.to_owned(),
        actor: Some(actor.clone()),
    }
}

/// That a group has changed.
pub(crate) fn group_changed(id: &str, account: &str, actor: &Actor) -> GroupChanged {
    GroupChanged {
        group_id: id.to_owned(),
        account: account.to_owned(),
        actor: Some(actor.clone()),
    }
}
