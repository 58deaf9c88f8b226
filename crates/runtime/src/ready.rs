//! Which seams of this process are missing, and why: what `/readyz` answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// What the process still waits for. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<String, String>>>);

impl Readiness {
    /// Nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `seam` (for instance "pipeline store") is missing, and why.
    pub fn missing(&self, seam: &str, why: impl Into<String>) {
        let (seam, why) = (seam.to_owned(), why.into());
        self.0.send_modify(|seams| drop(seams.insert(seam, why)));
    }

    /// Says that `seam` is there.
    pub fn present(&self, seam: &str) {
        self.0
            .send_if_modified(|seams| seams.remove(seam).is_some());
    }

    /// Each missing seam and why, by name; empty when the process is ready.
    pub fn report(&self) -> BTreeMap<String, String> {
        self.0.borrow().clone()
    }

    /// Waits until nothing is missing.
    pub async fn complete(&self) {
        let mut seams = self.0.subscribe();
        // The sender lives in `self`, so the wait can't fail.
        let _ = seams.wait_for(BTreeMap::is_empty).await;
    }

    /// Waits until something is missing.
    pub async fn incomplete(&self) {
        let mut seams = self.0.subscribe();
        let _ = seams.wait_for(|seams| !seams.is_empty()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_ready_when_its_last_seam_is_there() {
        let ready = Readiness::new();
        ready.missing("bus", "no broker");
        ready.missing("store", "no server");
        let waiting = ready.complete();
        tokio::pin!(waiting);
        ready.present("bus");
        assert!(futures::poll!(&mut waiting).is_pending());
        ready.present("store");
        waiting.await;
        assert!(ready.report().is_empty());
    }
}
