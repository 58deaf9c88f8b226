//! An executor's stream: what it says, and what follows.
//!
//! Nothing that is said here is relied on: each renewal compares what the executor holds with what
//! the rows and `pipeline` say, and tells it again what it missed.

use std::collections::HashSet;

use contracts::id::is_object_id;
use contracts::message::{AttemptEnd, StopMode};
use contracts::pipeline::attempts_client::AttemptsClient;
use contracts::pipeline::{
    Attempt as AskedAttempt, AttemptTruth, CheckAttemptsRequest, EndAttemptRequest,
};
use contracts::scheduler::from_executor::Said;
use contracts::scheduler::to_executor::Says;
use contracts::scheduler::{Attempt, Ended, Fence, Hello, Renew, Renewed, Stop};
use runtime::{Bell, Route, telemetry};
use sea_orm::ActiveValue::Set;
use tracing::Instrument as _;

use crate::assign::{self, Backlog};
use crate::entity::queue;
use crate::hub::Hub;
use crate::store::{Holder, Store};
use crate::{Config, Error};

/// What a stream needs to be answered.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) bell: Bell,
    pub(crate) backlog: Backlog,
    pub(crate) pipeline: Route,
}

/// One executor at its stream.
pub(crate) struct Shift {
    desk: Desk,
    holder: Holder,
    slots: u32,
}

impl Desk {
    /// An executor says hello: it has a lease, and what its earlier boots had is lost.
    pub(crate) async fn open(&self, hello: Hello) -> Result<Shift, Error> {
        let fits = !hello.executor.is_empty() && hello.executor.len() <= 256;
        if !fits || !(1..=10_000).contains(&hello.slots) {
            return Err(Error::NoHello);
        }
        let holder = Holder {
            name: hello.executor,
            boot: hello.boot,
        };
        self.store
            .lease(&holder, hello.slots, self.config.lease.0)
            .await?;
        for row in self.store.assigned(&holder.name).await? {
            if row.boot != Some(holder.boot.cast_signed()) {
                self.end(&row, AttemptEnd::Lost).await?;
            }
        }
        Ok(Shift {
            desk: self.clone(),
            holder,
            slots: hello.slots,
        })
    }

    /// Ends an attempt that its executor won't finish. `pipeline` decides what follows.
    pub(crate) async fn end(&self, row: &queue::Model, how: AttemptEnd) -> Result<(), Error> {
        self.end_by(row, how, String::new()).await
    }

    /// The same, because of a fault if there is one.
    async fn end_by(
        &self,
        row: &queue::Model,
        how: AttemptEnd,
        fault: String,
    ) -> Result<(), Error> {
        let attempt = row.attempt.cast_unsigned();
        let request = EndAttemptRequest {
            run_id: row.run_id.clone(),
            attempt,
            how: how.into(),
            executor: row.executor.clone().unwrap_or_default(),
            fault,
        };
        // What follows belongs to the run's trace, also its next attempt.
        let span = telemetry::continued(row.traceparent.as_deref(), || {
            tracing::info_span!("end", run.id = row.run_id, run.attempt = attempt, ?how)
        });
        let mut attempts = AttemptsClient::new(self.pipeline.clone());
        let answer = attempts.end_attempt(request).instrument(span).await?;
        let next = answer.into_inner().next_attempt;
        self.store.attempt_over(&row.run_id, attempt, next).await?;
        self.bell.ring();
        Ok(())
    }

    /// What `pipeline` knows of these attempts.
    pub(crate) async fn truths(
        &self,
        attempts: impl Iterator<Item = (String, u32)>,
    ) -> Result<Vec<AttemptTruth>, Error> {
        let asked = |(run_id, attempt)| AskedAttempt { run_id, attempt };
        let request = CheckAttemptsRequest {
            attempts: attempts.map(asked).collect(),
        };
        if request.attempts.is_empty() {
            return Ok(Vec::new());
        }
        let answer = AttemptsClient::new(self.pipeline.clone())
            .check_attempts(request)
            .await?;
        Ok(answer.into_inner().attempts)
    }
}

impl Shift {
    pub(crate) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Acts on what the executor has said since it was last heard.
    pub(crate) async fn hear(&self, said: Vec<Said>) -> Result<(), Error> {
        let mut through = Vec::new();
        for said in said {
            match said {
                Said::Ended(Ended {
                    attempt,
                    busy,
                    waits_for,
                }) => {
                    let Attempt { run_id, attempt } = attempt.unwrap_or_default();
                    if busy {
                        let waits_for = Some(waits_for).filter(|it| is_object_id(it));
                        self.desk
                            .store
                            .found_no_place(&run_id, attempt, waits_for)
                            .await?;
                        self.desk.bell.ring();
                    } else {
                        through.push((run_id, attempt));
                    }
                }
                Said::Hello(_) => return Err(Error::NoHello),
                Said::Renew(renew) => {
                    self.through(&mut through).await?;
                    self.renew(renew).await?;
                }
                Said::HandBack(back) => {
                    self.through(&mut through).await?;
                    let how = if back.lost {
                        AttemptEnd::Lost
                    } else {
                        AttemptEnd::HandedBack
                    };
                    let attempt = back.attempt.unwrap_or_default();
                    self.given_back(attempt, how, back.fault).await?;
                }
            }
        }
        self.through(&mut through).await
    }

    /// The executor is through with these attempts.
    async fn through(&self, attempts: &mut Vec<(String, u32)>) -> Result<(), Error> {
        if attempts.is_empty() {
            return Ok(());
        }
        self.desk.store.attempts_left(attempts).await?;
        attempts.clear();
        if self.desk.backlog.may_wait() {
            self.desk.bell.ring();
        }
        Ok(())
    }

    async fn renew(&self, renew: Renew) -> Result<(), Error> {
        let desk = &self.desk;
        if renew.draining {
            desk.hub.drains(&self.holder);
        }
        desk.store
            .lease(&self.holder, self.slots, desk.config.lease.0)
            .await?;
        let lease_ms = u32::try_from(desk.config.lease.0.as_millis()).unwrap_or(u32::MAX);
        self.say(Says::Renewed(Renewed {
            sent_at_ns: renew.sent_at_ns,
            lease_ms,
        }));
        let held: Vec<(String, u32)> = renew
            .holding
            .into_iter()
            .map(|it| (it.run_id, it.attempt))
            .collect();
        self.tell_again(&held).await?;
        self.check(&held).await
    }

    /// Runs that are the executor's own and that it doesn't hold: it may not have heard.
    async fn tell_again(&self, held: &[(String, u32)]) -> Result<(), Error> {
        let held: HashSet<(&str, u32)> = held.iter().map(|(run, n)| (run.as_str(), *n)).collect();
        for row in self.desk.store.assigned(&self.holder.name).await? {
            if !held.contains(&(row.run_id.as_str(), row.attempt.cast_unsigned())) {
                assign::tell(&self.desk.hub, &self.holder, row);
            }
        }
        Ok(())
    }

    /// What the executor holds, as `pipeline` sees it: stops hold, ended attempts are fenced.
    async fn check(&self, held: &[(String, u32)]) -> Result<(), Error> {
        let truths = self.desk.truths(held.iter().cloned()).await?;
        let mut known = HashSet::new();
        for truth in truths {
            let Some(attempt) = truth.attempt.clone() else {
                continue;
            };
            known.insert((attempt.run_id.clone(), attempt.attempt));
            self.tell_truth(attempt, &truth).await?;
        }
        for (run_id, attempt) in held.iter().filter(|it| !known.contains(*it)) {
            self.fence(run_id.clone(), *attempt);
        }
        Ok(())
    }

    async fn tell_truth(&self, attempt: AskedAttempt, truth: &AttemptTruth) -> Result<(), Error> {
        let AskedAttempt { run_id, attempt } = attempt;
        if !truth.current && !truth.run_ended {
            self.fence(run_id, attempt);
            return Ok(());
        }
        if truth.stop() != StopMode::Unspecified {
            self.say(Says::Stop(Stop {
                run_id: run_id.clone(),
                mode: truth.stop,
            }));
        }
        if truth.live && self.desk.store.row(&run_id).await?.is_none() {
            self.desk.store.adopt(self.row_of(run_id, attempt)).await?;
        }
        Ok(())
    }

    fn row_of(&self, run_id: String, attempt: u32) -> queue::ActiveModel {
        let now_ms = runtime::clock::now_ms();
        queue::ActiveModel {
            run_id: Set(run_id),
            pipeline_id: Set(String::new()),
            run_count: Set(0),
            attempt: Set(attempt.cast_signed()),
            concurrency: Set(0),
            priority: Set(0),
            order_number: Set(1),
            enqueued_at_ms: Set(now_ms),
            not_before_ms: Set(0),
            traceparent: Set(None),
            executor: Set(Some(self.holder.name.clone())),
            boot: Set(Some(self.holder.boot.cast_signed())),
            assigned_at_ms: Set(Some(now_ms)),
            waits_for: Set(None),
        }
    }

    async fn given_back(
        &self,
        attempt: Attempt,
        how: AttemptEnd,
        fault: String,
    ) -> Result<(), Error> {
        let row = self.desk.store.row(&attempt.run_id).await?;
        let is_own = |row: &queue::Model| {
            row.executor.as_ref() == Some(&self.holder.name)
                && row.attempt.cast_unsigned() == attempt.attempt
        };
        match row.filter(is_own) {
            Some(row) => self.desk.end_by(&row, how, fault).await,
            None => Ok(()),
        }
    }

    fn fence(&self, run_id: String, attempt: u32) {
        self.say(Says::Fence(Fence {
            attempt: Some(Attempt { run_id, attempt }),
        }));
    }

    fn say(&self, says: Says) {
        self.desk.hub.say(&self.holder.name, says);
    }
}
