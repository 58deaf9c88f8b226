//! Who calls: a bearer token, asked of the registry and remembered for seconds; a login and a
//! password where a face wants these ([`basic`]).
//!
//! **Invariant:** a token's text is never kept; what is remembered is known by its SHA-256. A
//! revoked token is refused within [`KNOWN_FOR`] at the latest, and at once where the gateway hears
//! of the change.

mod basic;
mod cache;
mod identity;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use contracts::registry::AuthenticateRequest;
use contracts::registry::registry_client::RegistryClient;
use runtime::{Kind, Route, clock};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::limits::Limits;
use crate::problem::Problem;
use cache::{Cache, Known};

pub(crate) use basic::{Login, NO_SIGN_IN, Passwords};
use identity::From;
pub(crate) use identity::{Identity, Who};

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
