//! A cron pattern in a time zone.
//!
//! A pattern speaks of what a clock on the wall shows. Between two changes of a zone's offset that
//! clock runs evenly, so slots are looked for in one such stretch after the other. Where the clock is
//! put forward the times in between are left out, or come as much later ([`Gap`]); where it is put
//! back an hour comes twice ([`Fold`]).

use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron as Pattern, JobType};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::{Fault, instant};

/// The longest pattern.
const LONGEST: usize = 256;
/// Stretches that are looked through for a slot: some centuries, and then it is never due.
const MOST_STRETCHES: usize = 2000;
/// More than any clock was ever put forward or back.
const LARGEST_CHANGE: SignedDuration = SignedDuration::from_hours(48);

/// What becomes of a time that the clock leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gap {
    /// It comes later, by as much as the clock was put forward.
    Shift,
    /// There is no slot.
    Skip,
}

/// Which of two is meant where the clock shows a time twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    First,
    Last,
    Both,
}

/// A pattern, where it is read from, and what it means when that clock is changed.
#[derive(Debug, Clone)]
pub(crate) struct Cron {
    pattern: Pattern,
    zone: TimeZone,
    gap: Gap,
    fold: Fold,
}

impl Cron {
    /// Reads a pattern of five fields, or six with seconds. Unless said, what falls into a gap comes
    /// later, and times that come twice are due once if the pattern names single times of a day, and
    /// each time if it names intervals.
    pub(crate) fn new(
        pattern: &str,
        zone: TimeZone,
        gap: Option<Gap>,
        fold: Option<Fold>,
    ) -> Result<Self, Fault> {
        let refused = |why: String| Fault::Pattern {
            pattern: pattern.chars().take(LONGEST).collect(),
            why,
        };
        if pattern.len() > LONGEST {
            return Err(refused(format!("it is longer than {LONGEST} bytes")));
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed);
        let parsed = parser.build().parse(pattern);
        let parsed = parsed.map_err(|error| refused(error.to_string()))?;
        let usual = match parsed.determine_job_type() {
            JobType::FixedTime => Fold::First,
            JobType::IntervalWildcard => Fold::Both,
        };
        Ok(Self {
            pattern: parsed,
            zone,
            gap: gap.unwrap_or(Gap::Shift),
            fold: fold.unwrap_or(usual),
        })
    }

    /// The first slot that is later than a time.
    pub(crate) fn after(&self, after_ms: i64) -> Option<i64> {
        let mut from = instant(after_ms)?
            .checked_add(SignedDuration::from_millis(1))
            .ok()?;
        for _ in 0..MOST_STRETCHES {
            let stretch = Stretch::at(&self.zone, from)?;
            let (usual, beyond) = self.usual(&stretch, from);
            let found = match (usual, self.shifted(&stretch, from)) {
                (Some(one), Some(other)) => Some(Ord::min(one, other)),
                (one, other) => one.or(other),
            };
            if let Some(found) = found {
                return Some(found.as_millisecond());
            }
            let end = stretch.end?.at;
            // Nothing lies before what the pattern names next, however the clock is changed.
            let near = beyond?
                .checked_sub(LARGEST_CHANGE)
                .unwrap_or(Timestamp::MIN);
            from = Ord::max(end, near);
        }
        None
    }

    /// The first slot of a stretch that is as the clock shows it, from a time on; else what the
    /// pattern names next, as if the stretch went on.
    fn usual(&self, stretch: &Stretch, from: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let mut first = stretch.offset.to_datetime(from);
        if let Some(start) = stretch.start
            && start.other > stretch.offset
            && self.fold == Fold::First
        {
            first = Ord::max(first, start.other.to_datetime(start.at));
        }
        let Some(named) = self.named(first) else {
            return (None, None);
        };
        let Ok(found) = stretch.offset.to_timestamp(named) else {
            return (None, None);
        };
        let is_within = stretch.end.is_none_or(|end| {
            let is_first_of_two =
                end.other < stretch.offset && named >= end.other.to_datetime(end.at);
            found < end.at && !(is_first_of_two && self.fold == Fold::Last)
        });
        (Some(found).filter(|_| is_within), Some(found))
    }

    /// The first slot of a stretch that the clock left out before it, from a time on.
    fn shifted(&self, stretch: &Stretch, from: Timestamp) -> Option<Timestamp> {
        let start = stretch.start.filter(|it| it.other < stretch.offset)?;
        if self.gap == Gap::Skip {
            return None;
        }
        let named = self.named(start.other.to_datetime(from))?;
        let is_left_out = named < stretch.offset.to_datetime(start.at);
        let found = start.other.to_timestamp(named).ok()?;
        let is_within = stretch.end.is_none_or(|end| found < end.at);
        Some(found).filter(|_| is_left_out && is_within)
    }

    /// What the pattern names first, not before this.
    fn named(&self, first: DateTime) -> Option<DateTime> {
        let whole = first.with().subsec_nanosecond(0).build().ok()?;
        let is_whole = whole == first;
        self.pattern.find_next_occurrence(&whole, is_whole).ok()
    }
}

/// A stretch of time in which a zone's clock runs evenly.
#[derive(Debug)]
struct Stretch {
    offset: Offset,
    start: Option<Change>,
    end: Option<Change>,
}

/// A change of the offset, with the offset on its other side.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: Timestamp,
    other: Offset,
}

impl Stretch {
    fn at(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        const INSTANT: SignedDuration = SignedDuration::from_nanos(1);
        let next = at.checked_add(INSTANT).ok()?;
        let start = zone.preceding(next).next().map(|it| it.timestamp());
        let start = start.and_then(|at| {
            let before = at.checked_sub(INSTANT).ok()?;
            Some(Change {
                at,
                other: zone.to_offset(before),
            })
        });
        let end = zone.following(at).next().map(|it| Change {
            at: it.timestamp(),
            other: it.offset(),
        });
        Some(Self {
            offset: zone.to_offset(at),
            start,
            end,
        })
    }
}
