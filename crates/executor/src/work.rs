//! The stream on which an executor works for the scheduler.
//!
//! It says who it is, renews its lease, and is told what to do. Whatever breaks, it connects again:
//! what it holds is said anew each time, so no message is missed for long.
//!
//! **Invariant:** no assignment is taken twice, and none while the executor drains.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use contracts::scheduler::from_executor::Said;
use contracts::scheduler::scheduler_client::SchedulerClient;
use contracts::scheduler::to_executor::Says;
use contracts::scheduler::{Assignment, Attempt, FromExecutor, Hello, Renew, Renewed, ToExecutor};
use futures::FutureExt as _;
use keeper::monotonic_ns;
use runtime::{Route, telemetry};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument as _;

use crate::attempt::{self, stop_of};
use crate::kit::Kit;
use crate::shift::{Key, Parting, Taken};

/// The pauses between connections.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// What may be under way to the scheduler.
const UNSENT: usize = 256;
/// How long a keeper beyond those that are wanted waits without a process.
const KEEPERS_REST: Duration = Duration::from_secs(10);
/// How long a stream may be silent before there is a lease to measure by.
const PATIENCE: Duration = Duration::from_secs(5);

/// The executor's side of the stream.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) kit: Arc<Kit>,
    pub(crate) scheduler: Route,
}

impl Work {
    /// Works on one stream after the other, for ever.
    pub(crate) async fn go_on(self) {
        let mut pause = PAUSES.0;
        loop {
            let began = Instant::now();
            let Err(status) = self.stream().await;
            if began.elapsed() > PATIENCE {
                pause = PAUSES.0;
            }
            let why = status.message();
            tracing::warn!("the scheduler doesn't hear us and is called again: {why}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn stream(&self) -> Result<std::convert::Infallible, Status> {
        let (say, said) = mpsc::channel(UNSENT);
        let hello = Hello {
            executor: self.kit.name.clone(),
            boot: self.kit.boot,
            slots: self.kit.slots,
        };
        Self::say(&say, Said::Hello(hello))?;
        self.renew(&say)?;
        let mut scheduler = SchedulerClient::new(self.scheduler.clone());
        let mut heard = scheduler
            .work(ReceiverStream::new(said))
            .await?
            .into_inner();
        let began_ns = monotonic_ns();
        let mut renew_at = Instant::now() + self.pause();
        loop {
            self.say_what_waits(&say);
            self.check_silence(began_ns)?;
            tokio::select! {
                next = heard.message() => self.hear(next?.ok_or_else(ended)?),
                () = self.kit.shift.has_something_to_say() => {}
                () = self.kit.renew.notified() => renew_at = Instant::now(),
                () = tokio::time::sleep_until(renew_at) => {}
            }
            if renew_at <= Instant::now() {
                self.say_what_waits(&say);
                self.renew(&say)?;
                self.kit.keepers.rest(KEEPERS_REST);
                renew_at = Instant::now() + self.pause();
            }
        }
    }

    fn say(say: &mpsc::Sender<FromExecutor>, said: Said) -> Result<(), Status> {
        let stuck = |_| Status::unavailable("the stream is stuck");
        say.try_send(FromExecutor { said: Some(said) })
            .map_err(stuck)
    }

    fn renew(&self, say: &mpsc::Sender<FromExecutor>) -> Result<(), Status> {
        let renew = Renew {
            sent_at_ns: monotonic_ns(),
            holding: self.kit.shift.holding(),
            draining: *self.kit.is_draining.borrow(),
        };
        Self::say(say, Said::Renew(renew))
    }

    /// Says how attempts ended, as far as the stream takes it.
    fn say_what_waits(&self, say: &mpsc::Sender<FromExecutor>) {
        while let Ok(place) = say.try_reserve() {
            match self.kit.shift.next_to_say() {
                Some(next) => place.send(next),
                None => return,
            }
        }
    }

    fn pause(&self) -> Duration {
        let term = self.kit.lease.term();
        if term.length.is_zero() {
            PATIENCE / 5
        } else {
            term.pause(monotonic_ns())
        }
    }

    /// Whether renewals are still answered: half a lease without is enough to try elsewhere.
    fn check_silence(&self, began_ns: u64) -> Result<(), Status> {
        let term = self.kit.lease.term();
        let heard_ns = term.answered_ns.max(began_ns);
        let patience = if term.length.is_zero() {
            PATIENCE
        } else {
            term.length / 2
        };
        if Duration::from_nanos(monotonic_ns().saturating_sub(heard_ns)) > patience {
            return Err(Status::unavailable("renewals are not answered"));
        }
        Ok(())
    }

    fn hear(&self, heard: ToExecutor) {
        match heard.says {
            Some(Says::Renewed(Renewed {
                sent_at_ns,
                lease_ms,
            })) => {
                // A clock that we never had is no ground for a lease.
                let length = Duration::from_millis(lease_ms.into());
                if sent_at_ns <= monotonic_ns() {
                    self.kit.lease.renewed(sent_at_ns, length);
                }
            }
            Some(Says::Assignment(assignment)) => self.assigned(assignment),
            Some(Says::Stop(stop)) => self.kit.shift.stop(&stop.run_id, stop_of(stop.mode)),
            Some(Says::Fence(fence)) => {
                if let Some(Attempt { run_id, attempt }) = fence.attempt {
                    self.kit.shift.fence(&Key { run_id, attempt });
                }
            }
            None => {}
        }
    }

    fn assigned(&self, assignment: Assignment) {
        let Assignment {
            run_id,
            attempt,
            traceparent,
        } = assignment;
        let key = Key { run_id, attempt };
        if *self.kit.is_draining.borrow() {
            return self.kit.shift.decline(&key, Parting::HandedBack);
        }
        let orders = match self.kit.shift.take(key.clone()) {
            Taken::New(orders) => orders,
            Taken::Held => return,
            Taken::Left(parting) => return self.kit.shift.decline(&key, parting),
            Taken::Full => return self.kit.shift.decline(&key, Parting::Busy(None)),
        };
        let traceparent = Some(traceparent).filter(|it| !it.is_empty());
        let span = tracing::info_span!("attempt", run.id = key.run_id, run.attempt = key.attempt);
        telemetry::follow(&span, traceparent.as_deref());
        let kit = self.kit.clone();
        let carried_out = attempt::carry_out(kit.clone(), key.clone(), traceparent, orders);
        let carried_out = async move {
            let outcome = AssertUnwindSafe(carried_out).catch_unwind().await;
            // Dropping it has killed what it ran. Lost and not handed back: a run that does this each
            // time must not go on for ever.
            kit.shift.part(&key, outcome.unwrap_or(Parting::Lost));
        };
        self.kit.tasks.spawn(carried_out.instrument(span));
    }
}

fn ended() -> Status {
    Status::unavailable("the stream ended")
}
