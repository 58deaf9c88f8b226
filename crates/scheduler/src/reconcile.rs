//! Compares what is with what should be, whatever messages were lost.
//!
//! - leases that lapsed: their attempts are ended as lost;
//! - runs that `pipeline` has queued and the queue lacks, and the reverse;
//! - attempts that `pipeline` thinks live and whose executor has no lease, or that nobody holds.

use std::collections::HashMap;
use std::time::Duration;

use contracts::message::AttemptEnd;
use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::{
    EndAttemptRequest, ListLiveRequest, ListQueuedRequest, LiveAttempt, QueuedRun,
};
use runtime::{Bell, Progress, Tasks};
use sea_orm::ActiveValue::Set;
use tokio::time::Instant;

use crate::Error;
use crate::entity::queue;
use crate::shift::Desk;
use crate::store::Store;

/// Rows a page.
const PAGE: u32 = 500;
/// How long a run may be queued before its absence from the queue is looked into.
const PATIENCE_MS: u32 = 10_000;

/// Reconciles as long as the process lives.
pub(crate) fn start(desk: &Desk, tasks: &Tasks) {
    let lapse = desk.config.lease.0 / 6;
    let mut watch = Watch::new(desk.config.lease.0);
    let this = desk.clone();
    tasks.answer("lapse leases", &Bell::new(), lapse, move || {
        let may_lapse = watch.round(Instant::now());
        let desk = this.clone();
        async move {
            if may_lapse {
                desk.lapse().await?;
            }
            Ok::<_, Error>(Progress::Idle)
        }
    });
    let (this, began) = (desk.clone(), Instant::now());
    tasks.answer(
        "reconcile the queue",
        &Bell::new(),
        desk.config.reconcile.0,
        move || {
            let desk = this.clone();
            async move {
                desk.find_missing().await?;
                desk.drop_ended().await?;
                desk.end_orphans(began.elapsed()).await?;
                Ok::<_, Error>(Progress::Idle)
            }
        },
    );
}

/// Knows whether this scheduler was there for a whole lease: one that was away (or just started)
/// can't tell whether executors were silent or it was deaf.
struct Watch {
    lease: Duration,
    since: Instant,
    last: Instant,
}

impl Watch {
    fn new(lease: Duration) -> Self {
        let now = Instant::now();
        Self {
            lease,
            since: now,
            last: now,
        }
    }

    /// A round at `now`. Answers whether leases may lapse in it.
    fn round(&mut self, now: Instant) -> bool {
        if now - self.last > self.lease / 2 {
            self.since = now;
        }
        self.last = now;
        now - self.since >= self.lease
    }
}

impl Desk {
    /// Ends the attempts of executors whose lease is over, or that are not known.
    async fn lapse(&self) -> Result<(), Error> {
        for executor in self.store.lapsed().await? {
            tracing::warn!(
                executor.name = executor.name,
                "the lease of an executor lapsed"
            );
            for row in self.store.assigned(&executor.name).await? {
                // What a later boot was given meanwhile has its own lease.
                if row.boot <= Some(executor.boot) {
                    self.end(&row, AttemptEnd::Lost).await?;
                }
            }
            self.store.forget_executor(&executor).await?;
        }
        for row in self.store.assigned_to_nobody().await? {
            tracing::warn!(run.id = row.run_id, "a run is assigned to nobody");
            self.end(&row, AttemptEnd::Lost).await?;
        }
        Ok(())
    }

    /// Runs that `pipeline` has had queued for some time are in the queue.
    async fn find_missing(&self) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let request = ListQueuedRequest {
                older_than_ms: PATIENCE_MS,
                after,
                limit: PAGE,
            };
            let answer = AttemptsClient::new(self.pipeline.clone())
                .list_queued(request)
                .await?;
            let runs = answer.into_inner().runs;
            let Some(last) = runs.last() else { break };
            after = last.run_id.clone();
            self.store
                .enqueue_missing(runs.into_iter().map(row).collect())
                .await?;
        }
        self.bell.ring();
        Ok(())
    }

    /// Rows of runs that have ended or wait leave the queue.
    async fn drop_ended(&self) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let rows = self
                .store
                .waiting(PATIENCE_MS.into(), &after, PAGE.into())
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.run_id.clone();
            let asked = rows
                .iter()
                .map(|row| (row.run_id.clone(), row.attempt.cast_unsigned()));
            let truths = self.truths(asked).await?;
            let (ended, others): (Vec<_>, Vec<_>) = truths.into_iter().partition(|it| it.run_ended);
            let ended = ended.into_iter().filter_map(|it| it.attempt);
            let resting = others.into_iter().filter(|it| it.run_waiting);
            let resting = resting.filter_map(|it| it.attempt);
            let resting: Vec<_> = resting.map(|it| (it.run_id, it.attempt)).collect();
            let tx = self.store.database().begin().await?;
            Store::leave_queue(&tx, ended.map(|it| it.run_id).collect()).await?;
            Store::rest(&tx, &resting).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Attempts that live for `pipeline` and belong to nobody who holds a lease are lost. So are
    /// those that the queue doesn't know, once executors had `time` to say that they hold them.
    async fn end_orphans(&self, time: Duration) -> Result<(), Error> {
        let leases: HashMap<String, u64> = self
            .store
            .executors()
            .await?
            .into_iter()
            .map(|it| (it.name, it.boot.cast_unsigned()))
            .collect();
        let lease_ms = u64::try_from(self.config.lease.0.as_millis()).unwrap_or(u64::MAX);
        let mut after = String::new();
        loop {
            let request = ListLiveRequest { after, limit: PAGE };
            let answer = AttemptsClient::new(self.pipeline.clone())
                .list_live(request)
                .await?;
            let attempts = answer.into_inner().attempts;
            let Some(last) = attempts.last() else {
                return Ok(());
            };
            after = last.run_id.clone();
            let run_ids = attempts.iter().map(|it| it.run_id.clone());
            let known = self.store.known(run_ids.collect()).await?;
            for attempt in attempts {
                let is_held = leases.get(&attempt.executor) == Some(&attempt.boot)
                    && (known.contains(&attempt.run_id) || time < 2 * self.config.lease.0);
                if !is_held && attempt.age_ms > 2 * lease_ms {
                    self.end_orphan(attempt).await?;
                }
            }
        }
    }

    async fn end_orphan(&self, attempt: LiveAttempt) -> Result<(), Error> {
        let request = EndAttemptRequest {
            run_id: attempt.run_id.clone(),
            attempt: attempt.attempt,
            how: AttemptEnd::Lost.into(),
            executor: attempt.executor,
            fault: String::new(),
        };
        let answer = AttemptsClient::new(self.pipeline.clone())
            .end_attempt(request)
            .await?;
        let next = answer.into_inner().next_attempt;
        self.store
            .attempt_over(&attempt.run_id, attempt.attempt, next)
            .await
    }
}

fn row(run: QueuedRun) -> queue::ActiveModel {
    queue::ActiveModel {
        run_id: Set(run.run_id),
        pipeline_id: Set(run.pipeline_id),
        run_count: Set(run.run_count),
        attempt: Set(run.attempt.cast_signed()),
        concurrency: Set(run.concurrency.cast_signed()),
        priority: Set(run.priority),
        order_number: Set(run.order_number),
        enqueued_at_ms: Set(run.requested_at_ms),
        not_before_ms: Set(0),
        traceparent: Set(None),
        executor: Set(None),
        boot: Set(None),
        assigned_at_ms: Set(None),
        waits_for: Set(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_that_was_away_waits_one_lease_before_it_lapses_any() {
        let lease = Duration::from_secs(30);
        let mut watch = Watch::new(lease);
        let start = watch.since;
        let at = |seconds| start + Duration::from_secs(seconds);
        let rounds = [(5, false), (10, false), (20, false), (30, true), (35, true)];
        for (second, may_lapse) in rounds {
            assert_eq!(watch.round(at(second)), may_lapse, "second {second}");
        }
        assert!(!watch.round(at(100)), "it was away");
        assert!(!watch.round(at(115)));
        assert!(watch.round(at(130)));
    }
}
