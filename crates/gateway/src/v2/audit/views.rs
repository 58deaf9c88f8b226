//! What the answers look like.

use contracts::audit::{AuditKey, TokenUse, UserAction};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::{Person, some};
use crate::time::Time;

/// What somebody did something to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTarget)]
struct Target {
    id: String,
    name: String,
}

/// What a user did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditAction)]
pub(super) struct ActionView {
    id: String,
    at: Time,
    user: Person,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The id of the token that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The kind of object.
    r#type: String,
    /// The verb.
    action: String,
    target: Target,
    /// The object before an edit; absent where it says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    before: Option<Box<RawValue>>,
    /// The object after an edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    after: Option<Box<RawValue>>,
    /// The id of the use of the token that brought it about.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    token_use: Option<String>,
}

/// A page of user actions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActions)]
pub(crate) struct Actions {
    pub(super) actions: Vec<ActionView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A use of a token: one request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditTokenUse)]
pub(super) struct UseView {
    id: String,
    at: Time,
    /// The token's id.
    token: String,
    /// The user's id.
    user: String,
    /// The scope that opened the route, or those of the token where none did.
    scope: String,
    /// Method and path.
    target: String,
    /// The HTTP status and the reason of a refusal, or `accepted` of a use that a change told of
    /// before the gateway did.
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

/// A page of uses of tokens, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditTokenUses)]
pub(crate) struct Uses {
    pub(super) uses: Vec<UseView>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A public key that signs record chains.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditKey)]
pub(super) struct KeyView {
    /// As checkpoints name it.
    id: String,
    /// Ed25519, 64 hex digits.
    public_key: String,
    /// When it was first used.
    since: Time,
}

/// All keys, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditKeys)]
pub(crate) struct Keys {
    pub(super) keys: Vec<KeyView>,
}

impl ActionView {
    pub(super) fn of(told: UserAction) -> Self {
        Self {
            id: told.id,
            at: Time::at(told.at_ms),
            user: Person {
                id: told.user_id,
                name: told.user_name,
            },
            email: some(told.user_email),
            token: some(told.token_id),
            r#type: told.r#type,
            action: told.action,
            target: Target {
                id: told.target_id,
                name: told.target_name,
            },
            before: RawValue::from_string(told.before_json).ok(),
            after: RawValue::from_string(told.after_json).ok(),
            token_use: some(told.use_id),
        }
    }
}

impl UseView {
    pub(super) fn of(told: TokenUse) -> Self {
        Self {
            id: told.id,
            at: Time::at(told.at_ms),
            token: told.token_id,
            user: told.user_id,
            scope: told.scope,
            target: told.target,
            outcome: told.outcome,
            http_status: Some(told.http_status).filter(|it| *it > 0),
            ip: some(told.ip),
            user_agent: some(told.user_agent),
        }
    }
}

impl KeyView {
    pub(super) fn of(told: AuditKey) -> Self {
        Self {
            id: told.id,
            public_key: told.public_key,
            since: Time::at(told.at_ms),
        }
    }
}
