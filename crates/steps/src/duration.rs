//! Durations as people write them: `500ms`, `5m`, `1h30m`, `24h`.
//!
//! What is written for a duration reads as the same duration again, to the millisecond.

use std::fmt::Write as _;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// The longest duration a definition can name: 366 days.
pub const MAX: Duration = Duration::from_hours(366 * 24);

/// Largest unit first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No number and unit, or units that don't get smaller.
    #[error("must be a duration such as 500ms, 30s, 5m, 1h30m or 2d")]
    Malformed,
    /// A number alone.
    #[error("must say its unit: ms, s, m, h or d, as in 30s")]
    NoUnit,
    /// More than [`MAX`].
    #[error("must be 366d at most")]
    TooLong,
}

/// Reads whole numbers with units, largest unit first, each at most once.
pub fn parse(text: &str) -> Result<Duration, Error> {
    if text.is_empty() {
        return Err(Error::Malformed);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::NoUnit);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or(Error::Malformed)?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, millis) = units
            .find(|(name, _)| *name == unit)
            .ok_or(Error::Malformed)?;
        let number: u64 = number.parse().map_err(|_| too_long_or_malformed(number))?;
        total = number
            .checked_mul(*millis)
            .and_then(|part| part.checked_add(total))
            .ok_or(Error::TooLong)?;
        rest = after;
    }
    let duration = Duration::from_millis(total);
    if duration > MAX {
        Err(Error::TooLong)
    } else {
        Ok(duration)
    }
}

fn too_long_or_malformed(number: &str) -> Error {
    if number.is_empty() {
        Error::Malformed
    } else {
        Error::TooLong
    }
}

/// Writes a duration in the shortest form that [`parse`] reads; days are written as hours.
pub fn format(duration: Duration) -> String {
    let mut rest = millis(duration);
    let mut text = String::new();
    for (unit, size) in &UNITS[1..] {
        if rest >= *size {
            // Writing to a string can't fail.
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, millis) in [
            ("500ms", 500),
            ("0s", 0),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("24h", 86_400_000),
            ("1d", 86_400_000),
            ("1m500ms", 60_500),
            ("90s", 90_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        for (text, error) in [
            ("", Error::Malformed),
            ("soon", Error::Malformed),
            ("5 m", Error::Malformed),
            ("-5m", Error::Malformed),
            ("1.5h", Error::Malformed),
            ("30m1h", Error::Malformed),
            ("1h1h", Error::Malformed),
            ("5m3", Error::Malformed),
            ("5M", Error::Malformed),
            ("m", Error::Malformed),
            ("30", Error::NoUnit),
            ("367d", Error::TooLong),
            ("99999999999999999999s", Error::TooLong),
            ("9999999999999999999d", Error::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same(millis in 0..=31_622_400_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,20}") {
            let _ = parse(&text);
        }
    }
}
