//! Ships what journals hold to the bus, or to the spool while that is away.
//!
//! All entries of an executor go through one queue, whose middle is on disk: *head* (memory), spool,
//! *tail* (memory). Only the head is published; while the bus is away new entries go to the spool,
//! and stay in the tail only if that is full.
//!
//! **Invariant:** the queue is never overtaken, so entries of an attempt are published in order.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use contracts::message::ActivityBatch;
use futures::future::BoxFuture;
use outbox::Post;
use tokio::time::Instant;

use super::journal::Hold;
use super::logs::Logs;
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
    pub(super) fn new(logs: Arc<Logs>, outlet: Outlet, spool: Spool) -> Self {
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
            Cargo::Spool(oldest) => {
                self.spool.published(&oldest);
                for why in refused.into_iter().flatten() {
                    tracing::error!("the bus refuses log entries of the spool: {why}");
                }
            }
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
