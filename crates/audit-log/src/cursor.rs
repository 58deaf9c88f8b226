//! Where a reader of a run's log is.
//!
//! A cursor reads `3-1.120`: after the third life-cycle line and after entry 120 of attempt 1. The
//! output of an attempt comes after that of the attempts before it, so two numbers say it. `!` at
//! the end: the reader was told that the rest is still on its way.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The largest number in a cursor, so that it fits a row's signed one.
const LARGEST: u64 = i64::MAX as u64;

/// An entry's place in a run's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    /// From 1; 0 is before all.
    pub(crate) attempt: u32,
    /// Of the entry, from 1; 0 is before all of the attempt.
    pub(crate) seq: u64,
}

/// What a reader has seen of a run's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Cursor {
    /// The last life-cycle line, 0 for none.
    pub(crate) life: u64,
    /// The last entry of output.
    pub(crate) output: Position,
    /// It was told that the rest is still on its way.
    pub(crate) told: bool,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { attempt, seq } = self.output;
        let told = if self.told { "!" } else { "" };
        write!(f, "{}-{attempt}.{seq}{told}", self.life)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// Empty is the beginning.
    fn from_str(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        parse(text).ok_or_else(|| Error::Cursor(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let (numbers, told) = match text.strip_suffix('!') {
        Some(numbers) => (numbers, true),
        None => (text, false),
    };
    let (life, output) = numbers.split_once('-')?;
    let (attempt, seq) = output.split_once('.')?;
    let attempt = u32::try_from(number(attempt)?).ok()?;
    let output = Position {
        attempt,
        seq: number(seq)?,
    };
    Some(Cursor {
        life: number(life)?,
        output,
        told,
    })
}

fn number(text: &str) -> Option<u64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= LARGEST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_says_where_its_reader_is() {
        let cursor: Cursor = "3-1.120".parse().unwrap();
        assert_eq!(
            cursor.output,
            Position {
                attempt: 1,
                seq: 120
            }
        );
        assert_eq!((cursor.life, cursor.told), (3, false));
        assert_eq!("".parse::<Cursor>().unwrap(), Cursor::default());
    }

    #[test]
    fn other_texts_are_refused_in_words() {
        for text in [
            "3",
            "3-1",
            "-1.2",
            "3-1.",
            "a-1.2",
            "+3-1.2",
            "3-1.2!!",
            "3-4294967296.1",
        ] {
            let refused = text.parse::<Cursor>().unwrap_err().to_string();
            assert!(refused.contains("not a cursor"), "{text}: {refused}");
        }
        assert!("1-1.9223372036854775808".parse::<Cursor>().is_err());
    }

    proptest! {
        #[test]
        fn every_cursor_is_read_back(life in 0..=LARGEST, attempt: u32, seq in 0..=LARGEST, told: bool) {
            let cursor = Cursor { life, output: Position { attempt, seq }, told };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}") {
            let _ = text.parse::<Cursor>();
        }
    }
}
