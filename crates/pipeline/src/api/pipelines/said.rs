//! What requests say, checked before anything is asked of the store. Pure.

use contracts::id::is_object_id;
use contracts::pipeline as wire;

use crate::Error;
use crate::record::from_json;
use crate::store::{Ask, Origin, Owner};

/// A stored definition under another name.
pub(super) fn renamed(definition: &str, name: &str) -> Result<String, Error> {
    let mut definition: serde_json::Map<String, serde_json::Value> = from_json(definition)?;
    definition.insert("name".into(), name.into());
    Ok(serde_json::Value::Object(definition).to_string())
}

/// The number of a cursor of ours.
pub(super) fn number(text: &str) -> Result<Option<i64>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::Invalid("the cursor is not one of an earlier answer".into());
    text.parse().map(Some).map_err(|_| wrong())
}

/// Whose a pipeline or a run is to be.
pub(super) fn told_owner(told: wire::Owner) -> Result<Owner, Error> {
    if !is_object_id(&told.user_id) {
        return Err(Error::Invalid("an owner is named by a user's id".into()));
    }
    let actor = bounded("actor", told.actor, 255)?;
    Ok(Owner {
        user_id: told.user_id,
        name: bounded("owner's name", told.name, 256)?,
        actor: Some(actor).filter(|it| !it.is_empty()),
    })
}

/// What a gate of a run is to ask, if that is said.
pub(super) fn ask(gate: String, message: String) -> Result<Option<Ask>, Error> {
    let step = bounded("gate", gate, 64)?;
    let message = bounded("message", message, 500)?;
    Ok((!message.is_empty()).then_some(Ask { step, message }))
}

/// A user's key and a minted one have namespaces of their own.
pub(super) fn origin(key: String, fingerprint: String, given: bool) -> Result<Origin, Error> {
    if key.is_empty() {
        return Err(Error::Invalid("a start needs a key".into()));
    }
    let key = bounded("idempotency key", key, 255)?;
    let fingerprint = bounded("fingerprint", fingerprint, 64)?;
    let space = if given { "given" } else { "minted" };
    Ok(Origin {
        key: format!("{space}:{key}"),
        fingerprint,
    })
}

/// A text that every store can keep.
pub(in crate::api) fn bounded(what: &str, text: String, most: usize) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(Error::Invalid(format!(
            "the {what} holds U+0000: leave it out"
        )));
    }
    if text.chars().count() > most {
        return Err(Error::Invalid(format!(
            "the {what} is longer than {most} characters"
        )));
    }
    Ok(text)
}

/// The two integers of a cursor of ours.
pub(super) fn cursor(text: &str) -> Result<Option<(i64, i64)>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text
        .split_once('.')
        .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    let wrong = || Error::Invalid("the cursor is not one of an earlier answer".into());
    parsed.map(Some).ok_or_else(wrong)
}
