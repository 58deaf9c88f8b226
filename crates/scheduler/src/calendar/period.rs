//! A series of times: a first one, and then one every so many minutes, days or months.
//!
//! Minutes and hours are time that passes. Days, weeks, months and years are the calendar's, at the
//! first one's time of day on the zone's clock: a time that the clock leaves out comes as much
//! later, of two alike the earlier counts. A day that a month doesn't have becomes its last one, and
//! the months after it keep that day.

use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Fault, instant};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What a period is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

const UNITS: [(Unit, &str); 6] = [
    (Unit::Minute, "MINUTE"),
    (Unit::Hour, "HOUR"),
    (Unit::Day, "DAY"),
    (Unit::Week, "WEEK"),
    (Unit::Month, "MONTH"),
    (Unit::Year, "YEAR"),
];

impl FromStr for Unit {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let found = UNITS.iter().find(|(_, it)| *it == name);
        let wrong = || Fault::Unit(name.chars().take(32).collect());
        found.map(|(unit, _)| *unit).ok_or_else(wrong)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = UNITS.iter().find(|(it, _)| it == self);
        f.write_str(name.map_or("", |(_, name)| name))
    }
}

/// Every so many of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    every: i64,
    unit: Unit,
}

impl Period {
    /// Refuses one that doesn't move on.
    pub(crate) fn new(every: i64, unit: Unit) -> Result<Self, Fault> {
        if every > 0 {
            Ok(Self { every, unit })
        } else {
            Err(Fault::Period(every))
        }
    }
}

/// A first time and all that follow by a period.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) first_ms: i64,
    pub(crate) period: Period,
    pub(crate) zone: TimeZone,
}

impl Series {
    /// The first time of it that is later than `after_ms`.
    pub(crate) fn after(&self, after_ms: i64) -> Option<i64> {
        if self.first_ms > after_ms {
            return instant(self.first_ms).map(|_| self.first_ms);
        }
        instant(after_ms)?;
        let every = self.period.every;
        match self.period.unit {
            Unit::Minute => self.after_by_time(every.checked_mul(MINUTE_MS)?, after_ms),
            Unit::Hour => self.after_by_time(every.checked_mul(HOUR_MS)?, after_ms),
            Unit::Day => self.after_by_days(every, after_ms),
            Unit::Week => self.after_by_days(every.checked_mul(7)?, after_ms),
            Unit::Month => self.after_by_months(every, after_ms),
            Unit::Year => self.after_by_months(every.checked_mul(12)?, after_ms),
        }
    }

    fn after_by_time(&self, step_ms: i64, after_ms: i64) -> Option<i64> {
        let passed_ms = after_ms.checked_sub(self.first_ms)?;
        let steps = (passed_ms / step_ms).checked_add(1)?;
        let next_ms = self.first_ms.checked_add(steps.checked_mul(step_ms)?)?;
        instant(next_ms).map(|_| next_ms)
    }

    fn after_by_days(&self, days: i64, after_ms: i64) -> Option<i64> {
        let first = self.first_on_the_clock()?;
        let reached = self.zone.to_datetime(instant(after_ms)?);
        let passed = i64::from(first.date().until(reached.date()).ok()?.get_days());
        // A day earlier than it can be, since clocks may be put forward by a whole one.
        let mut steps = Ord::max(1, (passed - 1) / days);
        loop {
            let days = Span::new().try_days(steps.checked_mul(days)?).ok()?;
            let next_ms = self.on_the_clock(first.checked_add(days).ok()?)?;
            if next_ms > after_ms {
                return Some(next_ms);
            }
            steps = steps.checked_add(1)?;
        }
    }

    fn after_by_months(&self, months: i64, after_ms: i64) -> Option<i64> {
        let months = Span::new().try_months(months).ok()?;
        let mut next = self.first_on_the_clock()?;
        loop {
            next = next.checked_add(months).ok()?;
            let next_ms = self.on_the_clock(next)?;
            if next_ms > after_ms {
                return Some(next_ms);
            }
        }
    }

    fn first_on_the_clock(&self) -> Option<DateTime> {
        Some(self.zone.to_datetime(instant(self.first_ms)?))
    }

    fn on_the_clock(&self, at: DateTime) -> Option<i64> {
        let found = self.zone.to_ambiguous_timestamp(at).compatible().ok()?;
        Some(found.as_millisecond())
    }
}
