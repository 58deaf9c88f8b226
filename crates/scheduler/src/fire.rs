//! The loops of schedules: what is due is taken, its runs are asked for, and the rows say what came
//! of it.
//!
//! They meet in rows only. Any number of schedulers do this beside one another: each takes what the
//! others have not locked, and what one leaves behind another finishes.

use std::time::Duration;

use contracts::pipeline::scheduling_client::SchedulingClient;
use contracts::pipeline::start_outcome::What;
use contracts::pipeline::{
    EndedRun, ListEndedRequest, ScheduledStart, StartOutcome, StartRunsRequest,
};
use runtime::{Bell, Progress, Route, Tasks, clock};

use crate::Error;
use crate::entity::{schedule, slot};
use crate::record;
use crate::schedule::{Overlap, Reason, order_number};
use crate::store::{CLAIMED_AT_ONCE, Claimed, Settled, Store};

/// The longest time between two looks at what is due: other schedulers make schedules, too.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// The shortest: the store's clock, which says what is due, may be a little behind this one.
const SHORTEST_NAP: Duration = Duration::from_millis(10);
/// Batches of schedules that are taken before the runs of their slots are asked for.
const BATCHES: usize = 20;
/// How often slots are looked for whose runs are to be asked for, without a ring.
const SLOTS_PERIOD: Duration = Duration::from_millis(500);
/// How long a slot waits for its pipeline before it is tried again, unless a run of it ends before.
const WAIT_MS: i64 = 5000;
/// How long slots wait that could not be asked for.
const PAUSE_MS: i64 = 1000;
/// How often runs are looked for that ended and were not heard of.
const FOLLOW_PERIOD: Duration = Duration::from_mins(5);
/// How far back that look goes, and how far at the start of a scheduler.
const FOLLOW_BACK_MS: i64 = 15 * 60 * 1000;
const FIRST_BACK_MS: i64 = 24 * 60 * 60 * 1000;
/// Pipelines whose runs are looked for at once, and runs of an answer.
const WATCHED_AT_ONCE: u64 = 500;
const ENDED_AT_ONCE: u32 = 500;
/// Bytes of starts that are asked for together, and of each besides what its schedule gives it.
const MOST_TOGETHER: usize = 2 * 1024 * 1024;
const AROUND: usize = 1024;
/// How often settled slots are looked for that are too old.
const PRUNE_PERIOD: Duration = Duration::from_mins(10);

/// What the loops and the calls about schedules share.
#[derive(Debug, Clone)]
pub(crate) struct Clockwork {
    pub(crate) store: Store,
    pub(crate) pipeline: Route,
    /// Rung when a schedule may be due.
    pub(crate) due: Bell,
    /// Rung when a slot's run may be asked for.
    pub(crate) slots: Bell,
}

/// Fires schedules as long as the process lives.
pub(crate) fn start(clockwork: &Clockwork, slot_days: u32, tasks: &Tasks) {
    let this = clockwork.clone();
    tasks.repeat("take due schedules", move |()| {
        let this = this.clone();
        async move { this.take_due().await }
    });
    let this = clockwork.clone();
    tasks.answer("fire slots", &clockwork.slots, SLOTS_PERIOD, move || {
        let this = this.clone();
        async move { this.fire().await }
    });
    let (this, mut back_ms) = (clockwork.clone(), FIRST_BACK_MS);
    tasks.answer(
        "follow ended runs",
        &Bell::new(),
        FOLLOW_PERIOD,
        move || {
            let (this, since_ms) = (this.clone(), clock::now_ms() - back_ms);
            back_ms = FOLLOW_BACK_MS;
            async move {
                this.follow_since(since_ms).await?;
                Ok::<_, Error>(Progress::Idle)
            }
        },
    );
    if slot_days > 0 {
        prune(clockwork.store.clone(), slot_days, tasks);
    }
}

fn prune(store: Store, slot_days: u32, tasks: &Tasks) {
    let kept = Duration::from_hours(24) * slot_days;
    tasks.answer("prune slots", &Bell::new(), PRUNE_PERIOD, move || {
        let store = store.clone();
        async move {
            let before_ms = clock::now_ms() - clock::millis(kept);
            let more = store.prune_slots(before_ms).await?;
            Ok::<_, Error>(if more { Progress::More } else { Progress::Idle })
        }
    });
}

impl Clockwork {
    /// Takes what is due, then waits until something may be.
    async fn take_due(&self) -> Result<(), Error> {
        let next_ms = self.store.next_due_ms().await?;
        if next_ms.is_some_and(|it| it <= clock::now_ms()) && self.take_batches().await? {
            return Ok(());
        }
        let next_ms = self.store.next_due_ms().await?;
        let until = next_ms.map_or(LONGEST_NAP, |it| {
            let left_ms = u64::try_from(it - clock::now_ms()).unwrap_or_default();
            Duration::from_millis(left_ms).clamp(SHORTEST_NAP, LONGEST_NAP)
        });
        let _ = tokio::time::timeout(until, self.due.rung()).await;
        Ok(())
    }

    /// Takes what is due, a batch after the other, before the runs of any are asked for: both would
    /// write at the same time, and that a slot has its row comes first. Answers whether there may be
    /// more.
    async fn take_batches(&self) -> Result<bool, Error> {
        let (mut fires, mut more) = (false, true);
        for _ in 0..BATCHES {
            let taken = self.store.take_due().await?;
            (fires, more) = (fires || taken.fires, taken.more);
            if !more {
                break;
            }
        }
        if fires {
            self.slots.ring();
        }
        Ok(more)
    }

    /// Asks for the runs of some slots, and settles them.
    async fn fire(&self) -> Result<Progress, Error> {
        if !self.store.has_open_slots().await? {
            return Ok(Progress::Idle);
        }
        let claimed = self.store.claim_slots().await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let more = claimed.len() as u64 == CLAIMED_AT_ONCE;
        let (mut settled, mut asked) = (Vec::new(), Vec::new());
        for it in claimed {
            match asked_for(&it) {
                Ok(start) => asked.push((it, start)),
                Err(error) => {
                    let why = error.to_string();
                    settled.push((it, Settled::Skipped(Reason::Refused, why)));
                }
            }
        }
        while !asked.is_empty() {
            let rest = asked.split_off(fit_together(&asked));
            let (claimed, starts) = asked.into_iter().unzip();
            settled.extend(self.ask_for(claimed, starts).await?);
            asked = rest;
        }
        self.store.settle(settled, WAIT_MS).await?;
        self.due.ring();
        Ok(if more { Progress::More } else { Progress::Idle })
    }

    async fn ask_for(
        &self,
        asked: Vec<Claimed>,
        starts: Vec<ScheduledStart>,
    ) -> Result<Vec<(Claimed, Settled)>, Error> {
        let request = StartRunsRequest { starts };
        let mut client = SchedulingClient::new(self.pipeline.clone());
        match client.start_runs(request).await {
            Ok(answer) => {
                runtime::fault_point::pass("slots.asked");
                let outcomes = answer.into_inner().outcomes;
                let both = asked.into_iter().zip(outcomes);
                Ok(both.map(|(it, outcome)| outcome_of(it, outcome)).collect())
            }
            Err(status) => {
                let numbers = asked.iter().map(|it| it.slot.number).collect();
                self.store.put_back(numbers, PAUSE_MS).await?;
                Err(status.into())
            }
        }
    }

    /// Looks for runs that ended since then and were not heard of.
    async fn follow_since(&self, since_ms: i64) -> Result<(), Error> {
        let mut after = String::new();
        loop {
            let ids = self.store.followed(&after, WATCHED_AT_ONCE).await?;
            let Some(last) = ids.last() else {
                return Ok(());
            };
            after.clone_from(last);
            self.follow_pipelines(ids, since_ms).await?;
        }
    }

    async fn follow_pipelines(&self, ids: Vec<String>, since_ms: i64) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let request = ListEndedRequest {
                pipeline_ids: ids.clone(),
                ended_since_ms: since_ms,
                after,
                limit: ENDED_AT_ONCE,
            };
            let mut client = SchedulingClient::new(self.pipeline.clone());
            let runs: Vec<EndedRun> = client.list_ended(request).await?.into_inner().runs;
            let Some(last) = runs.last() else {
                return Ok(());
            };
            after = last.number;
            if self.store.follow_ended(&runs).await? {
                self.slots.ring();
            }
        }
    }
}

/// How many of the first starts fit into one message: one at least.
fn fit_together(asked: &[(Claimed, ScheduledStart)]) -> usize {
    let mut bytes = 0;
    let fits = asked.iter().take_while(|(it, _)| {
        let row = it.schedule.as_ref();
        bytes += row.map_or(0, |it| it.parameters.len() + it.caller.len()) + AROUND;
        bytes <= MOST_TOGETHER
    });
    Ord::max(1, fits.count())
}

/// The start that a slot asks for. Without its schedule nothing is started any more; but a run may
/// have been accepted before that went, and whoever asked for it have died.
fn asked_for(claimed: &Claimed) -> Result<ScheduledStart, Error> {
    let slot = &claimed.slot;
    match &claimed.schedule {
        Some(row) => start_of(row, slot),
        None => Ok(ScheduledStart {
            pipeline_id: slot.pipeline_id.clone(),
            schedule_id: slot.schedule_id.clone(),
            slot: slot.slot.clone(),
            upstream_run_id: slot.upstream_run_id.clone().unwrap_or_default(),
            only_known: true,
            ..ScheduledStart::default()
        }),
    }
}

fn start_of(row: &schedule::Model, slot: &slot::Model) -> Result<ScheduledStart, Error> {
    let overlap = record::overlap(row)?;
    let priority = row.priority.and_then(|it| u32::try_from(it).ok());
    Ok(ScheduledStart {
        caller: Some(record::caller(row)?),
        pipeline_id: row.pipeline_id.clone(),
        schedule_id: row.id.clone(),
        slot: slot.slot.clone(),
        upstream_run_id: slot.upstream_run_id.clone().unwrap_or_default(),
        schedule_number: row.number,
        parameters: record::parameters(row)?,
        order_number: order_number(priority, clock::now_ms()),
        on_behalf_of: row.on_behalf_of.clone(),
        unless_active: matches!(overlap, Overlap::Skip | Overlap::Wait),
        cancel_active: overlap == Overlap::Cancel,
        only_known: false,
    })
}

fn outcome_of(claimed: Claimed, outcome: StartOutcome) -> (Claimed, Settled) {
    let row = claimed.schedule.as_ref();
    let waits = row.is_some_and(|it| record::overlap(it).ok() == Some(Overlap::Wait));
    let settled = match outcome.what() {
        What::Accepted | What::Repeated => Settled::Fired {
            run_id: outcome.run_id,
            run_count: outcome.run_count,
            at_ms: outcome.requested_at_ms,
        },
        What::Active if waits => Settled::Waits,
        What::Active => Settled::Skipped(
            Reason::Overlap,
            "a run of the pipeline had not ended".into(),
        ),
        What::Unknown => Settled::Skipped(Reason::Removed, "the schedule was deleted".into()),
        What::NoStep => Settled::Skipped(Reason::NoStep, outcome.message),
        What::Refused | What::Unspecified => Settled::Skipped(Reason::Refused, outcome.message),
    };
    (claimed, settled)
}
