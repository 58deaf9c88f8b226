//! HTTP Basic, for the face that wants it: the master account of the configuration, and users with
//! their own password.
//!
//! The registry verifies users' passwords, which takes the CPU for tens of milliseconds, so an
//! answer is remembered for seconds as a token's is.
//!
//! **Invariant:** a password's text is never kept; what is remembered is known by a hash under a key
//! of this process. A failed sign-in counts for its address, and at the registry for its login.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use contracts::message::{Actor, Caller};
use contracts::registry::identities_client::IdentitiesClient;
use contracts::registry::people_client::PeopleClient;
use contracts::registry::{
    Identity as Installed, InstallIdentitiesRequest, NewIdentity, VerifyPasswordRequest,
};
use runtime::{Kind, Route, clock};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::cache::{self, Cache, Known};
use super::{From, Identity, KNOWN_FOR, REFUSED_FOR};
use crate::limits::Limits;
use crate::peers::Peers;
use crate::problem::Problem;
use crate::unifiedviews;

/// The longest header that is read, in bytes.
const MAX_BYTES: usize = 4096;
/// The reason of a request that shows no login and password.
pub(crate) const NO_SIGN_IN: &str = "NO_SIGN_IN";
/// The reason of a request whose login or password is wrong.
const SIGN_IN_REFUSED: &str = "SIGN_IN_REFUSED";
/// The external ids of users that clients expect to be there, and their roles.
const EXPECTED: [(&str, &str); 2] = [("admin", "site_administrator"), ("user", "site_user")];
/// The role of the master account.
const MASTER: &str = "site_administrator";

/// What somebody signs in with.
#[derive(PartialEq, Eq)]
pub(crate) struct Login {
    name: String,
    password: String,
}

impl Login {
    /// Reads the header `Authorization`, whose scheme word may be missing.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let said = headers.get(header::AUTHORIZATION).ok_or_else(no_sign_in)?;
        let said = said.to_str().map_err(|_| no_sign_in())?.trim();
        if said.len() > MAX_BYTES {
            return Err(no_sign_in());
        }
        let encoded = match said.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => rest.trim(),
            Some(_) => return Err(no_sign_in()),
            None => said,
        };
        let bytes = unpadded().decode(encoded).map_err(|_| no_sign_in())?;
        let text = String::from_utf8(bytes).map_err(|_| no_sign_in())?;
        let (name, password) = text.split_once(':').ok_or_else(no_sign_in)?;
        Ok(Self {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// Base64 whose padding may be missing.
fn unpadded() -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config)
}

/// Those who signed in lately.
pub(crate) struct Passwords {
    people: PeopleClient<Route>,
    identities: IdentitiesClient<Route>,
    cache: Mutex<Cache>,
    /// Of this process, so that what is remembered tells nothing of a password.
    key: [u8; 32],
    account: String,
    master: String,
    /// What the master account signs in with, hashed as all are; none without a password.
    master_digest: Option<[u8; 32]>,
}

impl Passwords {
    pub(crate) fn new(peers: &Peers, config: &unifiedviews::Config) -> Self {
        let key = rand::random();
        let password = &config.password;
        let master_digest = (!password.is_empty()).then(|| {
            let login = Login {
                name: config.user.clone(),
                password: password.expose().to_owned(),
            };
            digest(&key, &login)
        });
        Self {
            people: peers.people(),
            identities: peers.identities(),
            cache: Mutex::default(),
            key,
            account: config.account.clone(),
            master: config.user.clone(),
            master_digest,
        }
    }

    /// Who signs in, or that they may not. From an address with too many failures only those who
    /// signed in lately are let through.
    pub(crate) async fn identify(
        &self,
        login: Login,
        limits: &Limits,
        address: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Problem> {
        let digest = digest(&self.key, &login);
        if !self.cache().was_good(&digest) {
            limits.may_sign_in(address)?;
        }
        let found = self.find(login, digest, address).await;
        if found
            .as_ref()
            .is_err_and(|it| it.reason() == SIGN_IN_REFUSED)
        {
            limits.failed(address);
        }
        found
    }

    async fn find(
        &self,
        login: Login,
        digest: [u8; 32],
        address: Option<IpAddr>,
    ) -> Result<Arc<Identity>, Problem> {
        let round = match self.remembered(&digest) {
            Ok(Known::Good(identity)) => return Ok(identity),
            Ok(Known::Refused) => return Err(refused()),
            Err(round) => round,
        };
        let master = self.expected_users().await?;
        let found = if self.master_digest == Some(digest) {
            // Somebody may have switched the account off.
            master.filter(|it| it.active).map(|it| self.of_master(it))
        } else {
            self.verified(login, address).await?
        };
        let (known, lasts) = match found {
            Some(identity) => (Known::Good(Arc::new(identity)), KNOWN_FOR),
            None => (Known::Refused, REFUSED_FOR),
        };
        let until = Instant::now() + lasts;
        self.cache().remember(round, digest, known.clone(), until);
        match known {
            Known::Good(identity) => Ok(identity),
            Known::Refused => Err(refused()),
        }
    }

    /// Who has this password, if anybody has.
    async fn verified(
        &self,
        login: Login,
        address: Option<IpAddr>,
    ) -> Result<Option<Identity>, Problem> {
        // No store can look for that, and nobody is called so.
        if login.name.contains('\0') || login.name.is_empty() {
            return Ok(None);
        }
        let request = VerifyPasswordRequest {
            login: login.name,
            password: login.password,
            account: self.account.clone(),
            address: address.map_or_else(String::new, |it| it.to_string()),
        };
        match self.people.clone().verify_password(request).await {
            Ok(answer) => Ok(Some(Identity::of(answer.into_inner()))),
            Err(status) if Kind::of_code(status.code()) == Kind::Unauthenticated => Ok(None),
            Err(status) => Err(status.into()),
        }
    }

    /// Sees to it that the users are there whom clients expect, and answers the master account.
    async fn expected_users(&self) -> Result<Option<Installed>, Problem> {
        let expected = [(self.master.as_str(), MASTER)].into_iter().chain(EXPECTED);
        let identities = expected.map(|(name, role)| NewIdentity {
            name: name.to_owned(),
            roles: vec![role.to_owned()],
        });
        let request = InstallIdentitiesRequest {
            account: self.account.clone(),
            identities: identities.collect(),
        };
        let installed = self.identities.clone().install_identities(request).await?;
        Ok(installed.into_inner().identities.into_iter().next())
    }

    fn of_master(&self, installed: Installed) -> Identity {
        let actor = Actor {
            user_id: installed.user_id,
            name: installed.name,
            email: installed.email,
            ..Actor::default()
        };
        Identity {
            caller: Caller {
                actor: Some(actor),
                account: self.account.clone(),
                roles: installed.roles,
                groups: installed.groups,
                r#use: None,
            },
            scopes: vec!["api".into()],
            expires_at_ms: 0,
            from: From::Anywhere,
        }
    }

    /// Forgets what is known of a user, and of all who were refused.
    pub(crate) fn forget_user(&self, user_id: &str) {
        self.cache().forget(|it| it.caller.user_id() == user_id);
    }

    /// The same of all users of an account.
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

/// What a login is known by in this process.
fn digest(key: &[u8; 32], login: &Login) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(key);
    digest.update((login.name.len() as u64).to_le_bytes());
    digest.update(login.name.as_bytes());
    digest.update(login.password.as_bytes());
    digest.finalize().into()
}

fn no_sign_in() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        NO_SIGN_IN,
        "nobody has signed in: send the header Authorization: Basic <login:password in base64>",
    )
}

fn refused() -> Problem {
    Problem::new(
        Kind::Unauthenticated,
        SIGN_IN_REFUSED,
        "the login or the password is wrong",
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn read(said: &str) -> Option<(String, String)> {
        let value = HeaderValue::from_str(said).unwrap();
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        let login = Login::of(&headers).ok()?;
        Some((login.name, login.password))
    }

    #[test]
    fn the_scheme_word_may_be_missing() {
        let encoded = STANDARD.encode("master:comm:ander");
        let expected = Some(("master".to_owned(), "comm:ander".to_owned()));
        for said in [
            format!("Basic {encoded}"),
            format!("basic {encoded}"),
            format!("BASIC  {encoded} "),
            encoded.clone(),
            encoded.trim_end_matches('=').to_owned(),
        ] {
            assert_eq!(read(&said), expected, "{said}");
        }
    }

    #[test]
    fn what_is_no_sign_in_is_none() {
        let without_colon = STANDARD.encode("master");
        for said in ["Bearer dTpw", "Basic", "Basic ***", "", &without_colon] {
            assert_eq!(read(said), None, "{said}");
        }
        assert!(Login::of(&HeaderMap::new()).is_err());
    }

    #[test]
    fn logins_and_passwords_can_not_run_into_each_other() {
        let login = |name: &str, password: &str| Login {
            name: name.into(),
            password: password.into(),
        };
        let key = [7; 32];
        assert_ne!(
            digest(&key, &login("ab", "c")),
            digest(&key, &login("a", "bc"))
        );
        assert_ne!(
            digest(&key, &login("a", "b")),
            digest(&[8; 32], &login("a", "b"))
        );
    }
}
