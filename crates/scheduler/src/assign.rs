//! The loop that hands waiting runs to the executors of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contracts::scheduler::Assignment;
use contracts::scheduler::to_executor::Says;
use runtime::{Progress, Tasks, clock, telemetry};

use crate::Error;
use crate::entity::queue;
use crate::hub::Hub;
use crate::shift::Desk;
use crate::store::{Holder, Left};

/// How often the queue is looked at without a ring: other schedulers fill it too.
const PERIOD: Duration = Duration::from_millis(200);

/// Whether runs may wait for a slot. A hint: where it is wrong, they wait until the next look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backlog(Arc<AtomicBool>);

impl Backlog {
    /// Whether a slot that is free now may be wanted.
    pub(crate) fn may_wait(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Hands out runs as long as the process lives.
pub(crate) fn start(desk: &Desk, tasks: &Tasks) {
    let this = desk.clone();
    tasks.answer("assign runs", &desk.bell, PERIOD, move || {
        let desk = this.clone();
        async move { round(&desk).await }
    });
}

async fn round(desk: &Desk) -> Result<Progress, Error> {
    let (store, hub, backlog) = (&desk.store, &desk.hub, &desk.backlog);
    // A slot that gets free during this look may be wanted, whatever it sees.
    backlog.0.store(true, Ordering::SeqCst);
    let mut left = Left::Nothing;
    for holder in hub.holders() {
        let handed = store.assign(&holder, desk.config.scheduled_limit).await?;
        left = left.max(handed.left);
        for row in handed.rows {
            tell(hub, &holder, row);
        }
    }
    backlog.0.store(left != Left::Nothing, Ordering::SeqCst);
    Ok(match left {
        Left::Ready => Progress::More,
        Left::Nothing | Left::ForSlots => Progress::Idle,
    })
}

/// Tells an executor of a run that is its own. It may have been told before.
pub(crate) fn tell(hub: &Hub, holder: &Holder, row: queue::Model) {
    let waited_ms = clock::now_ms() - row.enqueued_at_ms;
    #[allow(
        clippy::cast_precision_loss,
        reason = "a wait of 2^52 ms is not to be expected"
    )]
    metrics::histogram!("penstock_queue_seconds").record(waited_ms as f64 / 1000.0);
    let attempt = row.attempt.cast_unsigned();
    let span = telemetry::continued(row.traceparent.as_deref(), || {
        tracing::info_span!(
            "assign",
            run.id = row.run_id,
            run.attempt = attempt,
            executor.name = holder.name,
            queue.wait_ms = waited_ms,
        )
    });
    // The attempt follows from this, and from the run's own trace where this process has none.
    let traceparent = telemetry::traceparent_of(&span).or(row.traceparent);
    hub.say(
        &holder.name,
        Says::Assignment(Assignment {
            run_id: row.run_id,
            attempt,
            traceparent: traceparent.unwrap_or_default(),
        }),
    );
}
