//! What a token is good for: its name, its scopes, how long, and from where.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::Error;

/// The longest name, in characters.
const LONGEST_NAME: usize = 50;
/// The farthest end.
const LONGEST: Duration = Duration::from_hours(24 * 366);
/// The end where none is said.
const USUAL: &str = "1mo";
/// Blocks of addresses, at most.
const MOST_BLOCKS: usize = 20;
/// How long a token that was rotated may stay good.
const LONGEST_OVERLAP: Duration = Duration::from_hours(24 * 7);
/// Every scope, and the one of a token for which none is said first.
pub(crate) const SCOPES: [&str; 9] = [
    "api",
    "api-readonly",
    "pipeline",
    "pipeline-readonly",
    "registry",
    "registry-readonly",
    "tasks",
    "tasks-readonly",
    "security-logs",
];

/// Checks a token's name.
pub(crate) fn checked_name(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Error::Field {
        field: "name",
        why: format!("write 1 to {LONGEST_NAME} characters, none of them a control character"),
    })
}

/// Checks scopes, each once and in the order of [`SCOPES`].
pub(crate) fn checked_scopes(asked: &[String]) -> Result<Vec<String>, Error> {
    if asked.is_empty() {
        return Ok(vec![SCOPES[0].to_owned()]);
    }
    if let Some(unknown) = asked.iter().find(|it| !SCOPES.contains(&it.as_str())) {
        return Err(Error::Field {
            field: "scope",
            why: format!(
                "\"{}\" is no scope: use {}",
                crate::shown(unknown),
                SCOPES.join(", ")
            ),
        });
    }
    let is_asked = |scope: &&str| asked.iter().any(|it| it == scope);
    Ok(SCOPES
        .iter()
        .filter(|it| is_asked(it))
        .map(|it| (*it).to_owned())
        .collect())
}

/// When a token of `now_ms` ends: a code, a time, or the usual.
pub(crate) fn end(text: &str, now_ms: i64) -> Result<i64, Error> {
    let days = match if text.is_empty() { USUAL } else { text } {
        "1d" => 1,
        "1w" => 7,
        "1mo" => 30,
        "2mo" => 60,
        "3mo" => 90,
        time => return end_at(time, now_ms),
    };
    Ok(now_ms + days * 24 * 60 * 60 * 1000)
}

fn end_at(text: &str, now_ms: i64) -> Result<i64, Error> {
    let wrong = |why: String| Error::Field {
        field: "expiration",
        why,
    };
    let Ok(time) = text.parse::<Timestamp>() else {
        return Err(wrong(format!(
            "\"{}\" is neither 1d, 1w, 1mo, 2mo or 3mo nor a time as 2030-01-31T12:00:00Z",
            crate::shown(text)
        )));
    };
    let end_ms = time.as_millisecond();
    if end_ms <= now_ms {
        return Err(wrong(format!("{time} is over: choose a time to come")));
    }
    if end_ms > now_ms + millis(LONGEST) {
        return Err(wrong(format!(
            "{time} is more than a year ahead: choose an earlier time"
        )));
    }
    Ok(end_ms)
}

/// When the successor of a token ends: as said, or after as long as the old one was to last.
pub(crate) fn end_of_successor(
    text: &str,
    (created_at_ms, expires_at_ms): (i64, Option<i64>),
    now_ms: i64,
) -> Result<i64, Error> {
    match expires_at_ms {
        Some(end_ms) if text.is_empty() => Ok(now_ms + (end_ms - created_at_ms)),
        _ => end(text, now_ms),
    }
}

/// Until when a token that is rotated at `now_ms` stays good.
pub(crate) fn overlap(overlap_ms: i64, now_ms: i64) -> Result<i64, Error> {
    if (0..=millis(LONGEST_OVERLAP)).contains(&overlap_ms) {
        return Ok(now_ms + overlap_ms);
    }
    Err(Error::Field {
        field: "overlap",
        why: "a token that was rotated stays good for 0 seconds to 7 days".into(),
    })
}

/// Checks blocks of addresses; an address is a block of one. They come out without host bits.
pub(crate) fn checked_blocks(asked: &[String]) -> Result<Vec<String>, Error> {
    let wrong = |why: String| Error::Field {
        field: "cidrs",
        why,
    };
    if asked.len() > MOST_BLOCKS {
        return Err(wrong(format!("write {MOST_BLOCKS} blocks at most")));
    }
    let mut blocks = Vec::with_capacity(asked.len());
    for text in asked {
        let text = text.trim();
        let block = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let block = block.map_err(|_| {
            let text = crate::shown(text);
            wrong(format!(
                "\"{text}\" is no block of addresses: write it as 10.1.0.0/16 or 2001:db8::/32"
            ))
        })?;
        let block = block.trunc().to_string();
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    Ok(blocks)
}

fn millis(duration: Duration) -> i64 {
    runtime::clock::millis(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_600_000_000_000;
    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn an_end_is_a_code_or_a_time_to_come() {
        for (text, expected) in [
            ("", Some(NOW + 30 * DAY)),
            ("1d", Some(NOW + DAY)),
            ("1w", Some(NOW + 7 * DAY)),
            ("1mo", Some(NOW + 30 * DAY)),
            ("2mo", Some(NOW + 60 * DAY)),
            ("3mo", Some(NOW + 90 * DAY)),
            ("2020-09-13T12:26:41Z", Some(NOW + 1000)),
            ("2020-09-13T14:26:41+02:00", Some(NOW + 1000)),
            ("2020-09-13T12:26:40Z", None),
            ("2022-01-01T00:00:00Z", None),
            ("4mo", None),
            ("never", None),
        ] {
            assert_eq!(end(text, NOW).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_successor_lasts_as_long_unless_said() {
        let old = (NOW - 5 * DAY, Some(NOW + 2 * DAY));
        assert_eq!(end_of_successor("", old, NOW).ok(), Some(NOW + 7 * DAY));
        assert_eq!(end_of_successor("1d", old, NOW).ok(), Some(NOW + DAY));
    }

    #[test]
    fn scopes_are_of_the_nine() {
        for (asked, expected) in [
            (&[][..], Some(&["api"][..])),
            (&["pipeline", "api", "pipeline"], Some(&["api", "pipeline"])),
            (&["security-logs"], Some(&["security-logs"])),
            (&["API"], None),
            (&["api pipeline"], None),
        ] {
            let found = checked_scopes(&owned(asked)).ok();
            assert_eq!(found, expected.map(owned), "{asked:?}");
        }
    }

    #[test]
    fn blocks_are_addresses_without_host_bits() {
        for (asked, expected) in [
            (&["10.1.2.3/8"][..], Some(&["10.0.0.0/8"][..])),
            (&["10.1.2.3", "10.1.2.3/32"], Some(&["10.1.2.3/32"])),
            (
                &["2001:db8::1/32", "::1"],
                Some(&["2001:db8::/32", "::1/128"]),
            ),
            (&["10.0.0.0/33"], None),
            (&["example.org"], None),
            (&["1.1.1.1"; 21], None),
        ] {
            let found = checked_blocks(&owned(asked)).ok();
            assert_eq!(found, expected.map(owned), "{asked:?}");
        }
    }

    #[test]
    fn an_overlap_is_a_week_at_most() {
        for (overlap_ms, fits) in [
            (0, true),
            (7 * DAY, true),
            (7 * DAY + 1, false),
            (-1, false),
        ] {
            assert_eq!(overlap(overlap_ms, NOW).is_ok(), fits, "{overlap_ms}");
        }
    }

    #[test]
    fn a_name_has_50_characters_at_most() {
        for (name, fits) in [
            ("CI of the shop", true),
            (&*"n".repeat(50), true),
            (&*"n".repeat(51), false),
            (" ", false),
            ("a\tb", false),
        ] {
            assert_eq!(checked_name(name).is_ok(), fits, "{name}");
        }
    }
}
