//! Points in time as the face writes and reads them.
//!
//! Written `2017-02-28T10:39:01.705+0000`, in UTC. Read in any of the ways that its clients have:
//! an offset with or without a colon, `Z`, or the name of a zone that is UTC; with any number of
//! digits of a fraction.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

/// How dates are to be written, for who wrote another one.
pub(super) const FORMAT: &str = "yyyy-MM-dd'T'HH:mm:ss.SSSZ";
/// The longest text that is read as a date, in bytes.
const LONGEST: usize = 64;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Date(i64);

impl Date {
    /// The time that a message carries; 0 stands for none.
    pub(super) fn of(ms: i64) -> Option<Self> {
        (ms != 0).then_some(Self(ms))
    }

    pub(super) const fn at(ms: i64) -> Self {
        Self(ms)
    }

    pub(super) const fn ms(self) -> i64 {
        self.0
    }

    /// Reads a date; nothing for what is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > LONGEST || !text.is_ascii() {
            return None;
        }
        let (time, zone) = text.split_at(zone_at(text)?);
        let time: DateTime = time.trim_end().parse().ok()?;
        let offset = offset(zone)?;
        let at = offset.to_timestamp(time).ok()?;
        Some(Self(at.as_millisecond()))
    }
}

/// Where the zone begins: after the time, at a sign, a letter or a space.
fn zone_at(text: &str) -> Option<usize> {
    let date_ends = text.find(['T', 't'])?;
    let rest = &text[date_ends + 1..];
    let begins = rest.find(|it: char| !it.is_ascii_digit() && it != ':' && it != '.')?;
    Some(date_ends + 1 + begins)
}

/// Reads `Z`, `UTC`, `GMT`, `+hhmm`, `+hh:mm`, and a sign after a name.
fn offset(zone: &str) -> Option<Offset> {
    let zone = zone.trim();
    let upper = zone.to_ascii_uppercase();
    let rest = ["UTC", "GMT", "Z"]
        .iter()
        .find_map(|name| upper.strip_prefix(name));
    if rest == Some("") {
        return Some(Offset::UTC);
    }
    let signed = rest.unwrap_or(&upper);
    let (sign, digits) = match signed.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|it| *it != ':').collect();
    if !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        1 | 2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

impl fmt::Display for Date {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH);
        let time = Offset::UTC.to_datetime(at);
        write!(out, "{time:.3}+0000")
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    use super::*;

    /// `cargo xtask fuzz` says for how long.
    #[test]
    fn any_text_may_be_a_date() {
        let seconds = std::env::var_os("PENSTOCK_FUZZ_SECONDS");
        let seconds = seconds.and_then(|it| it.to_str()?.parse().ok());
        let (begun, wanted) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(0)));
        let like = "[+-]?[0-9]{0,6}-[0-9]{1,2}-[0-9]{1,2}[Tt ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{0,12})?)? ?\
                    (Z|UTC|GMT|CET)?([+-][0-9]{1,2}:?([0-9]{2})?)?";
        let texts = prop_oneof![4 => like, 1 => ".{0,80}", 1 => "[0-9TZ:.+GMTUC -]{0,40}"];
        loop {
            let read = TestRunner::default().run(&texts, |text| {
                if let Some(date) = Date::parse(&text) {
                    prop_assert_eq!(Date::parse(&date.to_string()), Some(date));
                }
                Ok(())
            });
            read.unwrap();
            if begun.elapsed() >= wanted {
                break;
            }
        }
    }

    #[test]
    fn dates_are_read_as_all_clients_write_them() {
        let expected = Date::at(1_488_993_151_535);
        for text in [
            "2017-03-08T17:12:31.535Z",
            "2017-03-08T18:12:31.535+0100",
            "2017-03-08T18:12:31.535+01:00",
            "2017-03-08T18:12:31.535+01",
            "2017-03-08T17:12:31.535UTC",
            "2017-03-08T17:12:31.535 GMT",
            "2017-03-08T18:12:31.535GMT+01:00",
            "2017-03-08T17:12:31.535000-0000",
            " 2017-03-08T17:12:31.535z ",
        ] {
            assert_eq!(Date::parse(text), Some(expected), "{text}");
        }
        assert_eq!(
            Date::parse("2014-08-08T15:15:15Z").map(Date::ms),
            Some(1_407_510_915_000)
        );
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "now",
            "2017-03-08",
            "2017-03-08T17:12:31.535",
            "2015-15-15T15:15:15.658Z",
            "2017-03-08T17:12:31.535+1",
            "2017-03-08T17:12:31.535+0175",
            "2017-03-08T17:12:31.535+99:00",
            "2017-03-08T17:12:31.535CET",
            "T",
            "TZ",
            "\u{661}T\u{661}Z",
        ] {
            let read = Date::parse(text);
            assert!(read.is_none() || text.ends_with("+1"), "{text}: {read:?}");
        }
    }

    #[test]
    fn dates_are_written_in_utc_with_an_offset() {
        assert_eq!(
            Date::at(1_488_278_341_705).to_string(),
            "2017-02-28T10:39:01.705+0000"
        );
        assert_eq!(Date::at(0).to_string(), "1970-01-01T00:00:00.000+0000");
    }
}
