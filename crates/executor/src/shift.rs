//! What an executor holds: its attempts, and what it has yet to say about those that it is through
//! with.
//!
//! **Invariant:** there are never more attempts than slots (I11), and an attempt is here once: one
//! that was left is not taken again, for its entries would have the numbers of the first ones (I9).

mod orders;
mod parting;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contracts::scheduler::{Attempt, FromExecutor};
use tokio::sync::{Notify, watch};

use crate::attempt::state::{Fate, Stop};

pub(crate) use self::orders::Orders;
pub(crate) use self::parting::Parting;

/// Attempts that were left and are known, at most.
const LEFT_KNOWN: usize = 4096;

/// An attempt of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) run_id: String,
    pub(crate) attempt: u32,
}

/// What becomes of an assignment.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is to be carried out.
    New(watch::Receiver<Orders>),
    /// It is here already.
    Held,
    /// It was here: what began can't begin a second time, and this is to be said (again).
    Left(Parting),
    /// There is no slot for it.
    Full,
}

/// The attempts of an executor.
#[derive(Debug)]
pub(crate) struct Shift {
    slots: usize,
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    working: BTreeMap<Key, watch::Sender<Orders>>,
    /// Attempts that began and that we left, should they be assigned again: the scheduler may not
    /// have heard of it, and knows nothing of a lease that lapsed while it was away.
    left: BTreeMap<Key, Parting>,
    unsaid: Vec<FromExecutor>,
}

impl Held {
    fn remember(&mut self, key: &Key, parting: &Parting) {
        let Some(again) = parting.again() else { return };
        self.left.insert(key.clone(), again);
        if self.left.len() > LEFT_KNOWN {
            // Ids ascend with time: this is the oldest.
            self.left.pop_first();
        }
    }
}

impl Shift {
    pub(crate) fn new(slots: u32) -> Self {
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        Self {
            slots,
            held: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Takes an assignment, once.
    pub(crate) fn take(&self, key: Key) -> Taken {
        let mut held = self.lock();
        if let Some(parting) = held.left.get(&key) {
            return Taken::Left(parting.clone());
        }
        let busy = held.working.len();
        let taken = match held.working.entry(key) {
            Entry::Occupied(_) => return Taken::Held,
            Entry::Vacant(_) if busy >= self.slots => return Taken::Full,
            Entry::Vacant(place) => place
                .insert(watch::Sender::new(Orders::default()))
                .subscribe(),
        };
        count(&held);
        Taken::New(taken)
    }

    /// Notes a stop of a run.
    pub(crate) fn stop(&self, run_id: &str, stop: Stop) {
        let held = self.lock();
        let of_run = held.working.iter().filter(|(key, _)| key.run_id == run_id);
        of_run.for_each(|(_, orders)| Orders::harden(orders, stop, Fate::Own));
    }

    /// Notes that an attempt is over without us.
    pub(crate) fn fence(&self, key: &Key) {
        if let Some(orders) = self.lock().working.get(key) {
            Orders::harden(orders, Stop::None, Fate::Forgotten);
        }
    }

    /// Notes the same fate for all attempts.
    pub(crate) fn doom(&self, fate: Fate) {
        self.lock()
            .working
            .values()
            .for_each(|orders| Orders::harden(orders, Stop::None, fate));
    }

    /// Parts with an attempt, whose slot is free from now on.
    pub(crate) fn part(&self, key: &Key, parting: Parting) {
        let mut held = self.lock();
        held.working.remove(key);
        held.remember(key, &parting);
        count(&held);
        self.say_of(held, key, parting);
    }

    /// Declines an assignment that wasn't taken.
    pub(crate) fn decline(&self, key: &Key, parting: Parting) {
        self.say_of(self.lock(), key, parting);
    }

    fn say_of(&self, mut held: MutexGuard<'_, Held>, key: &Key, parting: Parting) {
        held.unsaid.extend(parting.said(key));
        drop(held);
        self.changed.notify_waiters();
    }

    /// The next thing to say to the scheduler, if there is one. It counts as said.
    pub(crate) fn next_to_say(&self) -> Option<FromExecutor> {
        let mut held = self.lock();
        let next = (!held.unsaid.is_empty()).then(|| held.unsaid.remove(0));
        drop(held);
        if next.is_some() {
            self.changed.notify_waiters();
        }
        next
    }

    /// The attempts that are worked on.
    pub(crate) fn holding(&self) -> Vec<Attempt> {
        let attempt = |key: &Key| Attempt {
            run_id: key.run_id.clone(),
            attempt: key.attempt,
        };
        self.lock().working.keys().map(attempt).collect()
    }

    /// Whether any attempt of a run is worked on.
    pub(crate) fn holds_run(&self, run_id: &str) -> bool {
        self.lock().working.keys().any(|key| key.run_id == run_id)
    }

    /// Waits until something is to be said.
    pub(crate) async fn has_something_to_say(&self) {
        self.until(|held| !held.unsaid.is_empty()).await;
    }

    /// Waits until nothing is worked on.
    pub(crate) async fn idle(&self) {
        self.until(|held| held.working.is_empty()).await;
    }

    /// Waits until all is said.
    pub(crate) async fn all_said(&self) {
        self.until(|held| held.unsaid.is_empty()).await;
    }

    async fn until(&self, holds: impl Fn(&Held) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if holds(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[allow(clippy::cast_precision_loss, reason = "slots are few")]
fn count(held: &Held) {
    metrics::gauge!("penstock_executor_slots_busy").set(held.working.len() as f64);
}

#[cfg(test)]
mod tests;
