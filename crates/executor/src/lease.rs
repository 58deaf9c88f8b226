//! The lease under which an executor may run anything at all.
//!
//! The scheduler grants it by its store's clock when it takes in a renewal. Here it is counted from
//! when that renewal was *sent*, on the monotonic clock, and ends a little early: so it has ended
//! here when it lapses there, whatever happened to the answer or to this process in between.
//!
//! **Invariant:** the deadline never goes back.

use std::time::Duration;

use keeper::monotonic_ns;
use tokio::sync::watch;

/// The part of a lease that is not used: it leaves time for the last KILL.
const MARGIN: u64 = 60;
/// The longest margin.
const LONGEST_MARGIN_NS: u64 = 500_000_000;
/// Renewals in one lease.
const RENEWALS: u32 = 6;
/// Between renewals while none is answered, as a part of the lease.
const HURRIED: u32 = 30;

/// What the scheduler has granted last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Term {
    /// On the monotonic clock; 0 before the first.
    pub(crate) deadline_ns: u64,
    /// When the latest renewal was sent that has been answered.
    pub(crate) answered_ns: u64,
    /// How long it is from a renewal.
    pub(crate) length: Duration,
}

impl Term {
    /// The term after an answer to the renewal of `sent_at_ns`.
    fn renewed(self, sent_at_ns: u64, length: Duration) -> Self {
        let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let margin = (length_ns / MARGIN).min(LONGEST_MARGIN_NS);
        let deadline_ns = sent_at_ns.saturating_add(length_ns - margin);
        Self {
            deadline_ns: deadline_ns.max(self.deadline_ns),
            answered_ns: sent_at_ns.max(self.answered_ns),
            length,
        }
    }

    /// When to renew again. In a hurry when the latest renewal was not answered in its time.
    pub(crate) fn pause(&self, now_ns: u64) -> Duration {
        let unanswered = Duration::from_nanos(now_ns.saturating_sub(self.answered_ns));
        let usual = self.length / RENEWALS;
        let pause = if unanswered > usual * 3 / 2 {
            self.length / HURRIED
        } else {
            usual
        };
        pause.max(Duration::from_millis(10))
    }
}

/// The lease of this executor. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Lease(watch::Sender<Term>);

impl Lease {
    /// No lease yet.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Term::default()))
    }

    /// Takes in the answer to a renewal.
    pub(crate) fn renewed(&self, sent_at_ns: u64, length: Duration) {
        self.0.send_if_modified(|term| {
            let next = term.renewed(sent_at_ns, length);
            std::mem::replace(term, next) != next
        });
    }

    /// What was granted last.
    pub(crate) fn term(&self) -> Term {
        *self.0.borrow()
    }

    /// Hears of each renewal.
    pub(crate) fn follow(&self) -> watch::Receiver<Term> {
        self.0.subscribe()
    }

    /// Whether it holds now.
    pub(crate) fn is_live(&self) -> bool {
        monotonic_ns() < self.term().deadline_ns
    }

    /// Waits until it holds.
    pub(crate) async fn live(&self) {
        let mut terms = self.follow();
        let _ = terms
            .wait_for(|term| monotonic_ns() < term.deadline_ns)
            .await;
    }

    /// Waits until it has lapsed, however often it is renewed meanwhile.
    pub(crate) async fn lapsed(&self) {
        loop {
            let left = self.term().deadline_ns.saturating_sub(monotonic_ns());
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_nanos(left)).await;
        }
    }

    /// Waits until a renewal is answered that was sent at `sent_at_ns` or later.
    pub(crate) async fn answered_since(&self, sent_at_ns: u64) {
        let mut terms = self.follow();
        let _ = terms.wait_for(|term| term.answered_ns >= sent_at_ns).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_lease_counts_from_when_its_renewal_was_sent_and_ends_early() {
        let term = Term::default().renewed(100 * SECOND, Duration::from_secs(30));
        assert_eq!(term.deadline_ns, 130 * SECOND - LONGEST_MARGIN_NS);
        let short = Term::default().renewed(100 * SECOND, Duration::from_secs(3));
        assert_eq!(short.deadline_ns, 103 * SECOND - SECOND / 20);
    }

    #[test]
    fn an_answer_that_comes_late_takes_nothing_back() {
        let length = Duration::from_secs(30);
        let term = Term::default().renewed(100 * SECOND, length);
        assert_eq!(term.renewed(95 * SECOND, length), term);
    }

    #[test]
    fn renewals_hurry_while_none_is_answered() {
        let term = Term::default().renewed(100 * SECOND, Duration::from_secs(30));
        assert_eq!(term.pause(103 * SECOND), Duration::from_secs(5));
        assert_eq!(term.pause(110 * SECOND), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn it_is_live_from_a_renewal_until_its_deadline() {
        let lease = Lease::new();
        assert!(!lease.is_live());
        lease.renewed(monotonic_ns(), Duration::from_millis(100));
        lease.live().await;
        assert!(lease.is_live());
        lease.lapsed().await;
        assert!(!lease.is_live());
        lease.renewed(monotonic_ns() - SECOND, Duration::from_millis(100));
        assert!(
            !lease.is_live(),
            "an answer that was under way for too long"
        );
    }
}
