//! The administrator: the one user that is there from the first start, and where its token is from.

use std::path::Path;

use contracts::id::TokenId;
use runtime::config::Secret;

use crate::{Error, file, token};

/// The administrator's permanent id.
pub(crate) const ID: &str = "000000000000000000000001";
/// What it is called.
pub(crate) const NAME: &str = "admin";
/// The account that it belongs to.
pub(crate) const ACCOUNT: &str = "default";
/// What it may do on the site.
pub(crate) const ROLES: &[&str] = &["opsera_administrator", "site_administrator"];
/// What its token is good for.
pub(crate) const SCOPES: &[&str] = &["api"];

/// The token that is to be the administrator's: the configured one, the one in the file, the one
/// that the store remembers, or a new one. Unless it was configured, it lies in the file then.
///
/// The caller holds a lock, so that of registries which start at once only one makes a token.
pub(crate) fn token(
    configured: &Secret,
    path: &Path,
    remembered: Option<&Secret>,
    now_ms: i64,
) -> Result<Secret, Error> {
    if !configured.is_empty() {
        return checked(configured.clone(), "PENSTOCK_ADMIN_TOKEN");
    }
    let remembered = remembered.filter(|it| token::fault(it).is_none());
    let kept = match (file::read(path)?, remembered) {
        (Some(kept), _) => kept,
        (None, Some(remembered)) => file::keep(path, remembered)?,
        (None, None) => file::keep(
            path,
            &token::mint(&TokenId::made_at(now_ms), rand::random()),
        )?,
    };
    checked(kept, &path.display().to_string())
}

fn checked(token: Secret, origin: &str) -> Result<Secret, Error> {
    match token::fault(&token) {
        None => Ok(token),
        Some(why) => Err(Error::AdministratorToken {
            origin: origin.into(),
            why,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_kept_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin-token");
        let made = token(&Secret::default(), &path, None, 0).unwrap();
        assert!(token::id_in(&made).is_some());
        let other = Secret::new("r".repeat(32));
        assert_eq!(
            token(&Secret::default(), &path, Some(&other), 0).unwrap(),
            made
        );
    }

    #[test]
    fn a_lost_file_comes_back_from_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin-token");
        let remembered = Secret::new("r".repeat(32));
        assert_eq!(
            token(&Secret::default(), &path, Some(&remembered), 0).unwrap(),
            remembered
        );
        assert_eq!(file::read(&path).unwrap(), Some(remembered));
    }

    #[test]
    fn a_configured_token_wins_and_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin-token");
        let configured = Secret::new("c".repeat(32));
        assert_eq!(token(&configured, &path, None, 0).unwrap(), configured);
        assert!(!path.exists());
    }

    #[test]
    fn a_short_token_is_refused_with_the_variable_s_name() {
        let short = Secret::new("short-and-visible");
        let refused = token(&short, Path::new("/nowhere"), None, 0)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("PENSTOCK_ADMIN_TOKEN"), "{refused}");
        assert!(refused.contains("shorter than 32"), "{refused}");
        assert!(!refused.contains("short-and-visible"), "{refused}");
    }
}
