//! Ships what journals hold to the bus, or to the spool while that is away.
//!
//! All entries of an executor go through one queue, whose middle is on disk: *head* (memory), spool,
//! *tail* (memory). Only the head is published; while the bus is away new entries go to the spool,
//! and stay in the tail only if that is full.
//!
//! **Invariant:** the queue is never overtaken, so entries of an attempt are published in order.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::message::ActivityBatch;
use futures::future::BoxFuture;
use outbox::Post;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::journal::{Hold, Journal};
use super::outlet::{Outcome, Outlet};
use super::spool::{Oldest, Spool};

/// How long the bus may take before entries go to the spool.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pauses between tries to publish.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// What is published at once.
const FLIGHT_POSTS: usize = 64;
/// The same in bytes, from the spool.
const FLIGHT_BYTES: u64 = 1 << 20;
/// Runs whose quotas are kept although they log nothing now.
const KEPT_QUOTAS: usize = 4096;

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

/// The logs of an executor, as those see them who write.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(super) limits: Limits,
    pub(super) memory: Arc<Semaphore>,
    listed: Mutex<Vec<Arc<Journal>>>,
    bell: Notify,
    is_full: watch::Sender<bool>,
    closes_at: watch::Sender<Option<Instant>>,
    quotas: Mutex<HashMap<String, Arc<Quota>>>,
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
    fn of(total: u64) -> Self {
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

impl Logs {
    /// Opens the logs, with what an earlier start left in `folder`.
    pub(crate) fn open(
        folder: &Path,
        limits: Limits,
        outlet: Outlet,
    ) -> io::Result<(Arc<Self>, Shipper)> {
        let logs = Arc::new(Self {
            limits,
            memory: Arc::new(Semaphore::new(limits.executor)),
            listed: Mutex::default(),
            bell: Notify::new(),
            is_full: watch::Sender::new(false),
            closes_at: watch::Sender::new(None),
            quotas: Mutex::default(),
        });
        let spool = Spool::open(folder, limits.spool)?;
        Ok((logs.clone(), Shipper::new(logs, outlet, spool)))
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

/// Carries entries to the bus. One an executor.
pub(crate) struct Shipper {
    logs: Arc<Logs>,
    outlet: Outlet,
    head: VecDeque<Parcel>,
    spool: Spool,
    tail: VecDeque<Parcel>,
    flight: Option<Flight>,
    /// The bus is away, or so slow that it might be.
    is_away: bool,
    pause: Duration,
    retry_at: Instant,
}

struct Parcel {
    post: Post,
    _hold: Hold,
    /// What the bus refused was taken out of it.
    is_excuse: bool,
}

/// Posts on their way.
struct Flight {
    publishing: BoxFuture<'static, Outcome>,
    since: Instant,
    cargo: Cargo,
}

enum Cargo {
    /// So many of the head.
    Head(usize),
    Spool(Oldest),
}

impl Shipper {
    fn new(logs: Arc<Logs>, outlet: Outlet, spool: Spool) -> Self {
        Self {
            logs,
            outlet,
            head: VecDeque::new(),
            spool,
            tail: VecDeque::new(),
            flight: None,
            is_away: false,
            pause: Duration::ZERO,
            retry_at: Instant::now(),
        }
    }

    /// Ships until the logs are closed.
    pub(crate) async fn run(mut self) {
        loop {
            let closes_at = *self.logs.closes_at.borrow();
            let next_due = self.gather(closes_at.is_some());
            self.launch();
            self.tell();
            if closes_at.is_some_and(|at| self.is_done() || at <= Instant::now()) {
                return self.keep();
            }
            let wake_at = [next_due, self.wakes_at(), closes_at]
                .into_iter()
                .flatten()
                .min();
            let landed = tokio::select! {
                outcome = landing(&mut self.flight) => Some(outcome),
                () = until(wake_at) => None,
                () = self.logs.bell.notified() => None,
            };
            match landed {
                Some(outcome) => self.landed(outcome),
                None => self.check_patience(),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.head.is_empty() && self.spool.is_empty() && self.tail.is_empty()
    }

    /// Takes in what is due. Answers when the next is.
    fn gather(&mut self, all: bool) -> Option<Instant> {
        let now = Instant::now();
        let listed = &self.logs.listed;
        let taken = std::mem::take(&mut *listed.lock().unwrap_or_else(PoisonError::into_inner));
        let (due, later): (Vec<_>, Vec<_>) = taken
            .into_iter()
            .partition(|journal| all || journal.due() <= now);
        let next_due = later.iter().map(|journal| journal.due()).min();
        listed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(later);
        for journal in due {
            let (posts, hold) = journal.take();
            self.queue(posts, hold);
        }
        next_due
    }

    fn queue(&mut self, posts: Vec<Post>, mut hold: Hold) {
        let last = posts.len().saturating_sub(1);
        let is_open = !self.is_away && self.spool.is_empty() && self.tail.is_empty();
        let queue = if is_open {
            &mut self.head
        } else {
            &mut self.tail
        };
        for (position, post) in posts.into_iter().enumerate() {
            let hold = if position == last {
                std::mem::take(&mut hold)
            } else {
                Hold::default()
            };
            queue.push_back(Parcel {
                post,
                _hold: hold,
                is_excuse: false,
            });
        }
        self.spill();
    }

    /// Moves the tail to the spool, as far as there is room, or behind the head if nothing is
    /// between them.
    fn spill(&mut self) {
        if !self.is_away && self.spool.is_empty() {
            self.head.append(&mut self.tail);
        }
        while let Some(parcel) = self.tail.front() {
            match self.spool.append(&parcel.post) {
                Ok(true) => drop(self.tail.pop_front()),
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!("log entries can't be kept on disk: {error}");
                    break;
                }
            }
        }
    }

    fn launch(&mut self) {
        if self.flight.is_some() || self.retry_at > Instant::now() {
            return;
        }
        let (posts, cargo) = if self.head.is_empty() {
            match self.spool.oldest(FLIGHT_BYTES) {
                Ok(mut oldest) => (std::mem::take(&mut oldest.posts), Cargo::Spool(oldest)),
                Err(error) => return self.failed(&format!("the spool can't be read: {error}")),
            }
        } else {
            let posts: Vec<_> = self
                .head
                .iter()
                .take(FLIGHT_POSTS)
                .map(|parcel| parcel.post.clone())
                .collect();
            let count = posts.len();
            (posts, Cargo::Head(count))
        };
        if !posts.is_empty() {
            let publishing = self.outlet.publish(posts);
            self.flight = Some(Flight {
                publishing,
                since: Instant::now(),
                cargo,
            });
        }
    }

    fn landed(&mut self, outcome: Outcome) {
        let Some(Flight { cargo, .. }) = self.flight.take() else {
            return;
        };
        match outcome {
            Err(error) => self.failed(&error),
            Ok(each) => {
                if self.is_away {
                    tracing::info!("the bus takes log entries again");
                }
                (self.is_away, self.pause) = (false, Duration::ZERO);
                let refused = each.iter().map(|outcome| outcome.as_ref().err());
                self.arrived(
                    cargo,
                    refused.map(|why| why.map(ToString::to_string)).collect(),
                );
                self.spill();
            }
        }
    }

    fn arrived(&mut self, cargo: Cargo, refused: Vec<Option<String>>) {
        match cargo {
            Cargo::Spool(oldest) => self.spool.published(&oldest),
            Cargo::Head(count) => {
                let parcels: Vec<_> = self.head.drain(..count).collect();
                for (parcel, why) in parcels.into_iter().zip(refused).rev() {
                    if let Some(excuse) = why.and_then(|why| excuse(parcel, &why)) {
                        self.head.push_front(excuse);
                    }
                }
            }
        }
    }

    fn failed(&mut self, why: &str) {
        if !self.is_away {
            tracing::warn!("log entries wait, the bus doesn't take them: {why}");
        }
        self.pause = (self.pause * 2).clamp(PAUSES.0, PAUSES.1);
        self.retry_at = Instant::now() + self.pause;
        self.give_way(0);
    }

    /// Lets entries go to the spool when the bus takes too long.
    fn check_patience(&mut self) {
        let Some(Flight { since, cargo, .. }) = &self.flight else {
            return;
        };
        if !self.is_away && since.elapsed() >= PATIENCE {
            let in_flight = match cargo {
                Cargo::Head(count) => *count,
                Cargo::Spool(_) => 0,
            };
            self.give_way(in_flight);
        }
    }

    /// Notes that the bus is away: the head, but for what is under way, goes to the spool.
    fn give_way(&mut self, in_flight: usize) {
        self.is_away = true;
        if self.spool.is_empty() {
            let mut rest = self.head.split_off(in_flight.min(self.head.len()));
            rest.append(&mut self.tail);
            self.tail = rest;
        }
        self.spill();
    }

    /// Says how things stand.
    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    fn tell(&self) {
        let is_full = self.is_away && !self.tail.is_empty();
        self.logs
            .is_full
            .send_if_modified(|told| std::mem::replace(told, is_full) != is_full);
        metrics::gauge!("penstock_log_spool_bytes").set(self.spool.bytes() as f64);
    }

    fn wakes_at(&self) -> Option<Instant> {
        match &self.flight {
            Some(flight) => (!self.is_away).then(|| flight.since + PATIENCE),
            None => (!self.head.is_empty() || !self.spool.is_empty()).then_some(self.retry_at),
        }
    }

    /// Keeps on disk what wasn't shipped.
    fn keep(mut self) {
        self.head.append(&mut self.tail);
        self.tail = self.head;
        self.head = VecDeque::new();
        for parcel in &self.tail {
            if !matches!(self.spool.append(&parcel.post), Ok(true)) {
                tracing::error!("log entries are lost: there is no room for them on disk");
                return;
            }
        }
    }
}

/// A message in place of one that the bus refused, with the same numbers; nothing if it was one.
fn excuse(parcel: Parcel, why: &str) -> Option<Parcel> {
    let id = &parcel.post.id;
    tracing::error!(message.id = id, "the bus refuses log entries: {why}");
    if parcel.is_excuse {
        return None;
    }
    let mut batch: ActivityBatch = serde_json::from_slice(&parcel.post.payload).ok()?;
    for entry in &mut batch.entries {
        entry.message = "the bus refused this entry".into();
        entry.truncated = true;
    }
    let payload = serde_json::to_vec(&batch).ok()?.into();
    Some(Parcel {
        post: Post {
            payload,
            ..parcel.post
        },
        is_excuse: true,
        ..parcel
    })
}

async fn landing(flight: &mut Option<Flight>) -> Outcome {
    match flight {
        Some(flight) => (&mut flight.publishing).await,
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
