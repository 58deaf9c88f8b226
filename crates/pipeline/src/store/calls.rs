//! What executors make true: attempts begin, steps are recorded and granted. Calls that come at
//! the same time share a transaction, because the round trips are what they cost.
//!
//! **Invariants:** I4 (one live attempt; what an ended one reports is refused), I8 (a grant and a
//! stop exclude each other by the run's row), I11 (places are counted from rows, under the
//! pipeline's lock). A call that is at fault itself leaves the others of its transaction alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contracts::message::StepRequested;
use outbox::Announcement;
use runtime::gather::{Act, Gather};
use runtime::{Tasks, clock};
use sea_orm::{DatabaseTransaction, EntityTrait as _};
use tracing::Span;

use super::Store;
use super::locked::{Locked, Readable};
use crate::Error;
use crate::entity::{attempt, run};
use crate::record;
use crate::run::{AttemptEnd, Holder, Run, StepReport, Verdict};

mod places;

use places::{Lack, Places};

/// Transactions of calls at the same time; where a store has one writer, one works and one waits.
const HANDS: usize = 3;
/// Calls that one transaction takes.
const MOST: usize = 64;

/// The calls of executors about their attempts.
#[derive(Debug, Clone)]
pub(crate) struct Calls(Gather<Together>);

/// What an executor is told when it wants to begin.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It has the attempt.
    Its(Box<Answer>),
    /// The pipeline has no free place, or must not run now.
    Busy {
        /// The pipeline whose run is waited for, where it is another one.
        waits_for: Option<String>,
    },
    /// The run has ended, or another attempt is due.
    Over,
}

/// A run as an executor that holds it is told of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) row: run::Model,
    pub(crate) run: Run,
    /// Steps it may start, by position: newly granted, or every running one after a repeat.
    pub(crate) granted: Vec<usize>,
    /// The attempt was over before.
    pub(crate) refused: bool,
    pub(crate) wake_ms: Option<i64>,
    pub(crate) now_ms: i64,
}

/// What is reported, once the run's plan says which steps are meant.
type Reports = Arc<dyn Fn(&Run) -> Result<Vec<StepReport>, Error> + Send + Sync>;

/// A call about an attempt.
#[derive(Clone)]
struct Call {
    run_id: String,
    attempt: u32,
    wish: Wish,
    span: Span,
}

#[derive(Clone)]
enum Wish {
    Begin(Holder),
    Report { reports: Reports, last_seq: u64 },
    HandOver(Arc<Handover>),
}

/// A granted try that is handed over to whoever serves its tool.
pub(crate) struct Handover {
    pub(crate) position: usize,
    /// Its times are this service's to say.
    pub(crate) request: StepRequested,
}

struct Together(Store);

impl Calls {
    pub(crate) fn new(store: Store, tasks: &Tasks) -> Self {
        Self(Gather::new(Together(store), HANDS, MOST, tasks))
    }

    /// An executor begins attempt `n`: the run is its own, and its first ready steps are granted.
    pub(crate) async fn begin_attempt(
        &self,
        run_id: &str,
        attempt: u32,
        holder: Holder,
    ) -> Result<Begun, Error> {
        self.ask(run_id, attempt, Wish::Begin(holder)).await
    }

    /// Records what a live attempt reports and grants the next steps. An attempt that has ended is
    /// refused; a report that was recorded before is answered again.
    pub(crate) async fn report(
        &self,
        run_id: &str,
        attempt: u32,
        reports: impl Fn(&Run) -> Result<Vec<StepReport>, Error> + Send + Sync + 'static,
        last_seq: u64,
    ) -> Result<Answer, Error> {
        let reports = Arc::new(reports);
        match self
            .ask(run_id, attempt, Wish::Report { reports, last_seq })
            .await?
        {
            Begun::Its(answer) => Ok(*answer),
            Begun::Busy { .. } | Begun::Over => Err(runtime::gather::Unanswered.into()),
        }
    }

    /// Hands a try that the live attempt was granted over to whoever serves its tool, and requests it
    /// of them. Grants what that lets start.
    pub(crate) async fn hand_over(
        &self,
        run_id: &str,
        attempt: u32,
        handover: Handover,
    ) -> Result<Answer, Error> {
        let wish = Wish::HandOver(Arc::new(handover));
        match self.ask(run_id, attempt, wish).await? {
            Begun::Its(answer) => Ok(*answer),
            Begun::Busy { .. } | Begun::Over => Err(runtime::gather::Unanswered.into()),
        }
    }

    async fn ask(&self, run_id: &str, attempt: u32, wish: Wish) -> Result<Begun, Error> {
        let call = Call {
            run_id: run_id.to_owned(),
            attempt,
            wish,
            span: Span::current(),
        };
        self.0.ask(call).await?
    }
}

impl Act for Together {
    type Ask = Call;
    type Answer = Result<Begun, Error>;
    type Error = Error;

    async fn act(&self, calls: Vec<Call>) -> Result<Vec<Result<Begun, Error>>, Error> {
        let Self(store) = self;
        let now_ms = clock::now_ms();
        let tx = store.database.begin().await?;
        let places = places::found(&tx, beginning(&calls)).await?;
        let ids: BTreeSet<String> = calls.iter().map(|it| it.run_id.clone()).collect();
        let mut locked = store.lock_all(&tx, ids).await?;
        let mut told = Vec::with_capacity(calls.len());
        for call in &calls {
            told.push(call.answer(&tx, &mut locked, &places, now_ms).await?);
        }
        let changed = locked.values().flatten().filter(|it| it.has_changed());
        let changed: Vec<&Locked> = changed.collect();
        let is_changed = !changed.is_empty();
        let concerns_children = changed.iter().any(|it| it.concerns_children());
        let is_urgent = changed.iter().any(|it| it.is_urgent());
        if is_changed {
            Store::save_all(&tx, changed, now_ms).await?;
        }
        // Also where nothing has changed: what was read may wait for the same group commit.
        tx.commit().await?;
        if is_changed {
            runtime::fault_point::pass("attempt.recorded");
            if is_urgent {
                store.relay.ring();
            } else {
                store.relay.ring_soon();
            }
            if concerns_children {
                store.children.ring();
            }
        }
        Ok(told)
    }
}

/// The runs that are to begin.
fn beginning(calls: &[Call]) -> BTreeSet<String> {
    let begins = |call: &&Call| matches!(call.wish, Wish::Begin(_));
    calls
        .iter()
        .filter(begins)
        .map(|it| it.run_id.clone())
        .collect()
}

impl Call {
    /// Answers this call and does to its run what it asks for. The outer error is of the store and
    /// concerns all calls.
    async fn answer(
        &self,
        tx: &DatabaseTransaction,
        locked: &mut BTreeMap<String, Readable>,
        places: &Places,
        now_ms: i64,
    ) -> Result<Result<Begun, Error>, Error> {
        let its = match locked.get_mut(&self.run_id) {
            None => return Ok(Err(Error::NoSuchRun(self.run_id.clone()))),
            Some(Err(why)) => return Ok(Err(Error::Row(why.clone()))),
            Some(Ok(its)) => its,
        };
        // What fails half-way must leave no trace in what is saved.
        let mut next = its.clone();
        let begun = self.span.in_scope(|| {
            let begun = self.act_on(&mut next, places, now_ms)?;
            next.write_down(now_ms)?;
            Ok(begun)
        });
        if begun.is_ok() {
            *its = next;
        }
        if let Ok(Begun::Its(mut answer)) = begun {
            if answer.refused && has_finished(tx, its, self.attempt).await? {
                answer.refused = false;
            }
            return Ok(Ok(Begun::Its(answer)));
        }
        Ok(begun)
    }

    fn act_on(&self, locked: &mut Locked, places: &Places, now_ms: i64) -> Result<Begun, Error> {
        match &self.wish {
            Wish::Begin(holder) => Ok(self.begin(locked, holder, places, now_ms)),
            Wish::Report { reports, last_seq } => {
                if !locked.run.is_live(self.attempt) {
                    return Ok(Begun::Its(Box::new(Answer::refused(locked, now_ms))));
                }
                let reports = reports(&locked.run)?;
                let run = &mut locked.run;
                let is_new = run.report(reports, *last_seq, now_ms, rand::random());
                Ok(Begun::Its(Box::new(Answer::granting(
                    locked, !is_new, now_ms,
                ))))
            }
            Wish::HandOver(handover) => self.hand_over(locked, handover, now_ms),
        }
    }

    fn hand_over(
        &self,
        locked: &mut Locked,
        handover: &Handover,
        now_ms: i64,
    ) -> Result<Begun, Error> {
        if !locked.run.is_live(self.attempt) {
            return Ok(Begun::Its(Box::new(Answer::refused(locked, now_ms))));
        }
        let Handover { position, request } = handover;
        let tool = request.tool.as_ref();
        let tool = tool.map(|it| it.name.as_str()).unwrap_or_default();
        let run = &mut locked.run;
        if run.hand_over(*position, request.r#try, tool, now_ms) {
            let request = StepRequested {
                at_ms: now_ms,
                until_ms: run.awaited_until(*position).unwrap_or_default(),
                ..request.clone()
            };
            locked.tell_too(Some(Announcement::of(&request)?));
        }
        Ok(Begun::Its(Box::new(Answer::granting(
            locked, false, now_ms,
        ))))
    }

    fn begin(&self, locked: &mut Locked, holder: &Holder, places: &Places, now_ms: i64) -> Begun {
        let run = &mut locked.run;
        let begins = run.is_queued() && self.attempt == run.attempt + 1;
        run.waited = places.waited.contains(&self.run_id);
        if let Some(lack) = places
            .lacking
            .get(&self.run_id)
            .filter(|_| begins && !run.holds_place())
        {
            let waits_for = match lack {
                Lack::Place => None,
                Lack::Partner(id) => Some(id.clone()),
            };
            return Begun::Busy { waits_for };
        }
        let is_repeat = run.is_live(self.attempt);
        match run.begin(self.attempt, holder.clone(), now_ms) {
            Verdict::Over => Begun::Over,
            Verdict::Begun => Begun::Its(Box::new(Answer::granting(locked, is_repeat, now_ms))),
        }
    }
}

impl Answer {
    /// Grants what may start now; who repeats itself is told again what runs.
    fn granting(locked: &mut Locked, is_repeat: bool, now_ms: i64) -> Self {
        let newly = locked.run.grant(now_ms);
        let granted = if is_repeat {
            locked.run.running().collect()
        } else {
            newly
        };
        Self {
            granted,
            wake_ms: locked.run.wake_ms(now_ms),
            ..Self::of(locked, now_ms)
        }
    }

    fn refused(locked: &Locked, now_ms: i64) -> Self {
        Self {
            refused: true,
            ..Self::of(locked, now_ms)
        }
    }

    fn of(locked: &Locked, now_ms: i64) -> Self {
        Self {
            row: locked.row.clone(),
            run: locked.run.clone(),
            granted: Vec::new(),
            refused: false,
            wake_ms: None,
            now_ms,
        }
    }
}

/// Whether the attempt ended by its own last report, so that a repeat of it is no surprise.
async fn has_finished(
    tx: &DatabaseTransaction,
    locked: &Locked,
    number: u32,
) -> Result<bool, Error> {
    // A call just before may have ended it, in this transaction.
    if locked.ended() == Some(AttemptEnd::Finished) && locked.run.attempt == number {
        return Ok(true);
    }
    let row = attempt::Entity::find_by_id((locked.row.id.clone(), number.cast_signed()))
        .one(tx)
        .await?;
    let finished = record::end_name(AttemptEnd::Finished);
    Ok(row.is_some_and(|row| row.how.as_deref() == Some(finished)))
}
