//! Bearer tokens: what is kept of them, and what becomes of one that is shown.
//!
//! The form of ours is [`contracts::token`]'s. An operator may set any other text as a token.
//!
//! **Invariant:** of a token only its SHA-256 is looked up, and none is that can't be a token.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::id::TokenId;
use contracts::token;
use runtime::config::Secret;
use sha2::{Digest as _, Sha256};

pub(crate) mod terms;

/// Bytes that a token which is presented may have.
const PRESENTED: RangeInclusive<usize> = 16..=512;
/// Bytes that a token which is set may have.
const SET: RangeInclusive<usize> = 32..=512;
/// Live tokens of a user, at most.
pub(crate) const MOST: usize = 100;

/// What is kept of a token.
pub(crate) type Hash = [u8; 32];

/// What to look a presented token up by; nothing if no token can look like this.
pub(crate) fn hash_of_presented(text: &str) -> Option<Hash> {
    let may_be = PRESENTED.contains(&text.len()) && !token::is_broken(text);
    may_be.then(|| hash(text))
}

/// What is kept of a token.
pub(crate) fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// A new token of ours.
pub(crate) fn mint(id: &TokenId, random: [u8; 32]) -> Secret {
    Secret::new(token::text(id, &URL_SAFE_NO_PAD.encode(random)))
}

/// The id that one of ours carries.
pub(crate) fn id_in(text: &Secret) -> Option<TokenId> {
    token::id_in(text.expose())
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
    } else if token::is_broken(text) {
        Some("begins like one that penstock makes, but its check digits don't add up")
    } else {
        None
    }
}

/// Where a token stands, as its row says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "a time ends in its unit")]
pub(crate) struct Standing {
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) revoked_at_ms: Option<i64>,
    /// How long it stays good since another one replaced it.
    pub(crate) replaced_until_ms: Option<i64>,
}

/// What becomes of a token that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Good,
    /// It has expired or was revoked.
    Ended,
    /// It was replaced and its time is over: whoever shows it may have stolen it, or its owner may
    /// be showing what somebody else has rotated.
    Reused,
}

impl Standing {
    /// What becomes of the token at `now_ms`.
    pub(crate) fn shown(self, now_ms: i64) -> Shown {
        let is_over = |until: Option<i64>| until.is_some_and(|it| it <= now_ms);
        if self.revoked_at_ms.is_some() || is_over(self.expires_at_ms) {
            Shown::Ended
        } else if is_over(self.replaced_until_ms) {
            Shown::Reused
        } else {
            Shown::Good
        }
    }

    pub(crate) fn is_live(self, now_ms: i64) -> bool {
        self.shown(now_ms) == Shown::Good
    }

    /// When it stops being good by itself, if ever.
    pub(crate) fn until_ms(self) -> Option<i64> {
        match (self.expires_at_ms, self.replaced_until_ms) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_carries_its_id_and_notices_a_slip() {
        let id = TokenId::made_at(1_600_000_000_000);
        let token = mint(&id, [7; 32]);
        assert_eq!(fault(&token), None);
        assert_eq!(id_in(&token), Some(id));
        assert!(hash_of_presented(token.expose()).is_some());
        let slip = Secret::new(token.expose().replacen("BwcH", "BwcG", 1));
        assert_eq!(id_in(&slip), None);
        assert!(fault(&slip).is_some());
        assert_eq!(hash_of_presented(slip.expose()), None, "nobody is asked");
    }

    #[test]
    fn a_token_is_good_until_the_first_of_its_ends() {
        let standing = |expires_at_ms, revoked_at_ms, replaced_until_ms| Standing {
            expires_at_ms,
            revoked_at_ms,
            replaced_until_ms,
        };
        for (standing, shown, until) in [
            (standing(None, None, None), Shown::Good, None),
            (standing(Some(101), None, None), Shown::Good, Some(101)),
            (standing(Some(100), None, None), Shown::Ended, Some(100)),
            (standing(Some(200), Some(50), None), Shown::Ended, Some(200)),
            (standing(Some(200), None, Some(101)), Shown::Good, Some(101)),
            (
                standing(Some(200), None, Some(100)),
                Shown::Reused,
                Some(100),
            ),
            (standing(None, Some(50), Some(100)), Shown::Ended, Some(100)),
            (standing(Some(90), None, Some(100)), Shown::Ended, Some(90)),
        ] {
            assert_eq!(standing.shown(100), shown, "{standing:?}");
            assert_eq!(standing.until_ms(), until, "{standing:?}");
        }
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
