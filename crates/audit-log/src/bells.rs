//! Wakes who waits for news of a run.
//!
//! There is a fixed number of bells and several runs may share one: a ring is a hint, and who is
//! woken looks again.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use tokio::sync::Notify;

const BELLS: u64 = 256;

/// Bells for all runs. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Bells(Arc<[Notify]>);

impl Default for Bells {
    fn default() -> Self {
        Self((0..BELLS).map(|_| Notify::new()).collect())
    }
}

impl Bells {
    /// The bell of a run. Take its interest before looking whether there is news.
    pub(crate) fn of(&self, run_id: &str) -> &Notify {
        let mut hasher = DefaultHasher::new();
        run_id.hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % BELLS).unwrap_or_default();
        &self.0[number]
    }

    /// Says that there may be news of a run.
    pub(crate) fn ring(&self, run_id: &str) {
        self.of(run_id).notify_waiters();
    }
}
