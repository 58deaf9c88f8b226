//! What logging may take, and what is left of it to a run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What logging may take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Entries in memory, of all attempts.
    pub(crate) executor: usize,
    /// Entries in memory, of one attempt.
    pub(crate) attempt: usize,
    /// Output of one run.
    pub(crate) run: u64,
    /// Entries on disk.
    pub(crate) spool: u64,
}

/// What a run may still log here.
#[derive(Debug)]
pub(crate) struct Quota {
    total: u64,
    left: AtomicU64,
    is_used_up: AtomicBool,
    is_said: AtomicBool,
}

impl Quota {
    pub(super) fn of(total: u64) -> Self {
        let (is_used_up, is_said) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            total,
            left: AtomicU64::new(total),
            is_used_up,
            is_said,
        }
    }

    /// Takes this much, unless it was too much once.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let less = |left: u64| left.checked_sub(bytes as u64);
        let taken = !self.is_used_up.load(Ordering::Relaxed)
            && self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
                .is_ok();
        if !taken {
            self.is_used_up.store(true, Ordering::Relaxed);
        }
        taken
    }

    /// What there is to say once it is used up, once.
    pub(super) fn used_up(&self) -> Option<String> {
        let is_said = self.is_said.swap(true, Ordering::Relaxed);
        (!is_said).then(|| {
            format!(
                "the run's output is not logged from here on: its {} bytes of log are used up",
                self.total
            )
        })
    }
}
