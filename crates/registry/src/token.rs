//! Bearer tokens: their form, and what is kept of them.
//!
//! Ours read `pst_<24 hex: id>_<43 base64url: 32 random bytes>_<8 hex: check digits>`, so that a
//! scanner finds a leaked one and its owner. An operator may set any other text as a token.
//!
//! **Invariant:** of a token only its SHA-256 is looked up.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::id::TokenId;
use runtime::config::Secret;
use sha2::{Digest as _, Sha256};

/// Bytes that a token which is presented may have.
const PRESENTED: RangeInclusive<usize> = 16..=512;
/// Bytes that a token which is set may have.
const SET: RangeInclusive<usize> = 32..=512;
/// What ours begin with.
const PREFIX: &str = "pst_";
/// Bytes of one of ours.
const LENGTH: usize = 4 + 24 + 1 + 43 + 1 + 8;
/// Check digits at its end.
const CHECK: usize = 8;

/// What is kept of a token.
pub(crate) type Hash = [u8; 32];

/// What to look a presented token up by; nothing if no token can look like this.
pub(crate) fn hash_of_presented(token: &str) -> Option<Hash> {
    PRESENTED.contains(&token.len()).then(|| hash(token))
}

/// What is kept of `token`.
pub(crate) fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token of ours.
pub(crate) fn mint(id: &TokenId, random: [u8; 32]) -> Secret {
    let body = format!("{PREFIX}{id}_{}_", URL_SAFE_NO_PAD.encode(random));
    Secret::new(format!("{body}{}", check_digits(&body)))
}

/// The id that one of ours carries.
pub(crate) fn id_in(token: &Secret) -> Option<TokenId> {
    let text = token.expose();
    let (body, check) = text.split_at_checked(LENGTH - CHECK)?;
    if !body.starts_with(PREFIX) || check != check_digits(body) {
        return None;
    }
    body.get(PREFIX.len()..PREFIX.len() + 24)?.parse().ok()
}

/// What is wrong with a token that is to be set, if anything.
pub(crate) fn fault(token: &Secret) -> Option<&'static str> {
    let text = token.expose();
    if text.len() < *SET.start() {
        Some("is shorter than 32 characters")
    } else if text.len() > *SET.end() {
        Some("is longer than 512 characters")
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Some("has characters that a header can't carry")
    } else {
        None
    }
}

fn check_digits(body: &str) -> String {
    hex::encode(hash(body)).chars().take(CHECK).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_carries_its_id_and_notices_a_slip() {
        let id = TokenId::made_at(1_600_000_000_000);
        let token = mint(&id, [7; 32]);
        assert_eq!(token.expose().len(), LENGTH);
        assert_eq!(fault(&token), None);
        assert_eq!(id_in(&token), Some(id));
        let slip = Secret::new(token.expose().replace("BwcH", "BwcG"));
        assert_eq!(id_in(&slip), None);
    }

    #[test]
    fn what_can_not_be_a_token_is_said() {
        for (token, wrong) in [
            ("x".repeat(31), true),
            ("x".repeat(32), false),
            ("x".repeat(512), false),
            ("x".repeat(513), true),
            ("ä".repeat(32), true),
            (format!("{} {}", "x".repeat(20), "y".repeat(20)), true),
        ] {
            assert_eq!(
                fault(&Secret::new(token.clone())).is_some(),
                wrong,
                "{token}"
            );
        }
    }

    #[test]
    fn only_lengths_that_a_token_can_have_are_looked_up() {
        for (length, looked_up) in [
            (0, false),
            (15, false),
            (16, true),
            (512, true),
            (513, false),
        ] {
            assert_eq!(
                hash_of_presented(&"x".repeat(length)).is_some(),
                looked_up,
                "{length}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,100}") {
            proptest::prop_assert_eq!(id_in(&Secret::new(text)), None);
        }
    }
}
