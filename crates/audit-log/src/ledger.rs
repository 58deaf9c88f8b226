//! The record chain: who did what, kept so that a change to it afterwards shows.
//!
//! An account has two books: its user actions, and the uses of its tokens. A book is a chain of
//! links ([`chain`]): a link holds one action, or a batch of uses, and the SHA-256 of its records
//! and of the link before it. Now and then the last link is signed ([`checkpoint`]). What is exported
//! ([`mod@line`]) can be verified by anyone who has the public key ([`verify`]).
//!
//! All of it is pure: the caller supplies rows, times and lines. docs/audit.md has the encoding, for
//! who writes a verifier of their own.

pub mod chain;
pub mod checkpoint;
pub mod line;
pub mod verify;

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which records of an account a chain has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Book {
    /// What users did.
    Actions,
    /// Uses of tokens.
    Uses,
}

impl Book {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Actions, Self::Uses];

    /// Its name in rows, lines and hashes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Uses => "uses",
        }
    }

    /// The book of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|book| book.name() == name)
    }
}

impl fmt::Display for Book {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// What a user did to which object. Texts that say nothing are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// 24 hex digits.
    pub id: String,
    /// Who.
    pub user_id: String,
    /// For people.
    pub user_name: String,
    /// Of the user.
    pub user_email: String,
    /// The token that was used.
    pub token_id: String,
    /// What kind of object.
    #[serde(rename = "type")]
    pub kind: String,
    /// The verb.
    pub action: String,
    /// Which object.
    pub target_id: String,
    /// For people.
    pub target_name: String,
    /// The object before an edit, as JSON.
    pub before_json: String,
    /// The object after an edit, as JSON.
    pub after_json: String,
    /// When, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// The use of the token that brought it about.
    pub use_id: String,
}

/// A use of a token: one request. Texts that say nothing are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenUse {
    /// 24 hex digits.
    pub id: String,
    /// Which token.
    pub token_id: String,
    /// Whose.
    pub user_id: String,
    /// The scope that opened the route.
    pub scope: String,
    /// The request's method and path.
    pub target: String,
    /// What became of it.
    pub outcome: String,
    /// From where.
    pub ip: String,
    /// With what.
    pub user_agent: String,
    /// 0 if it isn't known.
    pub http_status: u32,
    /// When, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
}

impl Action {
    /// Its texts, in the order in which they are hashed. Every field is named here, so that a new one
    /// stops the build.
    pub fn texts(&self) -> [&str; 12] {
        let Self {
            id,
            user_id,
            user_name,
            user_email,
            token_id,
            kind,
            action,
            target_id,
            target_name,
            before_json,
            after_json,
            use_id,
            at_ms: _,
        } = self;
        [
            id,
            user_id,
            user_name,
            user_email,
            token_id,
            kind,
            action,
            target_id,
            target_name,
            before_json,
            after_json,
            use_id,
        ]
    }
}

impl TokenUse {
    /// Its texts, in the order in which they are hashed. Every field is named here, so that a new one
    /// stops the build.
    pub fn texts(&self) -> [&str; 8] {
        let Self {
            id,
            token_id,
            user_id,
            scope,
            target,
            outcome,
            ip,
            user_agent,
            http_status: _,
            at_ms: _,
        } = self;
        [
            id, token_id, user_id, scope, target, outcome, ip, user_agent,
        ]
    }
}
