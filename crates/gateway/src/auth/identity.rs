//! The owner of a token, and who calls with it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contracts::message::{Actor, Caller, Use};
use contracts::registry::AuthenticateResponse;
use ipnet::IpNet;
use runtime::Kind;

use crate::access::Shown;
use crate::problem::Problem;

/// The owner of a token.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    /// As the services want to know it.
    pub(crate) caller: Caller,
    /// Of the token.
    pub(crate) scopes: Vec<String>,
    /// When the token stops being good, 0 = never.
    pub(super) expires_at_ms: i64,
    /// Where the token may be used from.
    pub(super) from: From,
}

/// Where a token may be used from.
#[derive(Debug, PartialEq)]
pub(super) enum From {
    Anywhere,
    /// From addresses in one of these.
    Blocks(Vec<IpNet>),
}

impl From {
    /// What can't be read as a block has no address in it.
    pub(super) fn of(blocks: &[String]) -> Self {
        if blocks.is_empty() {
            return Self::Anywhere;
        }
        Self::Blocks(blocks.iter().filter_map(|it| it.parse().ok()).collect())
    }

    pub(super) fn has(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Anywhere, _) => true,
            (Self::Blocks(_), None) => false,
            (Self::Blocks(blocks), Some(address)) => blocks.iter().any(|it| it.contains(&address)),
        }
    }
}

impl Identity {
    pub(super) fn of(answer: AuthenticateResponse) -> Self {
        let actor = Actor {
            user_id: answer.user_id,
            name: answer.user_name,
            token_id: answer.token_id,
            email: answer.user_email,
        };
        let caller = Caller {
            actor: Some(actor),
            account: answer.account,
            roles: answer.roles,
            groups: answer.groups,
            // Of each request its own.
            r#use: None,
        };
        Self {
            caller,
            scopes: answer.scopes,
            expires_at_ms: answer.expires_at_ms,
            from: From::of(&answer.cidrs),
        }
    }

    /// Refuses a token that is shown from where it may not be used. Behind a proxy the address is the
    /// proxy's: what a header says of another one may be anybody's word.
    pub(crate) fn check_address(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        if self.from.has(address) {
            return Ok(());
        }
        let address = address.map_or_else(|| "nowhere".to_owned(), |it| it.to_string());
        let detail = format!("the token may not be used from {address}");
        Err(Problem::new(Kind::Denied, "TOKEN_ADDRESS", detail))
    }

    /// When its token stops being good, in milliseconds since 1970; 0 = never.
    pub(crate) fn expires_at_ms(&self) -> i64 {
        self.expires_at_ms
    }

    pub(super) fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_at_ms != 0 && self.expires_at_ms <= now_ms
    }

    pub(crate) fn token_id(&self) -> &str {
        self.caller
            .actor
            .as_ref()
            .map_or("", |actor| &actor.token_id)
    }
}

/// Who calls and with which use of a token, for handlers of routes that want one.
#[derive(Clone)]
pub(crate) struct Who {
    identity: Arc<Identity>,
    used: Arc<Use>,
}

impl Who {
    /// A caller whose token was shown for `scope`.
    pub(crate) fn new(identity: Arc<Identity>, shown: &Shown, scope: &str) -> Self {
        let used = Arc::new(shown.for_scope(scope));
        Self { identity, used }
    }

    /// For a call that wants to know.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            r#use: Some(self.used.as_ref().clone()),
            ..self.identity.caller.clone()
        }
    }

    pub(crate) fn actor(&self) -> Option<Actor> {
        self.identity.caller.actor.clone()
    }

    pub(crate) fn account(&self) -> String {
        self.identity.caller.account.clone()
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn user_id(&self) -> &str {
        self.identity.caller.user_id()
    }

    pub(crate) fn token_id(&self) -> &str {
        self.identity.token_id()
    }

    /// The scope that opened the route, or those of the token if none did.
    pub(crate) fn scope(&self) -> &str {
        &self.used.scope
    }

    /// Whether nothing of the account is hidden from the caller.
    pub(crate) fn sees_everything(&self) -> bool {
        self.identity.caller.sees_everything()
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            tracing::error!("a route that wants to know its caller has no guard");
            Problem::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_where_its_blocks_say() {
        for (blocks, address, is_good) in [
            (&[][..], Some("192.0.2.1"), true),
            (&[], None, true),
            (&["10.0.0.0/8", "::1/128"], Some("10.9.8.7"), true),
            (&["10.0.0.0/8", "::1/128"], Some("::1"), true),
            (&["10.0.0.0/8", "::1/128"], Some("11.0.0.1"), false),
            (&["10.0.0.0/8"], None, false),
            (&["damaged"], Some("10.0.0.1"), false),
        ] {
            let blocks: Vec<_> = blocks.iter().map(|it| (*it).to_owned()).collect();
            let address = address.map(|it| it.parse().unwrap());
            assert_eq!(
                From::of(&blocks).has(address),
                is_good,
                "{blocks:?} {address:?}"
            );
        }
    }
}
