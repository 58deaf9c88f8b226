use proptest::prelude::*;

use super::*;
use crate::calendar::{Series, Unit, zone};

const MINUTE: i64 = 60_000;

fn minutes() -> Calendar {
    Calendar::Series(Series {
        first_ms: 0,
        period: Period::new(1, Unit::Minute).unwrap(),
        zone: zone("UTC").unwrap(),
    })
}

fn catch_up(window_ms: Option<i64>, all: bool) -> CatchUp {
    CatchUp { window_ms, all }
}

fn skipped(first: i64, last: i64, count: u32) -> Skipped {
    Skipped {
        first_ms: first * MINUTE,
        last_ms: last * MINUTE,
        count,
    }
}

#[test]
fn a_slot_fires_in_its_time_and_the_next_is_next() {
    let due = due(
        &minutes(),
        5 * MINUTE,
        5 * MINUTE + 3,
        catch_up(None, false),
    );
    assert_eq!((due.fire, due.missed), (vec![5 * MINUTE], None));
    assert_eq!(due.next_ms, Some(6 * MINUTE));
}

#[test]
fn what_was_missed_fires_by_policy() {
    let (next, now) = (5 * MINUTE, 9 * MINUTE + 1);
    // The window in minutes and whether all; what fires and what was missed.
    let cases = [
        (None, false, vec![9], Some(skipped(5, 8, 4))),
        (None, true, vec![5, 6, 7, 8, 9], None),
        (Some(2), true, vec![8, 9], Some(skipped(5, 7, 3))),
        (Some(2), false, vec![9], Some(skipped(5, 8, 4))),
        (Some(0), false, vec![9], Some(skipped(5, 8, 4))),
    ];
    for (window, all, fire, missed) in cases {
        let window_ms = window.map(|it| it * MINUTE);
        let due = due(&minutes(), next, now, catch_up(window_ms, all));
        let expected: Vec<_> = fire.into_iter().map(|it| it * MINUTE).collect();
        assert_eq!(
            (due.fire, due.missed),
            (expected, missed),
            "{window:?} {all}"
        );
        assert_eq!(due.next_ms, Some(10 * MINUTE));
    }
}

#[test]
fn what_is_older_than_the_window_does_not_fire() {
    let (next, now) = (5 * MINUTE, 9 * MINUTE + GRACE_MS + 1);
    let due = due(&minutes(), next, now, catch_up(Some(0), false));
    assert_eq!((due.fire, due.missed), (vec![], Some(skipped(5, 9, 5))));
    assert_eq!(due.next_ms, Some(10 * MINUTE));
}

#[test]
fn one_time_is_due_once() {
    let due = due(&Calendar::Once(7), 7, 1000, catch_up(None, false));
    assert_eq!((due.fire, due.next_ms), (vec![7], None));
}

#[test]
fn priorities_order_runs_as_unified_views_does() {
    let now = 1_700_000_000_001;
    assert_eq!(order_number(None, now), 1);
    assert_eq!(order_number(Some(0), now), 0);
    assert_eq!(order_number(Some(1), now), now);
    assert_eq!(order_number(Some(3), now), 566_666_666_667);
}

#[test]
fn a_chain_ends_where_it_would_go_in_a_circle_or_on_for_ever() {
    assert_eq!(may_follow(&["a", "b"], "c"), Ok(()));
    assert_eq!(may_follow(&["a", "b"], "a"), Err(Reason::Cycle));
    let long: Vec<String> = (0..LONGEST_CHAIN).map(|it| it.to_string()).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    assert_eq!(may_follow(&long, "a"), Err(Reason::TooLong));
}

#[test]
fn names_are_read_as_they_are_written() {
    for kind in [Kind::Periodic, Kind::Cron, Kind::After] {
        assert_eq!(Kind::of(kind.name()), Some(kind));
    }
    assert_eq!(Overlap::of("?"), None);
}

proptest! {
    #[test]
    fn every_slot_up_to_now_is_fired_or_missed(
        next in 0_i64..50, late in 0_i64..3000, window in prop::option::of(0_i64..3000), all: bool,
    ) {
        let (next_ms, calendar) = (next * MINUTE, minutes());
        let now_ms = next_ms + late * 1000;
        let window_ms = window.map(|it| it * 1000);
        let mut at = Some(next_ms);
        let (mut fired, mut missed) = (0_i64, 0_i64);
        while let Some(next_ms) = at.filter(|&it| it <= now_ms) {
            let due = due(&calendar, next_ms, now_ms, catch_up(window_ms, all));
            prop_assert!(due.fire.iter().all(|&it| it >= next_ms && it <= now_ms));
            fired += i64::try_from(due.fire.len()).unwrap();
            missed += due.missed.map_or(0, |it| i64::from(it.count));
            prop_assert!(due.next_ms.is_none_or(|it| it > next_ms));
            at = due.next_ms;
        }
        prop_assert_eq!(fired + missed, (now_ms - next_ms) / MINUTE + 1);
    }

    #[test]
    fn jitter_is_within_its_bound(id in "[0-9a-f]{24}", most_ms in 0_i64..86_400_000) {
        let by = jitter(&id, most_ms);
        prop_assert!((0..=most_ms).contains(&by));
        prop_assert_eq!(by, jitter(&id, most_ms));
    }
}
