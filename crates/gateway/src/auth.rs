//! Who calls: a bearer token, asked of the registry and remembered for seconds; a login and a
//! password where a face wants these ([`basic`]).
//!
//! **Invariant:** a token's text is never kept; what is remembered is known by its SHA-256. A
//! revoked token is refused within [`KNOWN_FOR`] at the latest, and at once where the gateway hears
//! of the change.

mod basic;
mod cache;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use contracts::message::{Actor, Caller, Use};
use contracts::registry::registry_client::RegistryClient;
use contracts::registry::{AuthenticateRequest, AuthenticateResponse};
use ipnet::IpNet;
use runtime::{Kind, Route, clock};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::access::Shown;
use crate::limits::Limits;
use crate::problem::Problem;
use cache::{Cache, Known};

pub(crate) use basic::{Login, NO_SIGN_IN, Passwords};

/// How long a good token is remembered.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// How long a refused token is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(1);
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 4096;

/// The reason of a request that shows no token at all.
pub(crate) const NO_TOKEN: &str = "NO_TOKEN";
/// The reason of a request whose token is not good.
const TOKEN_REFUSED: &str = "TOKEN_REFUSED";

/// The owner of a token.
#[derive(Debug, PartialEq)]
pub(crate) struct Identity {
    /// As the services want to know it.
    pub(crate) caller: Caller,
    /// Of the token.
    pub(crate) scopes: Vec<String>,
    /// When the token stops being good, 0 = never.
    expires_at_ms: i64,
    /// Where the token may be used from.
    from: From,
}

/// Where a token may be used from.
#[derive(Debug, PartialEq)]
enum From {
    Anywhere,
    /// From addresses in one of these.
    Blocks(Vec<IpNet>),
}

impl From {
    /// What can't be read as a block has no address in it.
    fn of(blocks: &[String]) -> Self {
        if blocks.is_empty() {
            return Self::Anywhere;
        }
        Self::Blocks(blocks.iter().filter_map(|it| it.parse().ok()).collect())
    }

    fn has(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Anywhere, _) => true,
            (Self::Blocks(_), None) => false,
            (Self::Blocks(blocks), Some(address)) => blocks.iter().any(|it| it.contains(&address)),
        }
    }
}

impl Identity {
    fn of(answer: AuthenticateResponse) -> Self {
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

    fn has_expired(&self, now_ms: i64) -> bool {
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

/// Tokens that were shown lately.
pub(crate) struct Tokens {
    registry: RegistryClient<Route>,
    cache: Mutex<Cache>,
}

impl Tokens {
    pub(crate) fn new(registry: RegistryClient<Route>) -> Self {
        Self {
            registry,
            cache: Mutex::default(),
        }
    }

    /// Who shows this token, or that it is not good. From an address with too many failures only
    /// tokens that were good lately are asked about.
    pub(crate) async fn identify(
        &self,
        token: &str,
        limits: &Limits,
        address: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Problem> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if !self.cache().was_good(&digest) {
            limits.may_sign_in(address)?;
        }
        let found = self.find(token, digest).await;
        if found.as_ref().is_err_and(|it| it.reason() == TOKEN_REFUSED) {
            limits.failed(address);
        }
        found
    }

    async fn find(&self, token: &str, digest: [u8; 32]) -> Result<Arc<Identity>, Problem> {
        // Nobody has to be asked about what can't be a token.
        if contracts::token::is_broken(token) {
            return Err(refused());
        }
        let round = match self.remembered(&digest) {
            Ok(Known::Good(identity)) => return Ok(identity),
            Ok(Known::Refused) => return Err(refused()),
            Err(round) => round,
        };
        let request = AuthenticateRequest {
            token: token.to_owned(),
        };
        let answer = self.registry.clone().authenticate(request).await;
        let (known, lasts) = match answer {
            Ok(answer) => {
                let identity = Arc::new(Identity::of(answer.into_inner()));
                (Known::Good(identity), KNOWN_FOR)
            }
            Err(status) if Kind::of_code(status.code()) == Kind::Unauthenticated => {
                (Known::Refused, REFUSED_FOR)
            }
            Err(status) => return Err(status.into()),
        };
        let until = Instant::now() + lasts;
        self.cache().remember(round, digest, known.clone(), until);
        match known {
            Known::Good(identity) if !identity.has_expired(clock::now_ms()) => Ok(identity),
            Known::Good(_) | Known::Refused => Err(refused()),
        }
    }

    /// Forgets what is known of a token, and of all refused ones.
    pub(crate) fn forget(&self, token_id: &str) {
        self.cache().forget(|it| it.token_id() == token_id);
    }

    /// The same of all tokens of a user.
    pub(crate) fn forget_user(&self, user_id: &str) {
        self.cache().forget(|it| it.caller.user_id() == user_id);
    }

    /// The same of all tokens of an account.
    pub(crate) fn forget_account(&self, account: &str) {
        self.cache().forget(|it| it.caller.account == account);
    }

    fn remembered(&self, digest: &[u8; 32]) -> Result<Known, cache::Round> {
        self.cache().known(digest, Instant::now(), clock::now_ms())
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token that a request shows.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let said = headers.get(header::AUTHORIZATION).ok_or_else(no_token)?;
    let (scheme, token) = said
        .to_str()
        .ok()
        .and_then(|it| it.split_once(' '))
        .ok_or_else(no_token)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(no_token());
    }
    let token = token.trim();
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Err(refused());
    }
    Ok(token)
}

fn no_token() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        NO_TOKEN,
        "no token was shown: send the header Authorization: Bearer <token>",
    )
}

fn refused() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        TOKEN_REFUSED,
        "the token is not good: it is wrong, has expired or was revoked",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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

    #[test]
    fn only_a_bearer_token_counts() {
        for (said, expected) in [
            (None, Err(NO_TOKEN)),
            (Some("Basic dTpw"), Err(NO_TOKEN)),
            (Some("Bearer"), Err(NO_TOKEN)),
            (Some("Bearer  "), Err(TOKEN_REFUSED)),
            (Some("Bearer t"), Ok("t")),
            (Some("bearer  t "), Ok("t")),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_static(said));
            }
            let found = bearer(&headers);
            let found = found.as_ref().map_err(Problem::reason);
            assert_eq!(found, expected.as_ref().map_err(|it| *it), "{said:?}");
        }
    }
}
