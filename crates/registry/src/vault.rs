//! Seals values under keys that the database doesn't hold (XChaCha20-Poly1305).
//!
//! One key seals; earlier ones may be there to open what was sealed before the key was changed. What
//! is sealed names its key by an id, the beginning of the key's SHA-256.
//!
//! **Invariants:** a sealed value opens only with its key and in its place; each sealing has a
//! random nonce of its own, 24 bytes before the ciphertext. A key is in its file before anything is
//! sealed under it, and leaves it only when nothing is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use runtime::config::Secret;
use sha2::{Digest as _, Sha256};

use crate::{Error, file};

const NONCE: usize = 24;
/// Bytes of a key's digest that are its id.
const ID: usize = 8;

/// Seals and opens values.
#[derive(Clone)]
pub(crate) struct Vault {
    keys: Arc<RwLock<Keys>>,
    /// Where the keys lie, if they do in a file. Held while it is changed.
    file: Arc<Mutex<Option<PathBuf>>>,
}

/// A sealed value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Of the key; empty where it isn't known: values of before there were several.
    pub(crate) key_id: String,
    /// Nonce and ciphertext.
    pub(crate) bytes: Vec<u8>,
}

struct Keys {
    current: Key,
    earlier: Vec<Key>,
}

struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(hidden)")
    }
}

impl Vault {
    /// The vault of the configured keys or else of those in `path`, where one is made if need be.
    pub(crate) fn open(configured: &Secret, path: &Path) -> Result<Self, Error> {
        let origin = if configured.is_empty() {
            path.display().to_string()
        } else {
            "registry.key".into()
        };
        let keys = file::keys(configured, path)?;
        let keys = keys.and_then(Keys::of).ok_or(Error::Key(origin))?;
        let file = configured.is_empty().then(|| path.to_owned());
        Ok(Self {
            keys: Arc::new(RwLock::new(keys)),
            file: Arc::new(Mutex::new(file)),
        })
    }

    /// Seals `value`, bound to `place`. Nothing only if it had more bytes than the cipher takes.
    ///
    /// Where keys are changed while the process runs, this is called inside the transaction that
    /// stores what it answers, so that the change sees it.
    pub(crate) fn seal(&self, value: &[u8], place: &[u8]) -> Option<Sealed> {
        let nonce: [u8; NONCE] = rand::random();
        let payload = Payload {
            msg: value,
            aad: place,
        };
        let keys = self.keys();
        let sealed = keys
            .current
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .ok()?;
        Some(Sealed {
            key_id: keys.current.id.clone(),
            bytes: [&nonce[..], &sealed].concat(),
        })
    }

    /// The value that was sealed in `place`; nothing if the key, the place or a bit is another.
    pub(crate) fn reveal(&self, sealed: &Sealed, place: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys();
        let known = sealed.key_id.is_empty();
        let mut fitting = keys.all().filter(|key| known || key.id == sealed.key_id);
        fitting.find_map(|key| key.reveal(&sealed.bytes, place))
    }

    /// The id of the key that seals, and those of earlier ones.
    pub(crate) fn key_ids(&self) -> (String, Vec<String>) {
        let keys = self.keys();
        let earlier = keys.earlier.iter().map(|key| key.id.clone()).collect();
        (keys.current.id.clone(), earlier)
    }

    /// A new key seals from now on, and is in the file before it does. Nothing happens while there
    /// are earlier ones. Fails if the keys lie in no file.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        let path = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let path = path.as_deref().ok_or(Error::KeyGiven)?;
        if !self.keys().earlier.is_empty() {
            return Ok(());
        }
        let present = file::read(path)?.unwrap_or_default();
        let new: [u8; 32] = rand::random();
        let both = Secret::new(format!("{}\n{}", hex::encode(new), present.expose()));
        file::replace(path, &both)?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut keys.current, Key::of(new));
        keys.earlier.push(before);
        Ok(())
    }

    /// Only the key that seals is left, here and in the file, if there is one.
    pub(crate) fn forget_earlier(&self) -> Result<(), Error> {
        let path = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(path) = path.as_deref() else {
            return Ok(());
        };
        let present = file::read(path)?.unwrap_or_default();
        let first = present
            .expose()
            .split([',', '\n'])
            .next()
            .unwrap_or_default();
        file::replace(path, &Secret::new(first.trim()))?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.earlier.clear();
        Ok(())
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    /// The first is the one that seals.
    fn of(keys: Vec<[u8; 32]>) -> Option<Self> {
        let mut keys = keys.into_iter().map(Key::of);
        Some(Self {
            current: keys.next()?,
            earlier: keys.collect(),
        })
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.earlier)
    }
}

impl Key {
    fn of(key: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"key id").chain_update(key);
        Self {
            id: hex::encode(&digest.finalize()[..ID]),
            cipher: XChaCha20Poly1305::new(&key.into()),
        }
    }

    fn reveal(&self, sealed: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload {
            msg: sealed,
            aad: place,
        };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::open(&Secret::new(hex::encode([byte; 32])), Path::new("none")).unwrap()
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
        for bit in 0..sealed.bytes.len() * 8 {
            let mut other = sealed.clone();
            other.bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(vault(1).reveal(&other, b"here").is_none(), "bit {bit}");
        }
        let cut = Sealed {
            bytes: sealed.bytes[..10].to_vec(),
            ..sealed
        };
        assert!(vault(1).reveal(&cut, b"here").is_none());
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

    #[test]
    fn a_new_key_seals_and_the_earlier_one_opens_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let open = || Vault::open(&Secret::default(), &path).unwrap();
        let vault = open();
        let before = vault.seal(b"value", b"here").unwrap();
        vault.renew().unwrap();
        vault.renew().unwrap();
        let after = vault.seal(b"value", b"here").unwrap();
        assert_ne!(before.key_id, after.key_id);
        for vault in [&vault, &open()] {
            assert_eq!(
                vault.key_ids(),
                (after.key_id.clone(), vec![before.key_id.clone()])
            );
            assert!(vault.reveal(&before, b"here").is_some());
            assert!(vault.reveal(&after, b"here").is_some());
        }
        vault.forget_earlier().unwrap();
        for vault in [&vault, &open()] {
            assert_eq!(vault.key_ids(), (after.key_id.clone(), vec![]));
            assert!(vault.reveal(&before, b"here").is_none());
            assert!(vault.reveal(&after, b"here").is_some());
        }
    }

    #[test]
    fn a_value_of_before_keys_had_ids_opens_with_any() {
        let unnamed = Sealed {
            key_id: String::new(),
            ..vault(1).seal(b"value", b"here").unwrap()
        };
        let both = format!("{},{}", hex::encode([2; 32]), hex::encode([1; 32]));
        let both = Vault::open(&Secret::new(both), Path::new("none")).unwrap();
        assert_eq!(both.reveal(&unnamed, b"here").unwrap(), b"value");
        assert!(matches!(both.renew(), Err(Error::KeyGiven)));
    }
}
