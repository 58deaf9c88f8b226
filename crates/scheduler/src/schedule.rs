//! What a schedule does when it is due. Pure: the caller supplies the time.
//!
//! **Invariants:** of the slots from the next one up to now each is either fired or among those that
//! are skipped, and the slot that is next afterwards is none of them. A schedule's jitter is always
//! the same.

use jiff::tz::TimeZone;

use crate::calendar::{Calendar, Cron, Fault, Fold, Gap, Period, Periodic};

#[cfg(test)]
mod tests;

/// Slots that one look at a schedule fires, at most.
pub(crate) const MOST_AT_ONCE: usize = 20;
/// A run that is accepted so much after its slot was due is late.
pub(crate) const LATE_MS: i64 = 60_000;
/// A slot that is looked at so much later is still in its time, whatever its window: machines are
/// busy now and then.
const GRACE_MS: i64 = 10_000;
/// Schedules that may follow one another without a person or a time in between.
pub(crate) const LONGEST_CHAIN: usize = 32;

macro_rules! named {
    ($($(#[$doc:meta])* $name:ident { $($(#[$its:meta])* $variant:ident = $text:literal),* $(,)? })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$its])* $variant),* }

        impl $name {
            /// As a row has it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub(crate) fn of(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        })*
    };
}

named! {
    /// How slots are given.
    Kind { Periodic = "periodic", Cron = "cron", After = "after" }

    /// What happens in a slot while a run of the pipeline has not ended.
    Overlap {
        Skip = "skip",
        Queue = "queue",
        Cancel = "cancel",
        /// The slot waits, and those that come meanwhile are no slots of their own.
        Wait = "wait",
    }

    /// Where a slot is.
    SlotState {
        Firing = "firing",
        Waiting = "waiting",
        Fired = "fired",
        Late = "late",
        Skipped = "skipped",
    }

    /// Why a slot was skipped.
    Reason {
        Missed = "missed",
        Overlap = "overlap",
        Paused = "paused",
        Refused = "refused",
        Cycle = "cycle",
        TooLong = "tooLong",
        /// The pipeline had nothing to run.
        NoStep = "noStep",
        /// The schedule was deleted before its run was accepted.
        Removed = "removed",
    }
}

/// Whether slots that nothing could fire in their time are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CatchUp {
    /// How late one may be; without it there is no limit.
    pub(crate) window_ms: Option<i64>,
    /// All of them instead of the latest.
    pub(crate) all: bool,
}

/// What says when a schedule is due.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    pub(crate) kind: Kind,
    pub(crate) first_ms: Option<i64>,
    pub(crate) last_ms: Option<i64>,
    pub(crate) just_once: bool,
    pub(crate) period: Option<Period>,
    pub(crate) cron: Option<String>,
    pub(crate) zone: TimeZone,
    pub(crate) gap: Option<Gap>,
    pub(crate) fold: Option<Fold>,
    pub(crate) catch_up: CatchUp,
}

impl Times {
    /// Its slots.
    pub(crate) fn calendar(&self) -> Result<Calendar, Fault> {
        match self.kind {
            Kind::Periodic => Ok(self.periodic().calendar()),
            Kind::After => Ok(Calendar::Never),
            Kind::Cron => {
                let pattern = self.cron.as_deref().unwrap_or_default();
                let cron = Cron::new(pattern, self.zone.clone(), self.gap, self.fold)?;
                Ok(Calendar::Cron(Box::new(cron)))
            }
        }
    }

    /// When it is due next, as it is now; perhaps in the past.
    pub(crate) fn next(&self, now_ms: i64) -> Result<Option<i64>, Fault> {
        match self.kind {
            Kind::After => Ok(None),
            Kind::Periodic => {
                let tolerance_ms = self.catch_up.window_ms;
                Ok(self.periodic().next(self.last_ms, now_ms, tolerance_ms))
            }
            Kind::Cron => Ok(self.calendar()?.after(self.not_before(now_ms))),
        }
    }

    /// The first slot after now, whatever was missed.
    pub(crate) fn next_from_now(&self, now_ms: i64) -> Result<Option<i64>, Fault> {
        Ok(self.calendar()?.after(self.not_before(now_ms)))
    }

    fn not_before(&self, now_ms: i64) -> i64 {
        let first_ms = self.first_ms.filter(|_| self.kind == Kind::Cron);
        first_ms.map_or(now_ms, |it| Ord::max(now_ms, it.saturating_sub(1)))
    }

    fn periodic(&self) -> Periodic {
        Periodic {
            first_ms: self.first_ms,
            just_once: self.just_once,
            period: self.period,
            zone: self.zone.clone(),
        }
    }
}

/// Slots in a row that are skipped for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// Counted up to a limit.
    pub(crate) count: u32,
}

/// What a schedule does now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Slots that fire, in their order.
    pub(crate) fire: Vec<i64>,
    /// Slots before them that nothing could fire in their time.
    pub(crate) missed: Option<Skipped>,
    /// What is next then; perhaps not later than now.
    pub(crate) next_ms: Option<i64>,
}

/// What becomes of a schedule whose next slot is `next_ms`.
pub(crate) fn due(calendar: &Calendar, next_ms: i64, now_ms: i64, catch_up: CatchUp) -> Due {
    if next_ms > now_ms {
        return Due {
            next_ms: Some(next_ms),
            ..Due::default()
        };
    }
    let too_old_ms = catch_up
        .window_ms
        .map_or(i64::MIN, |it| now_ms.saturating_sub(Ord::max(it, GRACE_MS)));
    if catch_up.all {
        all_due(calendar, next_ms, now_ms, too_old_ms)
    } else {
        latest_due(calendar, next_ms, now_ms, too_old_ms)
    }
}

fn latest_due(calendar: &Calendar, next_ms: i64, now_ms: i64, too_old_ms: i64) -> Due {
    let found = calendar.until(next_ms, now_ms);
    let next_after = calendar.after(now_ms);
    if found.latest_ms < too_old_ms {
        return Due {
            fire: Vec::new(),
            missed: Some(Skipped {
                first_ms: next_ms,
                last_ms: found.latest_ms,
                count: found.count,
            }),
            next_ms: next_after,
        };
    }
    Due {
        fire: vec![found.latest_ms],
        missed: found.before_ms.map(|last_ms| Skipped {
            first_ms: next_ms,
            last_ms,
            count: found.count - 1,
        }),
        next_ms: next_after,
    }
}

fn all_due(calendar: &Calendar, next_ms: i64, now_ms: i64, too_old_ms: i64) -> Due {
    let mut due = Due {
        next_ms: Some(next_ms),
        ..Due::default()
    };
    if next_ms < too_old_ms {
        let found = calendar.until(next_ms, too_old_ms - 1);
        due.missed = Some(Skipped {
            first_ms: next_ms,
            last_ms: found.latest_ms,
            count: found.count,
        });
        due.next_ms = calendar.after(too_old_ms - 1);
    }
    while let Some(slot_ms) = due.next_ms.filter(|&it| it <= now_ms) {
        if due.fire.len() == MOST_AT_ONCE {
            break;
        }
        due.fire.push(slot_ms);
        due.next_ms = calendar.after(slot_ms);
    }
    due
}

/// The part of its jitter by which a schedule's slots are due later.
pub(crate) fn jitter(schedule_id: &str, most_ms: i64) -> i64 {
    // FNV-1a: the same in all versions and on all machines.
    let hash = schedule_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let most = u64::try_from(most_ms).unwrap_or_default();
    // The high bits differ most.
    i64::try_from((hash >> 16) % (most + 1)).unwrap_or_default()
}

/// The order of a run in the queue, as UnifiedViews has it.
pub(crate) fn order_number(priority: Option<u32>, now_ms: i64) -> i64 {
    match priority {
        None => 1,
        Some(0) => 0,
        Some(priority) => now_ms / i64::from(priority),
    }
}

/// Whether a slot of `schedule_id` may follow slots of these schedules, each of which followed the
/// one before it.
pub(crate) fn may_follow(chain: &[&str], schedule_id: &str) -> Result<(), Reason> {
    if chain.contains(&schedule_id) {
        Err(Reason::Cycle)
    } else if chain.len() >= LONGEST_CHAIN {
        Err(Reason::TooLong)
    } else {
        Ok(())
    }
}
