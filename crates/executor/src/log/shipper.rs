//! Ships what journals hold to the bus, or to the spool while that is away.
//!
//! It says when: when entries are gathered, published, tried again, and written to disk. What waits
//! where is the [`Queue`]'s.
//!
//! **Invariant:** one batch is under way at a time, and what comes after it waits for its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::logs::Logs;
use super::outlet::{Outcome, Outlet};
use super::queue::{Cargo, Queue};

/// How long the bus may take before entries go to the spool.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pauses between tries to publish.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Told once the entries up to now would survive this process, or can't be made to.
pub(super) type Secured = oneshot::Sender<()>;

/// Carries entries to the bus. One an executor.
pub(crate) struct Shipper {
    logs: Arc<Logs>,
    outlet: Outlet,
    queue: Queue,
    /// Who waits until all entries would survive this process.
    requests: mpsc::Receiver<Secured>,
    waiting: Vec<Secured>,
    flight: Option<Flight>,
    /// The bus is away, or so slow that it might be.
    is_away: bool,
    pause: Duration,
    retry_at: Instant,
}

/// Messages on their way.
struct Flight {
    publishing: BoxFuture<'static, Outcome>,
    since: Instant,
    cargo: Cargo,
}

impl Shipper {
    pub(super) fn new(
        logs: Arc<Logs>,
        outlet: Outlet,
        queue: Queue,
        requests: mpsc::Receiver<Secured>,
    ) -> Self {
        Self {
            logs,
            outlet,
            queue,
            requests,
            waiting: Vec::new(),
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
            self.secure();
            self.tell();
            if closes_at.is_some_and(|at| self.queue.is_empty() || at <= Instant::now()) {
                return self.keep();
            }
            let wake_at = [next_due, self.wakes_at(), closes_at]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                outcome = landing(&mut self.flight) => self.landed(outcome),
                Some(request) = self.requests.recv() => self.waiting.push(request),
                () = until(wake_at) => {}
                () = self.logs.bell.notified() => {}
            }
            self.check_patience();
        }
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
            self.queue.push(posts, hold);
        }
        next_due
    }

    fn launch(&mut self) {
        if self.flight.is_some() || self.retry_at > Instant::now() {
            return;
        }
        match self.queue.next() {
            Err(error) => self.failed(&format!("the spool can't be read: {error}")),
            Ok(None) => {}
            Ok(Some((posts, cargo))) => {
                self.flight = Some(Flight {
                    publishing: self.outlet.publish(posts),
                    since: Instant::now(),
                    cargo,
                });
            }
        }
    }

    /// Has all that waits on disk if anyone asked for it. What can't be is no reason to hold up a
    /// run: the spool has said so.
    fn secure(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            self.waiting.push(request);
        }
        if !self.waiting.is_empty() {
            self.queue.secure();
        }
        for waiting in self.waiting.drain(..) {
            // Whoever asked may be gone.
            let _ = waiting.send(());
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
                let refused = each
                    .into_iter()
                    .map(|it| it.err().map(|why| why.to_string()));
                self.queue.arrived(cargo, refused.collect());
            }
        }
    }

    fn failed(&mut self, why: &str) {
        if !self.is_away {
            tracing::warn!("log entries wait, the bus doesn't take them: {why}");
        }
        self.is_away = true;
        self.pause = (self.pause * 2).clamp(PAUSES.0, PAUSES.1);
        self.retry_at = Instant::now() + self.pause;
        self.queue.failed();
    }

    /// Lets entries go to the spool when the bus takes too long.
    fn check_patience(&mut self) {
        let is_late = |flight: &Flight| flight.since.elapsed() >= PATIENCE;
        if !self.is_away && self.flight.as_ref().is_some_and(is_late) {
            self.is_away = true;
            self.queue.give_way();
        }
    }

    /// Says how things stand.
    #[allow(clippy::cast_precision_loss, reason = "a gauge")]
    fn tell(&self) {
        let is_full = self.queue.is_full();
        self.logs
            .is_full
            .send_if_modified(|told| std::mem::replace(told, is_full) != is_full);
        metrics::gauge!("penstock_log_spool_bytes").set(self.queue.bytes() as f64);
    }

    fn wakes_at(&self) -> Option<Instant> {
        match &self.flight {
            Some(flight) => (!self.is_away).then(|| flight.since + PATIENCE),
            None => (!self.queue.is_empty()).then_some(self.retry_at),
        }
    }

    /// Keeps on disk what wasn't shipped.
    fn keep(mut self) {
        if !self.queue.secure() {
            tracing::error!("log entries are lost: there is no room for them on disk");
        }
    }
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
