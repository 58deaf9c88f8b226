use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn texts(all: impl IntoIterator<Item = i64>) -> Vec<String> {
    all.into_iter()
        .map(|it| instant(it).unwrap().to_string())
        .collect()
}

fn series(first: &str, every: i64, unit: Unit, zone_name: &str) -> Calendar {
    Calendar::Series(Series {
        first_ms: ms(first),
        period: Period::new(every, unit).unwrap(),
        zone: zone(zone_name).unwrap(),
    })
}

fn cron(pattern: &str, zone_name: &str, gap: Option<Gap>, fold: Option<Fold>) -> Calendar {
    let cron = Cron::new(pattern, zone(zone_name).unwrap(), gap, fold);
    Calendar::Cron(Box::new(cron.unwrap()))
}

fn first(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
    let next = |it: &i64| calendar.after(*it);
    let all = std::iter::successors(calendar.after(ms(after)), next);
    texts(all.take(count))
}

const LONG_AGO: &str = "1990-01-01T00:00:00Z";

#[test]
fn months_are_clamped_and_keep_the_day_that_they_were_clamped_to() {
    let monthly = series("2026-01-31T09:00:00Z", 1, Unit::Month, "UTC");
    assert_eq!(
        first(&monthly, LONG_AGO, 4),
        [
            "2026-01-31T09:00:00Z",
            "2026-02-28T09:00:00Z",
            "2026-03-28T09:00:00Z",
            "2026-04-28T09:00:00Z"
        ]
    );
    let yearly = series("2024-02-29T00:00:00Z", 1, Unit::Year, "UTC");
    assert_eq!(
        first(&yearly, "2027-06-01T00:00:00Z", 2),
        ["2028-02-28T00:00:00Z", "2029-02-28T00:00:00Z"]
    );
}

#[test]
fn days_keep_the_time_on_the_wall_and_hours_are_time_that_passes() {
    let daily = series("2026-03-27T08:00:00Z", 1, Unit::Day, "Europe/Bratislava");
    assert_eq!(
        first(&daily, "2026-03-27T08:00:00Z", 3),
        [
            "2026-03-28T08:00:00Z",
            "2026-03-29T07:00:00Z",
            "2026-03-30T07:00:00Z"
        ]
    );
    let weekly = series("2026-10-20T22:30:00Z", 1, Unit::Week, "Europe/Bratislava");
    assert_eq!(
        first(&weekly, "2026-10-20T22:30:00Z", 1),
        ["2026-10-27T23:30:00Z"]
    );
    let hourly = series("2026-03-28T23:30:00Z", 1, Unit::Hour, "Europe/Bratislava");
    assert_eq!(
        first(&hourly, "2026-03-29T00:00:00Z", 3),
        [
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:30:00Z"
        ]
    );
    let minutes = series("2026-01-01T00:00:00Z", 7, Unit::Minute, "UTC");
    assert_eq!(
        first(&minutes, "2026-01-01T00:07:00Z", 1),
        ["2026-01-01T00:14:00Z"]
    );
}

#[test]
fn a_day_whose_time_the_clock_leaves_out_is_due_later_and_the_next_is_as_ever() {
    // 02:30 is left out on 29 March.
    let daily = series("2026-03-28T01:30:00Z", 1, Unit::Day, "Europe/Bratislava");
    assert_eq!(
        first(&daily, "2026-03-28T01:30:00Z", 2),
        ["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
    // Samoa left out 30 December 2011 as a whole.
    let apia = series("2011-12-29T00:00:00Z", 1, Unit::Day, "Pacific/Apia");
    let slots = first(&apia, "2011-12-29T00:00:00Z", 3);
    assert_eq!(
        slots,
        [
            "2011-12-30T00:00:00Z",
            "2011-12-31T00:00:00Z",
            "2012-01-01T00:00:00Z"
        ]
    );
}

#[test]
fn a_period_that_does_not_move_on_is_refused() {
    for every in [0, -1, i64::MIN] {
        assert_eq!(Period::new(every, Unit::Day), Err(Fault::Period(every)));
    }
    assert!("DAYS".parse::<Unit>().is_err());
}

/// First, whether just once, whether it has a period of a day, last, tolerance in minutes; and next.
type Case = (
    Option<&'static str>,
    bool,
    bool,
    Option<&'static str>,
    Option<i64>,
    Option<&'static str>,
);

const FIRST: Option<&str> = Some("2026-05-01T06:00:00Z");
const STRICT: Option<i64> = Some(10);

/// The consistency table of the UnifiedViews document, and what it leaves open.
#[rustfmt::skip]
const CASES: [Case; 11] = [
    (None, false, true, None, None, None),
    (FIRST, true, false, None, None, FIRST),
    (FIRST, true, true, FIRST, None, FIRST),
    (FIRST, false, true, None, None, FIRST),
    (FIRST, false, false, None, None, FIRST),
    (FIRST, false, false, FIRST, None, None),
    (FIRST, false, true, Some("2026-05-03T06:00:00.001Z"), None, Some("2026-05-04T06:00:00Z")),
    (FIRST, false, true, Some("2026-04-01T00:00:00Z"), None, FIRST),
    (FIRST, true, false, None, STRICT, None),
    (FIRST, false, true, None, STRICT, Some("2026-05-11T06:00:00Z")),
    (FIRST, false, true, Some("2026-05-02T07:00:00Z"), Some(24 * 60), Some("2026-05-10T06:00:00Z")),
];

#[test]
fn next_execution_is_what_the_contract_says() {
    for (first, just_once, has_period, last, tolerance, expected) in CASES {
        let daily = Period::new(1, Unit::Day).unwrap();
        let periodic = Periodic {
            first_ms: first.map(ms),
            just_once,
            period: has_period.then_some(daily),
            zone: TimeZone::UTC,
        };
        let tolerance_ms = tolerance.map(|it| it * 60_000);
        let next = periodic.next(last.map(ms), ms("2026-05-10T12:00:00Z"), tolerance_ms);
        assert_eq!(
            next,
            expected.map(ms),
            "{first:?} {just_once} {last:?} {tolerance:?}"
        );
    }
}

#[test]
fn cron_reads_the_clock_of_its_zone() {
    let nightly = cron("30 4 * * MON-FRI", "America/New_York", None, None);
    assert_eq!(
        first(&nightly, "2026-03-06T12:00:00Z", 2),
        ["2026-03-09T08:30:00Z", "2026-03-10T08:30:00Z"]
    );
    let seconds = cron("*/20 * * * * *", "UTC", None, None);
    assert_eq!(
        first(&seconds, "2026-01-01T00:00:00.500Z", 2),
        ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z"]
    );
    let leap = cron("0 0 29 2 *", "Europe/London", None, None);
    assert_eq!(
        first(&leap, "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
    );
}

#[test]
fn what_falls_into_a_gap_comes_later_or_not_at_all() {
    // The clock goes from 02:00 to 03:00 on 29 March 2026.
    let table = [
        (Some(Gap::Shift), "2026-03-29T01:30:00Z"),
        (None, "2026-03-29T01:30:00Z"),
        (Some(Gap::Skip), "2026-03-30T00:30:00Z"),
    ];
    for (gap, expected) in table {
        let half_past_two = cron("30 2 * * *", "Europe/Bratislava", gap, None);
        assert_eq!(first(&half_past_two, "2026-03-28T12:00:00Z", 1), [expected]);
    }
    // What comes later may meet what is due then anyway: it is one slot.
    let both = cron("0 2,3 * * *", "Europe/Bratislava", Some(Gap::Shift), None);
    assert_eq!(
        first(&both, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]
    );
}

#[test]
fn what_comes_twice_is_due_first_last_or_both_times() {
    // The clock goes from 03:00 back to 02:00 on 25 October 2026.
    let table = [
        (
            Fold::First,
            vec!["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            Fold::Last,
            vec!["2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            Fold::Both,
            vec!["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        ),
    ];
    for (fold, expected) in table {
        let half_past_two = cron("30 2 * * *", "Europe/Bratislava", None, Some(fold));
        assert_eq!(
            first(&half_past_two, "2026-10-24T12:00:00Z", 2),
            expected,
            "{fold:?}"
        );
    }
    // Unless said: single times once, intervals as time passes.
    let single = cron("30 2 * * *", "Europe/Bratislava", None, None);
    assert_eq!(
        first(&single, "2026-10-25T00:30:00Z", 1),
        ["2026-10-26T01:30:00Z"]
    );
    let interval = cron("*/30 * * * *", "Europe/Bratislava", None, None);
    assert_eq!(
        first(&interval, "2026-10-25T00:00:00Z", 4),
        [
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z"
        ]
    );
}

#[test]
fn a_pattern_that_is_never_due_ends_its_search() {
    for pattern in ["0 0 30 2 *", "0 0 31 4 *"] {
        let never = cron(pattern, "Europe/Bratislava", None, None);
        assert_eq!(never.after(ms("2026-01-01T00:00:00Z")), None, "{pattern}");
    }
    // 02:30 on the last Sunday of March is always left out there.
    let gone = cron("30 2 * 3 SUN#L", "Europe/Bratislava", Some(Gap::Skip), None);
    assert_eq!(gone.after(ms("2026-01-01T00:00:00Z")), None);
}

#[test]
fn what_is_no_pattern_or_zone_is_refused_with_what_to_write() {
    for pattern in [
        "",
        "* * * *",
        "61 * * * *",
        "* * * * * * 2026",
        "a b c d e",
        "@never",
    ] {
        let refused = Cron::new(pattern, TimeZone::UTC, None, None);
        assert!(matches!(refused, Err(Fault::Pattern { .. })), "{pattern}");
    }
    for name in ["Mars/Olympus", "", "../etc/passwd", &"x".repeat(300)] {
        assert!(zone(name).is_err(), "{name}");
    }
}

#[test]
fn missed_slots_are_counted_up_to_a_limit_and_the_latest_is_known() {
    let minutes = series("2026-01-01T00:00:00Z", 1, Unit::Minute, "UTC");
    let start = ms("2026-01-01T00:00:00Z");
    let missed = minutes.until(start, start + 150_000);
    assert_eq!((missed.count, missed.latest_ms), (3, start + 120_000));
    assert_eq!(missed.before_ms, Some(start + 60_000));
    let year = start + 365 * 24 * 3_600_000 + 1;
    let missed = minutes.until(start, year);
    assert_eq!((missed.count, missed.latest_ms), (MOST_COUNTED, year - 1));
    let alone = minutes.until(start, start);
    assert_eq!((alone.count, alone.before_ms), (1, None));
}

const ZONES: [&str; 12] = [
    "UTC",
    "Europe/Bratislava",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Antarctica/Troll",
    "Asia/Pyongyang",
    "Europe/Dublin",
];

fn any_unit() -> impl Strategy<Value = Unit> {
    prop::sample::select(vec![
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Year,
    ])
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(ZONES.to_vec()).prop_map(|it| zone(it).unwrap())
}

/// From 1985 to 2060.
fn any_time() -> impl Strategy<Value = i64> {
    473_385_600_000_i64..2_840_140_800_000
}

fn any_pattern() -> impl Strategy<Value = String> {
    let minute = prop::sample::select(vec!["*", "*/7", "0", "30", "59", "0,15,30,45"]);
    let hour = prop::sample::select(vec!["*", "*/5", "0", "1", "2", "3", "23", "0-3"]);
    let day = prop::sample::select(vec!["*", "1", "L", "29", "31", "*/10"]);
    let month = prop::sample::select(vec!["*", "2", "3", "10", "*/4"]);
    let weekday = prop::sample::select(vec!["*", "SUN", "MON-FRI", "FRI#2", "SUN#L"]);
    (minute, hour, day, month, weekday).prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

proptest! {
    #[test]
    fn a_series_goes_on_and_its_slots_do_not_depend_on_where_one_looks_from(
        first_ms in any_time(), after_ms in any_time(), every in 1_i64..100, unit in any_unit(),
        zone in any_zone(),
    ) {
        let period = Period::new(every, unit).unwrap();
        let calendar = Calendar::Series(Series { first_ms, period, zone });
        if let Some(next_ms) = calendar.after(after_ms) {
            prop_assert!(next_ms > after_ms);
            prop_assert!(next_ms >= first_ms);
            // Looked for from just before it, it is the same; and none lies in between.
            prop_assert_eq!(calendar.after(next_ms - 1), Some(next_ms));
            let between = after_ms + (next_ms - after_ms) / 2;
            prop_assert_eq!(calendar.after(between), Some(next_ms));
        }
    }

    #[test]
    fn no_period_panics(
        first_ms in any::<i64>(), after_ms in any::<i64>(), every in any::<i64>(),
        unit in any_unit(), zone in any_zone(),
    ) {
        if let Ok(period) = Period::new(every, unit)
            && let Some(next_ms) = (Series { first_ms, period, zone }).after(after_ms)
        {
            prop_assert!(next_ms > after_ms);
        }
    }

    #[test]
    fn cron_goes_on_and_its_slots_do_not_depend_on_where_one_looks_from(
        pattern in any_pattern(), after_ms in any_time(), zone in any_zone(),
        gap in prop::sample::select(vec![Gap::Shift, Gap::Skip]),
        fold in prop::sample::select(vec![Fold::First, Fold::Last, Fold::Both]),
    ) {
        let cron = Cron::new(&pattern, zone, Some(gap), Some(fold)).unwrap();
        let mut at_ms = after_ms;
        for _ in 0..5 {
            let Some(next_ms) = cron.after(at_ms) else { break };
            prop_assert!(next_ms > at_ms);
            prop_assert_eq!(cron.after(next_ms - 1), Some(next_ms));
            let between = at_ms + (next_ms - at_ms) / 2;
            prop_assert_eq!(cron.after(between), Some(next_ms));
            at_ms = next_ms;
        }
    }

    #[test]
    fn no_pattern_panics(pattern in "[0-9*/,LW#a-zA-Z -]{0,24}", after_ms in any::<i64>()) {
        if let Ok(cron) = Cron::new(&pattern, TimeZone::UTC, None, None)
            && let Some(next_ms) = cron.after(after_ms)
        {
            prop_assert!(next_ms > after_ms);
        }
    }
}
