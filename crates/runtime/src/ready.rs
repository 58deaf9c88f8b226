//! Which seams of this process are missing or impaired, and why: what `/readyz` answers.
//!
//! A process is not ready while it misses something that it can't do its work without. What it can
//! do without for a while, it tells of and stays ready.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// Seams by name, each with what is wrong with it.
type Seams = BTreeMap<String, String>;

/// What the process still waits for. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    missing: Arc<watch::Sender<Seams>>,
    impaired: Arc<watch::Sender<Seams>>,
}

impl Readiness {
    /// Nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that `seam` (for instance "pipeline store") is missing, and why.
    pub fn missing(&self, seam: &str, why: impl Into<String>) {
        note(&self.missing, seam, why.into());
    }

    /// Says that `seam` is away for a while, and why; the process does its work all the same.
    pub fn impaired(&self, seam: &str, why: impl Into<String>) {
        note(&self.impaired, seam, why.into());
    }

    /// Says that `seam` is there.
    pub fn present(&self, seam: &str) {
        for seams in [&self.missing, &self.impaired] {
            seams.send_if_modified(|seams| seams.remove(seam).is_some());
        }
    }

    /// Each missing seam and why, by name; empty when the process is ready.
    pub fn report(&self) -> Seams {
        self.missing.borrow().clone()
    }

    /// Each impaired seam and why, by name.
    pub fn impairments(&self) -> Seams {
        self.impaired.borrow().clone()
    }

    /// Waits until nothing is missing.
    pub async fn complete(&self) {
        let mut seams = self.missing.subscribe();
        // The sender lives in `self`, so the wait can't fail.
        let _ = seams.wait_for(BTreeMap::is_empty).await;
    }

    /// Waits until something is missing.
    pub async fn incomplete(&self) {
        let mut seams = self.missing.subscribe();
        let _ = seams.wait_for(|seams| !seams.is_empty()).await;
    }
}

fn note(seams: &watch::Sender<Seams>, seam: &str, why: String) {
    seams.send_modify(|seams| drop(seams.insert(seam.to_owned(), why)));
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

    #[tokio::test]
    async fn a_process_that_can_do_without_a_seam_is_ready() {
        let ready = Readiness::new();
        ready.impaired("bus", "no broker");
        ready.complete().await;
        assert_eq!(ready.impairments()["bus"], "no broker");
        ready.present("bus");
        assert!(ready.impairments().is_empty());
    }
}
