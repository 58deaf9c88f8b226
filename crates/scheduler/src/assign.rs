//! The loop that hands waiting runs to the executors of this process.

use std::time::Duration;

use contracts::scheduler::Assignment;
use contracts::scheduler::to_executor::Says;
use runtime::clock;
use runtime::{Bell, Progress, Tasks};

use crate::Error;
use crate::entity::queue;
use crate::hub::Hub;
use crate::store::{Holder, Store};

/// How often the queue is looked at without a ring: other schedulers fill it too.
const PERIOD: Duration = Duration::from_millis(200);

/// Hands out runs as long as the process lives.
pub(crate) fn start(store: &Store, hub: &Hub, bell: &Bell, tasks: &Tasks) {
    let (store, hub) = (store.clone(), hub.clone());
    tasks.answer("assign runs", bell, PERIOD, move || {
        let (store, hub) = (store.clone(), hub.clone());
        async move { round(&store, &hub).await }
    });
}

async fn round(store: &Store, hub: &Hub) -> Result<Progress, Error> {
    let mut progress = Progress::Idle;
    for holder in hub.holders() {
        let rows = store.assign(&holder).await?;
        if !rows.is_empty() {
            progress = Progress::More;
        }
        for row in rows {
            tell(hub, &holder, row);
        }
    }
    Ok(progress)
}

/// Tells an executor of a run that is its own. It may have been told before.
pub(crate) fn tell(hub: &Hub, holder: &Holder, row: queue::Model) {
    let waited_ms = clock::now_ms() - row.enqueued_at_ms;
    #[allow(
        clippy::cast_precision_loss,
        reason = "a wait of 2^52 ms is not to be expected"
    )]
    metrics::histogram!("penstock_queue_seconds").record(waited_ms as f64 / 1000.0);
    hub.say(
        &holder.name,
        Says::Assignment(Assignment {
            run_id: row.run_id,
            attempt: row.attempt.cast_unsigned(),
            traceparent: row.traceparent.unwrap_or_default(),
        }),
    );
}
