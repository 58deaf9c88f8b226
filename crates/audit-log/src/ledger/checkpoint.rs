//! Checkpoints: a signature over the last link of a chain (Ed25519), and with it over all before.
//!
//! **Invariant:** what a checkpoint says (whose chain, how far, which hash, when) is all signed.

use std::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Book;

/// Says what is signed, and how.
const DOMAIN: &str = "penstock-audit-checkpoint-v1";
/// Hex digits of a key's id.
const KEY_ID: usize = 16;

/// A signed position of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// Whose.
    pub account: String,
    /// Which records.
    pub book: Book,
    /// Of the link that is signed.
    pub position: u64,
    /// Of that link.
    pub hash: String,
    /// When that link was kept, milliseconds since 1970-01-01 UTC.
    pub stored_ms: i64,
    /// When it was signed, milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// With which key.
    pub key_id: String,
    /// 128 hex digits.
    pub signature: String,
}

impl Checkpoint {
    /// What is signed: texts as in a link's hash.
    fn signed(&self) -> Vec<u8> {
        let (position, stored_ms) = (self.position.to_string(), self.stored_ms.to_string());
        let at_ms = self.at_ms.to_string();
        let texts = [
            DOMAIN,
            &self.account,
            self.book.name(),
            &position,
            &self.hash,
            &stored_ms,
            &at_ms,
            &self.key_id,
        ];
        let mut bytes = Vec::new();
        for text in texts {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}

/// The key that signs.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    public: PublicKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Signer({})", self.public.id())
    }
}

impl Signer {
    /// The key that is made of these bytes.
    pub fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = PublicKey(key.verifying_key());
        Self { key, public }
    }

    /// What verifies.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The same with this key and its signature.
    #[must_use]
    pub fn signed(&self, mut checkpoint: Checkpoint) -> Checkpoint {
        checkpoint.key_id = self.public.id();
        checkpoint.signature = hex::encode(self.key.sign(&checkpoint.signed()).to_bytes());
        checkpoint
    }
}

/// The key that verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 64 hex digits.
    pub fn of_hex(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = hex::decode(text.trim()).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok().map(Self)
    }

    /// 64 hex digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.as_bytes())
    }

    /// The beginning of its SHA-256, in hex.
    pub fn id(&self) -> String {
        let digest = hex::encode(Sha256::digest(self.0.as_bytes()));
        digest.chars().take(KEY_ID).collect()
    }

    /// Whether it was this key that signed the checkpoint as it is, to the letter: a signature in
    /// capitals is another one.
    pub fn verifies(&self, checkpoint: &Checkpoint) -> bool {
        let bytes = hex::decode(&checkpoint.signature).unwrap_or_default();
        let signature = Signature::from_slice(&bytes);
        checkpoint.key_id == self.id()
            && checkpoint.signature == hex::encode(&bytes)
            && signature.is_ok_and(|it| self.0.verify_strict(&checkpoint.signed(), &it).is_ok())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::chain::Link;
    use super::*;

    /// A checkpoint over a link, signed with a key of the tests.
    pub(crate) fn over(link: &Link, seed: u8) -> Checkpoint {
        let checkpoint = Checkpoint {
            account: link.account.clone(),
            book: link.book,
            position: link.position,
            hash: link.hash.clone(),
            stored_ms: link.stored_ms,
            at_ms: link.stored_ms + 1,
            key_id: String::new(),
            signature: String::new(),
        };
        Signer::new(&[seed; 32]).signed(checkpoint)
    }

    #[test]
    fn a_signature_is_over_everything_and_of_one_key() {
        let checkpoint = over(&super::super::chain::tests::chain(&["a"])[0], 1);
        let key = Signer::new(&[1; 32]).public().clone();
        assert!(key.verifies(&checkpoint));
        assert!(!Signer::new(&[2; 32]).public().verifies(&checkpoint));
        let changes: [fn(&mut Checkpoint); 9] = [
            |it| it.account.push('x'),
            |it| it.book = Book::Uses,
            |it| it.position += 1,
            |it| it.hash.replace_range(..1, "z"),
            |it| it.stored_ms += 1,
            |it| it.at_ms += 1,
            |it| it.key_id.push('0'),
            |it| it.signature.replace_range(..2, "00"),
            |it| it.signature.make_ascii_uppercase(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = checkpoint.clone();
            change(&mut changed);
            assert!(changed != checkpoint && !key.verifies(&changed), "{number}");
        }
    }

    #[test]
    fn a_public_key_is_read_back() {
        let key = Signer::new(&[1; 32]).public().clone();
        assert_eq!(PublicKey::of_hex(&key.to_hex()), Some(key));
        assert_eq!(PublicKey::of_hex("00"), None);
    }
}
