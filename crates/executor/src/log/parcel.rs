//! A message on its way to the bus, and what goes in its place if that refuses it.

use contracts::message::ActivityBatch;
use outbox::Post;

use super::journal::Hold;

/// A message on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) post: Post,
    /// The memory that it takes, as far as that counts.
    pub(super) hold: Hold,
    /// Bytes of the spool that it takes besides, if it is there too or need not be.
    pub(super) copied: Option<u64>,
    /// What the bus refused was taken out of it.
    is_excuse: bool,
}

impl Parcel {
    pub(super) fn of(post: Post, hold: Hold) -> Self {
        Self {
            post,
            hold,
            copied: None,
            is_excuse: false,
        }
    }

    /// A message that was in the spool.
    pub(super) fn from_spool(post: Post) -> Self {
        Self {
            copied: Some(0),
            ..Self::of(post, Hold::default())
        }
    }

    /// A message in place of one that the bus refused, with the same numbers; nothing if it was one.
    pub(super) fn excuse(self, why: &str) -> Option<Self> {
        let id = &self.post.id;
        tracing::error!(message.id = id, "the bus refuses log entries: {why}");
        if self.is_excuse {
            return None;
        }
        let mut batch: ActivityBatch = serde_json::from_slice(&self.post.payload).ok()?;
        for entry in &mut batch.entries {
            entry.message = "the bus refused this entry".into();
            entry.truncated = true;
        }
        let payload = serde_json::to_vec(&batch).ok()?.into();
        let post = Post {
            payload,
            ..self.post
        };
        Some(Self {
            post,
            hold: self.hold,
            // No copy of its own: it would be behind those of what follows.
            copied: self.copied.map(|_| 0),
            is_excuse: true,
        })
    }
}
