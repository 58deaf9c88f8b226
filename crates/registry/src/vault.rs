//! Seals values under a key that the database doesn't hold (XChaCha20-Poly1305).
//!
//! **Invariants:** a sealed value opens only with its key and in its place; each sealing has a
//! random nonce of its own, 24 bytes before the ciphertext.

use std::fmt;
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use runtime::config::Secret;

use crate::{Error, file};

const NONCE: usize = 24;

/// Seals and opens values.
#[derive(Clone)]
pub(crate) struct Vault(XChaCha20Poly1305);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(hidden)")
    }
}

impl Vault {
    /// The vault of the configured key or else of the key in `path`, which is made if need be.
    pub(crate) fn open(key: &Secret, path: &Path) -> Result<Self, Error> {
        let origin = if key.is_empty() {
            path.display().to_string()
        } else {
            "registry.key".into()
        };
        let key = file::key(key, path)?;
        key.map(Self::of).ok_or(Error::Key(origin))
    }

    fn of(key: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// Seals `value`, bound to `place`. Nothing only if it had more bytes than the cipher takes.
    pub(crate) fn seal(&self, value: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: value,
            aad: place,
        };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([&nonce[..], &sealed].concat())
    }

    /// The value that was sealed in `place`; nothing if the key, the place or a bit is another.
    pub(crate) fn reveal(&self, sealed: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        self.0
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: place,
                },
            )
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::of([byte; 32])
    }

    #[test]
    fn a_value_opens_with_its_key_in_its_place_only() {
        let sealed = vault(1).seal(b"value", b"here").unwrap();
        assert_eq!(vault(1).reveal(&sealed, b"here").unwrap(), b"value");
        assert!(vault(2).reveal(&sealed, b"here").is_none());
        assert!(vault(1).reveal(&sealed, b"there").is_none());
    }

    #[test]
    fn any_other_bit_is_noticed() {
        let sealed = vault(1).seal(b"value", b"here").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(vault(1).reveal(&other, b"here").is_none(), "bit {bit}");
        }
        assert!(vault(1).reveal(&sealed[..10], b"here").is_none());
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        assert_ne!(
            vault(1).seal(b"value", b"here"),
            vault(1).seal(b"value", b"here")
        );
    }

    #[test]
    fn a_key_is_hex_or_base64() {
        let folder = tempfile::tempdir().unwrap();
        let open = |key: &str| Vault::open(&Secret::new(key), &folder.path().join("key"));
        let (hexed, based) = (hex::encode([1; 32]), STANDARD.encode([1; 32]));
        let sealed = vault(1).seal(b"value", b"here").unwrap();
        for key in [&*hexed, &*based, based.trim_end_matches('=')] {
            assert!(
                open(key).unwrap().reveal(&sealed, b"here").is_some(),
                "{key}"
            );
        }
        for key in ["short", &*"z".repeat(64), &*STANDARD.encode([1; 31])] {
            assert!(matches!(open(key), Err(Error::Key(_))), "{key}");
        }
    }

    #[test]
    fn a_made_key_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let sealed = Vault::open(&Secret::default(), &path)
            .unwrap()
            .seal(b"value", b"here")
            .unwrap();
        let again = Vault::open(&Secret::default(), &path).unwrap();
        assert_eq!(again.reveal(&sealed, b"here").unwrap(), b"value");
    }
}
