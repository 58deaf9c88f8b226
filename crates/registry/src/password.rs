//! Passwords: what one must be, and what is kept of it: an Argon2id hash in PHC form.
//!
//! **Invariant:** it costs the same to refuse a user that isn't there, or has no password, as one
//! whose password is another.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use crate::Error;

/// The shortest password, in characters, and the longest, in bytes.
const SHORTEST: usize = 12;
pub(crate) const LONGEST: usize = 256;

/// Refuses a password that is too easily guessed or too long. `names` are what its user is called.
pub(crate) fn check(password: &str, names: &[&str]) -> Result<(), Error> {
    let why = if password.chars().count() < SHORTEST {
        "has at least 12 characters"
    } else if password.len() > LONGEST {
        "has at most 256 bytes"
    } else if names.iter().any(|name| name.eq_ignore_ascii_case(password)) {
        "is not the name or the address of its user"
    } else if is_one_character(password) {
        "is not one character again and again"
    } else {
        return Ok(());
    };
    Err(Error::Field {
        field: "password",
        why: format!("a password {why}"),
    })
}

fn is_one_character(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters.next();
    characters.all(|it| Some(it) == first)
}

/// What is kept of a password. Takes the CPU for tens of milliseconds.
pub(crate) fn hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| Error::Hash(error.to_string()))
}

/// Whether this is the password of which `hash` was kept. Without a hash it is not, after the same
/// work.
pub(crate) fn verify(password: &str, hash: Option<&str>) -> bool {
    /// Of a password that nobody knows.
    static NOBODY_S: LazyLock<String> = LazyLock::new(|| {
        let unknown = hex::encode(rand::random::<[u8; 32]>());
        self::hash(&unknown).unwrap_or_default()
    });
    let nobody_s = LazyLock::force(&NOBODY_S);
    let Ok(kept) = PasswordHash::new(hash.unwrap_or(nobody_s)) else {
        return false;
    };
    let matches = Argon2::default().verify_password(password.as_bytes(), &kept);
    matches.is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_the_user_s_name() {
        for (password, fits) in [
            ("correct horse battery", true),
            ("\u{e4}\u{f6}\u{fc}\u{df}\u{e4}\u{f6}\u{fc}\u{df}1234", true),
            ("short", false),
            ("Ada@Example.org", false),
            ("aaaaaaaaaaaaaaaa", false),
            (&*"ab".repeat(129), false),
        ] {
            let checked = check(password, &["Ada", "ada@example.org"]);
            assert_eq!(checked.is_ok(), fits, "{password}");
            let told = checked.err().map(|it| it.to_string()).unwrap_or_default();
            assert!(!told.contains(password), "{told}");
        }
    }

    #[test]
    fn only_its_own_password_opens_a_hash() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$"), "{kept}");
        assert_ne!(kept, hash("correct horse battery").unwrap(), "salted");
        assert!(verify("correct horse battery", Some(&kept)));
        assert!(!verify("correct horse batterz", Some(&kept)));
        assert!(!verify("correct horse battery", None));
        assert!(!verify("correct horse battery", Some("damaged")));
    }
}
