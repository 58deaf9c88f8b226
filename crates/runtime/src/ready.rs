//! Which seams of this process are missing, and why: what `/readyz` answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the process still waits for. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, String>>>);

impl Readiness {
    /// Nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `seam` (for instance "pipeline store") is missing, and why.
    pub fn missing(&self, seam: &str, why: impl Into<String>) {
        self.lock().insert(seam.to_owned(), why.into());
    }

    /// Says that `seam` is there.
    pub fn present(&self, seam: &str) {
        self.lock().remove(seam);
    }

    /// Each missing seam and why, by name; empty when the process is ready.
    pub fn report(&self) -> BTreeMap<String, String> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
