//! The form of a personal access token: `pst_<24 hex: id>_<43 base64url: secret>_<8 hex: CRC-32>`.
//!
//! A scanner finds a leaked one by its beginning and its owner by its id. The check digits tell a
//! mistyped or cut one from one of ours, so that it is refused before anybody is asked about it.
//! They say nothing of whether a token is good: that is the registry's to know.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::id::TokenId;

/// What ours begin with.
const PREFIX: &str = "pst_";
/// Bytes of the id.
const ID: usize = 24;
/// Bytes of one of ours.
const LENGTH: usize = PREFIX.len() + ID + 1 + 43 + 1 + CHECK;
/// Check digits at its end.
const CHECK: usize = 8;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// The text of a token of ours. `secret` is 43 characters of base64url.
pub fn text(id: &TokenId, secret: &str) -> String {
    let body = format!("{PREFIX}{id}_{secret}_");
    let check = CHECKSUM.checksum(body.as_bytes());
    format!("{body}{check:08x}")
}

/// Whether a text can't be a token: it begins like one of ours and doesn't add up. An operator may
/// set any other text as a token.
pub fn is_broken(text: &str) -> bool {
    text.starts_with(PREFIX) && id_in(text).is_none()
}

/// The id that one of ours carries, if it adds up.
pub fn id_in(text: &str) -> Option<TokenId> {
    if text.len() != LENGTH || !text.starts_with(PREFIX) {
        return None;
    }
    let (body, check) = text.split_at_checked(LENGTH - CHECK)?;
    if check != format!("{:08x}", CHECKSUM.checksum(body.as_bytes())) {
        return None;
    }
    body.get(PREFIX.len()..PREFIX.len() + ID)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_ours_carries_its_id_and_notices_a_slip() {
        let id = TokenId::made_at(1_600_000_000_000);
        let token = text(&id, &"BwcH".repeat(11)[..43]);
        assert_eq!(token.len(), LENGTH);
        assert_eq!(id_in(&token), Some(id));
        assert!(!is_broken(&token));
        for slip in [
            token.replacen("BwcH", "BwcG", 1),
            token.to_uppercase().replacen("PST_", "pst_", 1),
            token[..token.len() - 1].to_owned(),
            format!("{token} "),
            "pst_".to_owned(),
        ] {
            assert_eq!(id_in(&slip), None, "{slip}");
            assert!(is_broken(&slip), "{slip}");
        }
        assert!(!is_broken("a-token-that-an-operator-has-set"));
    }

    #[test]
    fn the_check_digits_are_those_of_every_other_crc_32() {
        assert_eq!(CHECKSUM.checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn texts_of_several_bytes_a_character_are_no_tokens() {
        // Of the right length, with a character across the place where it is cut.
        assert!(is_broken(&format!("pst_{}x", "\u{e4}".repeat(38))));
    }
}
