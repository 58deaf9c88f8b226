//! What users did, and uses of tokens.
//!
//! A change tells the use of the token that brought it about, and the gateway tells of the same use
//! after its answer. Whichever is heard first is the record, which is not changed any more: the
//! gateway's has the status of the answer besides, the change's is there even if the gateway never
//! gets to tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contracts::id::is_object_id;
use contracts::message::{Message as _, TokenUsed, UserActed};
use outbox::{Deaf, Hear, Heard};
use runtime::{Bell, clock};
use sea_orm::DatabaseTransaction;
use sha2::{Digest as _, Sha256};

use crate::ledger::{Action, TokenUse};
use crate::store::{Due, Records, Store};

/// What became of a use of which a change tells.
const ACCEPTED: &str = "accepted";
/// The end of the year 9999: no answer can say a later time.
const LAST_MS: i64 = 253_402_300_799_999;

/// Keeps records. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    store: Store,
    /// Rung when so many records were kept that a chain may be due to be signed.
    bell: Bell,
    due: Due,
    kept: Arc<AtomicUsize>,
}

impl Ledger {
    /// Keeps in `store`, and rings `bell` when chains may be `due`.
    pub(crate) fn new(store: Store, due: Due, bell: Bell) -> Self {
        Self {
            store,
            bell,
            due,
            kept: Arc::default(),
        }
    }

    /// Keeps what these messages tell of records, in their transaction.
    pub(super) async fn keep(
        &self,
        tx: &DatabaseTransaction,
        messages: &[Heard],
    ) -> Result<(), Deaf> {
        let mut records = Records::default();
        for message in messages {
            match message.kind.as_str() {
                UserActed::TYPE => acted(message, &mut records)?,
                TokenUsed::TYPE => used(message, &mut records)?,
                _ => {}
            }
        }
        let kept = self.store.append(tx, records, clock::now_ms()).await?;
        metrics::counter!("penstock_audit_records_total").increment(kept as u64);
        Ok(())
    }

    /// Notes that so many were kept.
    pub(super) fn kept(&self, count: usize) {
        let most = usize::try_from(self.due.records).unwrap_or(usize::MAX);
        if self.kept.fetch_add(count, Ordering::Relaxed) + count >= most {
            self.kept.store(0, Ordering::Relaxed);
            self.bell.ring();
        }
    }
}

impl Hear for Ledger {
    async fn hear(&self, tx: &DatabaseTransaction, messages: &[Heard]) -> Result<(), Deaf> {
        self.keep(tx, messages).await
    }

    fn heard(&self, messages: &[Heard]) {
        self.kept(messages.len());
    }
}

fn acted(message: &Heard, records: &mut Records) -> Result<(), Deaf> {
    let acted: UserActed = message.decode()?;
    let (actor, used) = (
        acted.actor.unwrap_or_default(),
        acted.r#use.unwrap_or_default(),
    );
    let has_use = is_object_id(&used.id);
    let action = Action {
        id: identity(&message.id, acted.at_ms),
        user_id: actor.user_id.clone(),
        user_name: actor.name,
        user_email: actor.email,
        token_id: actor.token_id.clone(),
        kind: acted.r#type,
        action: acted.action,
        target_id: acted.target_id,
        target_name: acted.target_name,
        before_json: acted.before_json,
        after_json: acted.after_json,
        at_ms: acted.at_ms,
        use_id: if has_use {
            used.id.clone()
        } else {
            String::new()
        },
    };
    check(&acted.account, acted.at_ms, &action.texts())?;
    if has_use {
        let token_use = TokenUse {
            id: used.id,
            token_id: actor.token_id,
            user_id: actor.user_id,
            scope: used.scope,
            target: used.target,
            outcome: ACCEPTED.into(),
            ip: used.ip,
            user_agent: used.user_agent,
            http_status: 0,
            at_ms: acted.at_ms,
        };
        check(&acted.account, acted.at_ms, &token_use.texts())?;
        records.uses.push((acted.account.clone(), token_use));
    }
    records.actions.push((acted.account, action));
    Ok(())
}

fn used(message: &Heard, records: &mut Records) -> Result<(), Deaf> {
    let used: TokenUsed = message.decode()?;
    // Nobody's token: whoever guesses tokens could fill the store, so they are only counted.
    if used.account.is_empty() && used.user_id.is_empty() {
        metrics::counter!("penstock_access_unknown_total").increment(1);
        return Ok(());
    }
    let id = if used.use_id.is_empty() {
        &message.id
    } else {
        &used.use_id
    };
    let token_use = TokenUse {
        id: identity(id, used.at_ms),
        token_id: used.token_id,
        user_id: used.user_id,
        scope: used.scope,
        target: used.target,
        outcome: used.outcome,
        ip: used.ip,
        user_agent: used.user_agent,
        http_status: used.http_status,
        at_ms: used.at_ms,
    };
    check(&used.account, used.at_ms, &token_use.texts())?;
    records.uses.push((used.account, token_use));
    Ok(())
}

/// The permanent id of what a message tells: the message's own, unless that can't be one.
fn identity(id: &str, at_ms: i64) -> String {
    if is_object_id(id) {
        return id.to_owned();
    }
    let seconds = u32::try_from(at_ms / 1000).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(id));
    format!("{seconds:08x}{}", digest.get(..16).unwrap_or_default())
}

/// Refuses what no store takes.
fn check(account: &str, at_ms: i64, texts: &[&str]) -> Result<(), Deaf> {
    if !(0..=LAST_MS).contains(&at_ms) {
        return Err(Deaf::AtFault(
            "at_ms is not a time between 1970 and 9999".into(),
        ));
    }
    if account.contains('\0') || texts.iter().any(|it| it.contains('\0')) {
        return Err(Deaf::AtFault("a text holds U+0000".into()));
    }
    Ok(())
}
