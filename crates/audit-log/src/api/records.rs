//! Records of who did what, between the wire and the store.

use contracts::audit::{
    AuditKey, ListActionsResponse, ListAuditKeysResponse, ListTokenUsesResponse, RecordFilter,
    TokenUse as ToldUse, UserAction,
};

use super::limit;
use crate::Error;
use crate::entity::key;
use crate::ledger::{Action, TokenUse};
use crate::store::{Sieve, Slice};

/// A time from which, and one before which.
pub(super) type Times = (Option<i64>, Option<i64>);

/// What is asked for.
pub(super) fn sieve(filter: RecordFilter) -> Result<Sieve, Error> {
    let (from_ms, to_ms) = times(filter.from_ms, filter.to_ms)?;
    let cursor = Some(filter.cursor).filter(|it| !it.is_empty());
    Ok(Sieve {
        account: filter.account,
        from_ms,
        to_ms,
        before: cursor.map(|it| it.parse()).transpose()?,
        user: filter.user,
        kind: filter.r#type,
        action: filter.action,
        target: filter.target,
        scope: filter.scope,
        token: filter.token,
        outcome: filter.outcome,
        limit: limit(filter.limit)?,
    })
}

/// Two times, of which 0 is none.
pub(super) fn times(from_ms: i64, to_ms: i64) -> Result<Times, Error> {
    let is_wrong = from_ms < 0 || to_ms < 0 || (to_ms > 0 && to_ms < from_ms);
    if is_wrong {
        return Err(Error::Times);
    }
    let some = |ms: i64| (ms > 0).then_some(ms);
    Ok((some(from_ms), some(to_ms)))
}

pub(super) fn actions(account: &str, slice: Slice<Action>) -> ListActionsResponse {
    let action = |it: Action| UserAction {
        id: it.id,
        account: account.to_owned(),
        user_id: it.user_id,
        user_name: it.user_name,
        user_email: it.user_email,
        token_id: it.token_id,
        r#type: it.kind,
        action: it.action,
        target_id: it.target_id,
        target_name: it.target_name,
        before_json: it.before_json,
        after_json: it.after_json,
        at_ms: it.at_ms,
        use_id: it.use_id,
    };
    ListActionsResponse {
        actions: slice.records.into_iter().map(action).collect(),
        next: slice.next.map(|it| it.to_string()).unwrap_or_default(),
    }
}

pub(super) fn token_uses(account: &str, slice: Slice<TokenUse>) -> ListTokenUsesResponse {
    let token_use = |it: TokenUse| ToldUse {
        id: it.id,
        account: account.to_owned(),
        token_id: it.token_id,
        user_id: it.user_id,
        scope: it.scope,
        target: it.target,
        outcome: it.outcome,
        ip: it.ip,
        user_agent: it.user_agent,
        http_status: it.http_status,
        at_ms: it.at_ms,
    };
    ListTokenUsesResponse {
        uses: slice.records.into_iter().map(token_use).collect(),
        next: slice.next.map(|it| it.to_string()).unwrap_or_default(),
    }
}

pub(super) fn keys(keys: Vec<key::Model>) -> ListAuditKeysResponse {
    let key = |it: key::Model| AuditKey {
        id: it.key_id,
        public_key: it.public_key,
        at_ms: it.at_ms,
    };
    ListAuditKeysResponse {
        keys: keys.into_iter().map(key).collect(),
    }
}
