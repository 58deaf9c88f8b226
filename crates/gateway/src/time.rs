//! Points in time as both faces write them: RFC 3339, UTC, with milliseconds.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Milliseconds since 1970-01-01 UTC, written like `2030-01-31T12:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2030-01-31T12:00:00.000Z")]
pub(crate) struct Time(i64);

impl Time {
    /// The time that a message carries; 0 stands for none.
    pub(crate) fn of(ms: i64) -> Option<Self> {
        (ms != 0).then_some(Self(ms))
    }

    /// The time that a message always carries.
    pub(crate) const fn at(ms: i64) -> Self {
        Self(ms)
    }

    pub(crate) const fn ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        write!(out, "{timestamp:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_always() {
        assert_eq!(
            Time::at(1_600_000_000_000).to_string(),
            "2020-09-13T12:26:40.000Z"
        );
        assert_eq!(
            Time::at(1_600_000_000_120).to_string(),
            "2020-09-13T12:26:40.120Z"
        );
        assert_eq!(Time::of(0), None);
    }
}
