//! When schedules are due: pure functions of a schedule and the time.
//!
//! A *slot* is a time at which a schedule is due. There are two kinds of calendars: a [`Series`] that
//! begins at a first time and goes on by a period, as UnifiedViews has it, and a [`Cron`] pattern in
//! a time zone. Times are milliseconds since 1970-01-01 UTC.
//!
//! **Invariants:** the slot after a time is later than that time, so no two slots share an instant,
//! whatever a zone's clock does. No period, pattern or zone makes anything here panic or loop.

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod cron;
mod period;
#[cfg(test)]
mod tests;

pub(crate) use cron::{Cron, Fold, Gap};
pub(crate) use period::{Period, Series, Unit};

/// Slots that are counted at most where several were missed.
pub(crate) const MOST_COUNTED: u32 = 10_000;

/// How far back slots are looked for where more were missed than are counted.
const NEAR_MS: i64 = 60 * 60 * 1000;

/// What is wrong with what a schedule's times are given by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a period of {0} would never end: say 1 or more")]
    Period(i64),
    #[error("\"{0}\" is no unit of a period: say MINUTE, HOUR, DAY, WEEK, MONTH or YEAR")]
    Unit(String),
    #[error("\"{pattern}\" is no cron pattern of five fields, or six with seconds: {why}")]
    Pattern { pattern: String, why: String },
    #[error("the cron pattern \"{0}\" is never due")]
    Never(String),
    #[error("\"{0}\" is no time zone: write its IANA name, for instance Europe/Bratislava or UTC")]
    Zone(String),
}

/// The time zone of an IANA name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, Fault> {
    const LONGEST: usize = 64;
    let wrong = || Fault::Zone(name.chars().take(LONGEST).collect());
    if name.len() > LONGEST {
        return Err(wrong());
    }
    TimeZone::get(name).map_err(|_| wrong())
}

/// What gives a schedule its slots.
#[derive(Debug, Clone)]
pub(crate) enum Calendar {
    /// It has none: nothing says when it is due.
    Never,
    /// One slot.
    Once(i64),
    Series(Series),
    Cron(Box<Cron>),
}

impl Calendar {
    /// The first slot that is later than a time.
    pub(crate) fn after(&self, after_ms: i64) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::Once(at_ms) => Some(*at_ms).filter(|&at_ms| at_ms > after_ms),
            Self::Series(series) => series.after(after_ms),
            Self::Cron(cron) => cron.after(after_ms),
        }
    }

    /// The slots from `first_ms`, which is one, up to and including `until_ms`.
    pub(crate) fn until(&self, first_ms: i64, until_ms: i64) -> Missed {
        let mut missed = Missed {
            latest_ms: first_ms,
            before_ms: None,
            count: 1,
        };
        while missed.count < MOST_COUNTED {
            match self.after(missed.latest_ms).filter(|&it| it <= until_ms) {
                Some(next_ms) => missed.step(next_ms),
                None => return missed,
            }
        }
        // Whatever lies between isn't counted; a pattern has at most one slot a second.
        let mut near = Ord::max(missed.latest_ms, until_ms.saturating_sub(NEAR_MS));
        while let Some(next_ms) = self.after(near).filter(|&it| it <= until_ms) {
            missed.step(next_ms);
            near = next_ms;
        }
        missed.count = MOST_COUNTED;
        missed
    }
}

/// Slots of which the latest is not later than now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) latest_ms: i64,
    /// The one before the latest.
    pub(crate) before_ms: Option<i64>,
    /// How many they are, counted up to [`MOST_COUNTED`].
    pub(crate) count: u32,
}

impl Missed {
    fn step(&mut self, next_ms: i64) {
        self.before_ms = Some(self.latest_ms);
        self.latest_ms = next_ms;
        self.count = self.count.saturating_add(1);
    }
}

/// The times of a UnifiedViews schedule that runs periodically.
#[derive(Debug, Clone)]
pub(crate) struct Periodic {
    pub(crate) first_ms: Option<i64>,
    pub(crate) just_once: bool,
    pub(crate) period: Option<Period>,
    pub(crate) zone: TimeZone,
}

impl Periodic {
    /// When it is due next, given when it was last; perhaps in the past.
    ///
    /// What was missed is due once, at its time, and then the series goes on from its first time. A
    /// strict one passes over slots that are `tolerance_ms` old or older.
    pub(crate) fn next(
        &self,
        last_ms: Option<i64>,
        now_ms: i64,
        tolerance_ms: Option<i64>,
    ) -> Option<i64> {
        let first_ms = self.first_ms?;
        let series = self.series();
        let too_old_ms = tolerance_ms.map(|it| now_ms.saturating_sub(it));
        let due_ms = match last_ms {
            Some(last_ms) if !self.just_once => series.as_ref()?.after(last_ms)?,
            Some(_) | None => first_ms,
        };
        match too_old_ms {
            Some(too_old_ms) if due_ms <= too_old_ms => {
                if self.just_once {
                    return None;
                }
                series?.after(too_old_ms)
            }
            Some(_) | None => Some(due_ms),
        }
    }

    /// Its slots.
    pub(crate) fn calendar(&self) -> Calendar {
        match (self.first_ms, self.series()) {
            (None, _) => Calendar::Never,
            (Some(_), Some(series)) if !self.just_once => Calendar::Series(series),
            (Some(first_ms), _) => Calendar::Once(first_ms),
        }
    }

    fn series(&self) -> Option<Series> {
        Some(Series {
            first_ms: self.first_ms?,
            period: self.period?,
            zone: self.zone.clone(),
        })
    }
}

/// A time as jiff has it; none beyond what it can show (the years -9999 to 9999).
fn instant(at_ms: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(at_ms).ok()
}
