//! How much one token and one address may ask for.
//!
//! A token has two budgets that refill all the time: one for *acting* (run, stop, status: one unit
//! a request) and one for *reading* (lists and logs, as many units as their rows of the table of
//! routes say). So a script that lists without a pause is told to slow down, and can still stop a
//! run. An address has a budget of failed sign-ins: once it is used up, tokens that were not good
//! lately are refused unasked until it has refilled.
//!
//! Answers say how much is left (`RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset`, in
//! units and seconds); a refusal is 429 with `Retry-After`.
//!
//! **Invariants:** budgets are this process' own, no request waits for one, and what is remembered
//! of tokens and addresses is bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use runtime::{Bell, Progress, Tasks};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::problem::Problem;

#[cfg(test)]
mod tests;

/// Budgets that are remembered, of tokens or of addresses; further addresses share one.
const MOST: usize = 100_000;
/// How often budgets are forgotten that are full again.
const FORGET_PERIOD: Duration = Duration::from_mins(1);

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What tokens and addresses may ask for, of each gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// A token's requests that act or ask about one run. A request is one unit.
    pub acting: Rate,
    /// A token's lists and logs. A page of a list is 10 units, one of a log 5.
    pub reading: Rate,
    /// Failed sign-ins of an address.
    pub failures: Rate,
}

/// A budget. Both 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Units that it refills by in a minute, evenly.
    pub per_minute: u32,
    /// Units that it holds when it is full.
    pub burst: u32,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |per_minute, burst| Rate { per_minute, burst };
        Self {
            acting: rate(60_000, 10_000),
            reading: rate(120_000, 10_000),
            failures: rate(120, 120),
        }
    }
}

/// What a request costs, and from which of its token's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// One unit for acting.
    Act,
    /// So many units for reading.
    Read(NonZeroU32),
}

impl Cost {
    /// A page of a list.
    pub(crate) const LIST: Self = Self::Read(NonZeroU32::new(10).unwrap());
    /// A page of a log.
    pub(crate) const LOG: Self = Self::Read(NonZeroU32::new(5).unwrap());
}

/// What every token and address has left.
pub(crate) struct Limits {
    acting: Option<Budgets<Box<str>>>,
    reading: Option<Budgets<Box<str>>>,
    failures: Option<Budgets<IpAddr>>,
    /// Addresses without a sign-in left, until when.
    blocked: Mutex<HashMap<IpAddr, Instant>>,
}

/// What is left of a budget after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    limit: u32,
    remaining: u32,
    full_after_s: u64,
}

impl Limits {
    /// Full budgets, of which those that nobody uses are forgotten as long as the process lives.
    pub(crate) fn start(config: &Rates, tasks: &Tasks) -> Arc<Self> {
        let limits = Arc::new(Self {
            acting: Budgets::of(config.acting, DefaultClock::default()),
            reading: Budgets::of(config.reading, DefaultClock::default()),
            failures: Budgets::of(config.failures, DefaultClock::default()),
            blocked: Mutex::default(),
        });
        let forgetting = Arc::downgrade(&limits);
        tasks.answer(
            "forget full budgets",
            &Bell::new(),
            FORGET_PERIOD,
            move || {
                let limits = forgetting.upgrade();
                async move {
                    if let Some(limits) = limits {
                        limits.forget();
                    }
                    Ok::<_, std::convert::Infallible>(Progress::Idle)
                }
            },
        );
        limits
    }

    /// Takes what a request costs from the budget of its token; answers what is left, if there is
    /// a limit.
    pub(crate) fn spend(&self, token_id: &str, cost: Cost) -> Result<Option<Left>, Problem> {
        let (budgets, units) = match cost {
            Cost::Act => (&self.acting, NonZeroU32::MIN),
            Cost::Read(units) => (&self.reading, units),
        };
        let Some(budgets) = budgets else {
            return Ok(None);
        };
        budgets
            .spend(&token_id.into(), units)
            .map(Some)
            .map_err(|wait| {
                let detail =
                    "the token has used up its requests: try again after Retry-After seconds";
                limited("RATE", detail, wait)
            })
    }

    /// Whether this address may try a token that was not good lately.
    pub(crate) fn may_sign_in(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address.map(of_one_owner) else {
            return Ok(());
        };
        let until = self.blocked().get(&address).copied();
        match until.and_then(|until| until.checked_duration_since(Instant::now())) {
            None => Ok(()),
            Some(wait) => {
                let detail = "too many sign-ins failed here: try again after Retry-After seconds";
                Err(limited("FAILURES", detail, wait))
            }
        }
    }

    /// Counts a failed sign-in.
    pub(crate) fn failed(&self, address: Option<IpAddr>) {
        let (Some(budgets), Some(address)) = (&self.failures, address.map(of_one_owner)) else {
            return;
        };
        if let Err(wait) = budgets.spend(&address, NonZeroU32::MIN) {
            let mut blocked = self.blocked();
            if blocked.len() < MOST {
                blocked.insert(address, Instant::now() + wait);
            }
        }
    }

    fn forget(&self) {
        for budgets in [&self.acting, &self.reading].into_iter().flatten() {
            budgets.limiter.retain_recent();
        }
        if let Some(failures) = &self.failures {
            failures.limiter.retain_recent();
        }
        let now = Instant::now();
        self.blocked().retain(|_, until| *until > now);
    }

    fn blocked(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Left {
    /// Says it in the headers of an answer.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.full_after_s));
    }
}

/// The addresses that one owner has at will: all of a /64 in IPv6.
fn of_one_owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => IpAddr::V6((it.to_bits() & !u128::from(u64::MAX)).into()),
        it @ IpAddr::V4(_) => it,
    }
}

fn limited(reason: &'static str, detail: &'static str, wait: Duration) -> Problem {
    metrics::counter!("penstock_http_requests_limited_total", "reason" => reason).increment(1);
    Problem::limited(reason, detail, wait)
}

/// A budget for each key.
struct Budgets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    limiter: RateLimiter<K, DashMapStateStore<K>, C, StateInformationMiddleware>,
    clock: C,
    rate: Rate,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Budgets<K, C> {
    /// None without a limit. A budget holds a unit at least.
    fn of(rate: Rate, clock: C) -> Option<Self> {
        let per_minute = NonZeroU32::new(rate.per_minute)?;
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(per_minute).allow_burst(burst);
        let limiter = RateLimiter::dashmap_with_clock(quota, clock.clone());
        Some(Self {
            limiter: limiter.with_middleware(),
            clock,
            rate: Rate {
                burst: burst.get(),
                ..rate
            },
        })
    }

    /// What is left, or how long to wait. What costs more than the budget holds costs all of it.
    fn spend(&self, key: &K, units: NonZeroU32) -> Result<Left, Duration> {
        let most = NonZeroU32::new(self.rate.burst).unwrap_or(NonZeroU32::MIN);
        match self.limiter.check_key_n(key, units.min(most)) {
            Ok(Ok(state)) => Ok(self.left(&state)),
            Ok(Err(refused)) => Err(refused.wait_time_from(self.clock.now())),
            Err(_insufficient) => Err(Duration::from_mins(1)),
        }
    }

    fn left(&self, state: &StateSnapshot) -> Left {
        let remaining = state.remaining_burst_capacity();
        let missing = u64::from(self.rate.burst.saturating_sub(remaining));
        Left {
            limit: self.rate.burst,
            remaining,
            full_after_s: (missing * 60).div_ceil(u64::from(self.rate.per_minute.max(1))),
        }
    }
}
