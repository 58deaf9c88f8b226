//! What a secret may be called, and how much there may be.

use crate::Error;

/// Bytes of a value, at most.
pub(crate) const LONGEST: usize = 64 * 1024;
/// Secrets of an account, at most.
pub(crate) const MOST: u64 = 10_000;
/// Secrets that are revealed at once, at most.
pub(crate) const MOST_AT_ONCE: usize = 256;
/// Bytes that are revealed at once, at most: an answer carries 4 MiB.
pub(crate) const MOST_BYTES_AT_ONCE: usize = 3 * 1024 * 1024;

/// Where a secret is: its value opens nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    account: String,
    name: String,
}

impl Place {
    /// Refuses names that a secret or an account can't have.
    pub(crate) fn new(account: String, name: String) -> Result<Self, Error> {
        let account = checked_account(account)?;
        let fits = (1..=128).contains(&name.len())
            && name
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it));
        if fits {
            Ok(Self { account, name })
        } else {
            Err(Error::Name(
                name.chars()
                    .filter(|it| !it.is_control())
                    .take(64)
                    .collect(),
            ))
        }
    }

    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a sealed value is bound to. The length keeps `a`, `bc` and `ab`, `c` apart.
    pub(crate) fn binding(&self) -> Vec<u8> {
        format!(
            "secret:{}:{}:{}",
            self.account.len(),
            self.account,
            self.name
        )
        .into_bytes()
    }
}

/// Refuses what no account is called.
pub(crate) fn checked_account(account: String) -> Result<String, Error> {
    let fits = (1..=128).contains(&account.chars().count());
    if fits && !account.chars().any(char::is_control) {
        Ok(account)
    } else {
        Err(Error::Account)
    }
}

/// Refuses values that are too long.
pub(crate) fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() > LONGEST {
        Err(Error::TooLong(value.len()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for (name, fits) in [
            ("api-token_2.x", true),
            ("A", true),
            (&*"n".repeat(128), true),
            (&*"n".repeat(129), false),
            ("", false),
            ("a b", false),
            ("a/b", false),
            ("ä", false),
            ("a\n", false),
        ] {
            assert_eq!(
                Place::new("default".into(), name.into()).is_ok(),
                fits,
                "{name:?}"
            );
        }
    }

    #[test]
    fn an_account_has_a_printable_name() {
        for (account, fits) in [
            ("default", true),
            ("Übersee", true),
            ("", false),
            ("a\0", false),
        ] {
            assert_eq!(checked_account(account.into()).is_ok(), fits, "{account:?}");
        }
    }

    #[test]
    fn no_two_places_bind_alike() {
        let bind =
            |account: &str, name: &str| Place::new(account.into(), name.into()).unwrap().binding();
        assert_ne!(bind("a", "bc"), bind("ab", "c"));
        assert_ne!(bind("a:1", "c"), bind("a", "1.c"));
    }
}
