//! Times for people: how long something took, and how long ago it was.

use jiff::Timestamp;

/// How long it took, or has taken so far: `0.4 s`, `3 min 5 s`, `2 h 10 min`.
pub(crate) fn took(started: Option<Timestamp>, ended: Option<Timestamp>, now: Timestamp) -> String {
    started.map_or_else(String::new, |started| {
        let ended = ended.unwrap_or(now);
        length(ended.as_millisecond() - started.as_millisecond())
    })
}

/// How long ago it was: `12 s ago`.
pub(crate) fn ago(when: Option<Timestamp>, now: Timestamp) -> String {
    when.map_or_else(String::new, |when| {
        let ms = now.as_millisecond() - when.as_millisecond();
        match ms / 1000 {
            ..=0 => "just now".to_owned(),
            seconds @ 1..10 => format!("{seconds} s ago"),
            _ => format!("{} ago", length(ms)),
        }
    })
}

/// How long until then: `in 29 d 23 h`; `never` without a time.
pub(crate) fn until(when: Option<Timestamp>, now: Timestamp) -> String {
    when.map_or_else(
        || "never".to_owned(),
        |when| match when.as_millisecond() - now.as_millisecond() {
            ..=0 => ago(Some(when), now),
            ms => format!("in {}", length(ms)),
        },
    )
}

fn length(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        for (ms, said) in [
            (-5, "0.0 s"),
            (430, "0.4 s"),
            (9_999, "9.9 s"),
            (59_000, "59 s"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(length(ms), said);
        }
    }
}
