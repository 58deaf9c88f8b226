//! The end of a process, in order: runs are given back, then callers are answered no more.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::Ended;
use super::place::Node;

/// How long an executor may take to give its runs back, beyond twice its grace period.
const EXECUTOR: Duration = Duration::from_secs(15);
/// How long everything else may take after that.
const TASKS: Duration = Duration::from_secs(5);

/// The signals that tell a process to end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Hears them from now on.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Node {
    /// Ends the services in order, or at once when another signal says so.
    pub(super) async fn drain(self, signals: &mut Signals) -> Ended {
        tracing::info!("draining: running steps may finish; a second signal ends at once");
        tokio::select! {
            () = self.end() => Ended::Drained,
            () = signals.next() => Ended::Forced,
        }
    }

    async fn end(self) {
        let grace = Duration::from_millis(self.seams.config.executor.grace_ms);
        if let Some(executor) = &self.executor
            && timeout(2 * grace + EXECUTOR, executor.drain())
                .await
                .is_err()
        {
            tracing::warn!("the executor's runs were not given back in time; their leases lapse");
        }
        self.seams.tasks.drain();
        if timeout(TASKS, self.seams.tasks.ended()).await.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        tracing::info!("drained");
    }
}
