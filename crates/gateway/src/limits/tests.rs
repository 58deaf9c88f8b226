use axum::http::StatusCode;
use governor::clock::FakeRelativeClock;

use super::*;

const RATE: Rate = Rate {
    per_minute: 60,
    burst: 20,
};

#[test]
fn a_budget_is_used_up_and_refills() {
    let clock = FakeRelativeClock::default();
    let budgets = Budgets::of(RATE, clock.clone()).unwrap();
    let ten = NonZeroU32::new(10).unwrap();
    let left = |remaining, full_after_s| Left {
        limit: 20,
        remaining,
        full_after_s,
    };
    assert_eq!(budgets.spend(&"a", ten), Ok(left(10, 10)));
    assert_eq!(budgets.spend(&"a", ten), Ok(left(0, 20)));
    assert_eq!(
        budgets.spend(&"b", ten),
        Ok(left(10, 10)),
        "a key of its own"
    );
    let wait = budgets.spend(&"a", ten).unwrap_err();
    assert_eq!(wait, Duration::from_secs(10));
    clock.advance(wait);
    assert_eq!(budgets.spend(&"a", ten), Ok(left(0, 20)));
}

#[test]
fn a_request_that_costs_more_than_a_budget_holds_is_not_refused_for_ever() {
    let clock = FakeRelativeClock::default();
    let budgets = Budgets::of(RATE, clock.clone()).unwrap();
    let much = NonZeroU32::new(1000).unwrap();
    assert!(budgets.spend(&"a", much).is_ok());
    assert!(budgets.spend(&"a", NonZeroU32::MIN).is_err());
    clock.advance(Duration::from_secs(20));
    assert!(budgets.spend(&"a", much).is_ok());
}

fn limits(config: &Rates) -> Arc<Limits> {
    Limits::start(config, &Tasks::new())
}

#[tokio::test]
async fn reading_takes_nothing_from_acting() {
    let reading = Rate {
        per_minute: 1,
        burst: 10,
    };
    let limits = limits(&Rates {
        reading,
        ..Rates::default()
    });
    let token = "t";
    assert!(limits.spend(token, Cost::LIST).is_ok());
    let refused = limits.spend(token, Cost::LIST).unwrap_err();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(limits.spend(token, Cost::Act).is_ok());
}

#[tokio::test]
async fn an_address_is_refused_after_its_failures_and_no_other() {
    let failures = Rate {
        per_minute: 1,
        burst: 2,
    };
    let limits = limits(&Rates {
        failures,
        ..Rates::default()
    });
    let here = "2001:db8::1".parse().ok();
    let beside = "2001:db8::ffff".parse().ok();
    let elsewhere = "2001:db8:0:1::1".parse().ok();
    for _ in 0..2 {
        limits.failed(here);
        assert!(limits.may_sign_in(here).is_ok());
    }
    limits.failed(here);
    assert!(limits.may_sign_in(here).is_err());
    assert!(limits.may_sign_in(beside).is_err());
    assert!(limits.may_sign_in(elsewhere).is_ok());
    assert!(limits.may_sign_in(None).is_ok());
}

#[tokio::test]
async fn without_a_rate_there_is_no_limit() {
    let none = Rate {
        per_minute: 0,
        burst: 0,
    };
    let limits = limits(&Rates {
        acting: none,
        reading: none,
        failures: none,
    });
    for _ in 0..1000 {
        limits.failed("10.0.0.1".parse().ok());
        assert_eq!(limits.spend("t", Cost::LIST), Ok(None));
    }
    assert!(limits.may_sign_in("10.0.0.1".parse().ok()).is_ok());
}
