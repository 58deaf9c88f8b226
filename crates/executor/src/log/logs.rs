//! The logs of an executor, as those see them who write: their limits, and the way to the shipper.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::journal::Journal;
use super::outlet::Outlet;
use super::queue::Queue;
use super::quota::{Limits, Quota};
use super::shipper::{Secured, Shipper};
use super::spool::Spool;

/// Runs whose quotas are kept although they log nothing now.
const KEPT_QUOTAS: usize = 4096;
/// Requests that wait for the shipper; more of them wait for a place.
const REQUESTS: usize = 64;

/// The logs of an executor, as those see them who write.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(super) limits: Limits,
    pub(super) memory: Arc<Semaphore>,
    pub(super) listed: Mutex<Vec<Arc<Journal>>>,
    pub(super) bell: Notify,
    pub(super) is_full: watch::Sender<bool>,
    pub(super) closes_at: watch::Sender<Option<Instant>>,
    requests: mpsc::Sender<Secured>,
    quotas: Mutex<HashMap<String, Arc<Quota>>>,
}

impl Logs {
    /// Opens the logs, with what an earlier start left in `folder`.
    pub(crate) fn open(
        folder: &Path,
        limits: Limits,
        outlet: Outlet,
    ) -> io::Result<(Arc<Self>, Shipper)> {
        let (requests, asked) = mpsc::channel(REQUESTS);
        let logs = Arc::new(Self {
            limits,
            memory: Arc::new(Semaphore::new(limits.executor)),
            listed: Mutex::default(),
            bell: Notify::new(),
            is_full: watch::Sender::new(false),
            closes_at: watch::Sender::new(None),
            requests,
            quotas: Mutex::default(),
        });
        let queue = Queue::of(Spool::open(folder, limits.spool)?);
        Ok((logs.clone(), Shipper::new(logs, outlet, queue, asked)))
    }

    /// Ships what there is, keeps on disk what can't be shipped in time, and ends the shipper.
    pub(crate) fn close(&self, limit: Duration) {
        self.closes_at.send_replace(Some(Instant::now() + limit));
        self.ring();
    }

    /// Forgets what a run has logged, when it can log no more.
    pub(crate) fn forget(&self, run_id: &str) {
        self.quotas
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(run_id);
    }

    pub(super) fn quota(&self, run_id: &str) -> Arc<Quota> {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if quotas.len() >= KEPT_QUOTAS {
            quotas.retain(|_, quota| Arc::strong_count(quota) > 1);
        }
        let quota = quotas.entry(run_id.to_owned());
        quota
            .or_insert_with(|| Arc::new(Quota::of(self.limits.run)))
            .clone()
    }

    pub(super) fn list(&self, journal: Arc<Journal>) {
        self.listed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(journal);
    }

    /// Waits until what the shipper was to gather by now is on the bus or on disk. Nothing is waited
    /// for once the shipper has ended, nor when the disk takes nothing.
    pub(super) async fn secure(&self) {
        let (secured, is_secured) = oneshot::channel();
        if self.requests.send(secured).await.is_ok() {
            let _ = is_secured.await;
        }
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether neither bus nor spool take any more.
    pub(super) fn is_full(&self) -> bool {
        *self.is_full.borrow()
    }

    /// Waits until neither bus nor spool take any more.
    pub(super) async fn full(&self) {
        let _ = self.is_full.subscribe().wait_for(|is_full| *is_full).await;
    }
}
