//! Supervised loops: work until nothing is left, then wait for the bell or for a period.
//!
//! A ring is a hint and carries nothing; the database says what there is to do. Without rings
//! everything still happens, one period later.
//!
//! **Invariant:** a loop ends only when its process drains. An error or a panic is logged, counted
//! (`penstock_loop_restarts_total`) and followed by another try after a growing pause.

use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest pause between two tries of a loop that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a soft ring may wait for others to be answered together.
const SOON: Duration = Duration::from_millis(20);

/// Wakes one loop. Rings while it works are remembered as one.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Clappers>);

#[derive(Debug, Default)]
struct Clappers {
    now: Notify,
    soon: Notify,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that there may be something to do.
    pub fn ring(&self) {
        self.0.now.notify_one();
    }

    /// Says that there may be something to do for which nobody waits: it is done within 20 ms,
    /// together with what comes until then.
    pub fn ring_soon(&self) {
        self.0.soon.notify_one();
    }

    /// Waits for a ring.
    pub async fn rung(&self) {
        tokio::select! {
            () = self.0.now.notified() => {}
            () = self.0.soon.notified() => {
                let _ = tokio::time::timeout(SOON, self.0.now.notified()).await;
            }
        }
    }
}

/// Whether a piece of work left more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more: look again at once.
    More,
    /// Nothing is left for now.
    Idle,
}

/// The tasks of a process: all are named, supervised and end together.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    draining: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to end.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Runs `work` until it answers [`Progress::Idle`], then waits for the bell or for `period`.
    pub fn answer<F, W, E>(&self, name: &'static str, bell: &Bell, period: Duration, mut work: W)
    where
        W: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<Progress, E>> + Send,
        E: Display + Send,
    {
        let bell = bell.clone();
        self.repeat(name, move |()| {
            let work = work();
            let bell = bell.clone();
            async move {
                if work.await? == Progress::Idle {
                    let _ = tokio::time::timeout(period, bell.rung()).await;
                }
                Ok::<(), E>(())
            }
        });
    }

    /// Runs `work` again and again: at once after success, after a growing pause after a failure.
    pub fn repeat<F, W, E>(&self, name: &'static str, mut work: W)
    where
        W: FnMut(()) -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let draining = self.draining.clone();
        self.spawn(async move {
            let mut pause = Duration::ZERO;
            while !draining.is_cancelled() {
                let outcome = tokio::select! {
                    () = draining.cancelled() => return,
                    outcome = AssertUnwindSafe(work(())).catch_unwind() => outcome,
                };
                pause = match outcome {
                    Ok(Ok(())) => {
                        pause = Duration::ZERO;
                        continue;
                    }
                    Ok(Err(error)) => failed(name, pause, &error),
                    Err(_) => failed(name, pause, &"panicked"),
                };
                let _ = tokio::time::timeout(pause, draining.cancelled()).await;
            }
        });
    }

    /// Runs a task that ends by itself; [`Tasks::ended`] waits for it.
    #[allow(clippy::disallowed_methods, reason = "tasks are tracked here")]
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.tracker.spawn(task)
    }

    /// Tells all tasks to end.
    pub fn drain(&self) {
        self.draining.cancel();
        self.tracker.close();
    }

    /// Waits until all tasks have ended.
    pub async fn ended(&self) {
        self.tracker.wait().await;
    }
}

fn failed(name: &'static str, pause: Duration, error: &dyn Display) -> Duration {
    metrics::counter!("penstock_loop_restarts_total", "loop" => name).increment(1);
    tracing::warn!(loop.name = name, "{name} failed and will try again: {error}");
    (pause * 2).clamp(Duration::from_millis(50), LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_soft_ring_waits_for_others_and_a_ring_does_not() {
        let bell = Bell::new();
        bell.ring_soon();
        let mut rung = std::pin::pin!(bell.rung());
        assert!(rung.as_mut().now_or_never().is_none());
        rung.await;
        bell.ring_soon();
        let mut rung = std::pin::pin!(bell.rung());
        assert!(rung.as_mut().now_or_never().is_none());
        bell.ring();
        assert!(rung.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_loop_survives_errors_and_panics_and_hears_the_bell() {
        let (tasks, bell, rounds) = (Tasks::new(), Bell::new(), Arc::new(AtomicU32::new(0)));
        let done = Arc::new(Notify::new());
        let (count, seen) = (rounds.clone(), done.clone());
        tasks.answer("test", &bell, Duration::from_hours(1), move || {
            let round = count.fetch_add(1, Ordering::SeqCst);
            let seen = seen.clone();
            async move {
                match round {
                    0 => Err("an error"),
                    1 => panic!("a panic"),
                    _ => {
                        seen.notify_one();
                        Ok(Progress::Idle)
                    }
                }
            }
        });
        done.notified().await;
        bell.ring();
        done.notified().await;
        assert_eq!(rounds.load(Ordering::SeqCst), 4);
        tasks.drain();
        tasks.ended().await;
    }
}
