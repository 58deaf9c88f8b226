//! How often a failed step is tried again, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration;

/// The most tries that a definition can ask for.
pub const MAX_ATTEMPTS: u32 = 1000;

/// A step's wish to be tried again after it failed or timed out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Tries in all, the first included; 1 to [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// Before the second try.
    #[serde(with = "duration")]
    pub delay: Duration,
    /// How much longer each delay is than the one before; 1 to 100.
    pub backoff: f64,
    /// Which part of a delay is left to chance, up and down; 0 to 1.
    pub jitter: f64,
    /// No delay is longer.
    #[serde(with = "duration")]
    pub max_delay: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            delay: Duration::from_secs(1),
            backoff: 2.0,
            jitter: 0.1,
            max_delay: Duration::from_hours(1),
        }
    }
}

impl Retry {
    /// Whether a step that has failed so often is tried again.
    pub fn allows(&self, failures: u32) -> bool {
        failures < self.attempts
    }
}

/// How long to wait after the given number of failures (from 1). `random` is from 0 to 1 and decides the jitter.
pub fn delay(retry: &Retry, failures: u32, random: f64) -> Duration {
    if retry.delay.is_zero() {
        return Duration::ZERO;
    }
    let max = retry.max_delay.as_secs_f64();
    let growths = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    // Capped before the jitter: otherwise an infinite or absent number could come out of it.
    let grown = (retry.delay.as_secs_f64() * retry.backoff.powi(growths)).min(max);
    let jittered = grown * (1.0 + retry.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0));
    Duration::try_from_secs_f64(jittered.min(max)).unwrap_or(retry.max_delay)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn retry(delay_ms: u64, backoff: f64, jitter: f64) -> Retry {
        Retry {
            attempts: 5,
            delay: Duration::from_millis(delay_ms),
            backoff,
            jitter,
            max_delay: Duration::from_mins(1),
        }
    }

    #[test]
    fn delays_grow_until_the_cap() {
        let millis = |failures| delay(&retry(2000, 2.0, 0.0), failures, 0.9).as_millis();
        assert_eq!(
            [1, 2, 3, 6, 4_000_000_000].map(millis),
            [2000, 4000, 8000, 60_000, 60_000]
        );
    }

    #[test]
    fn jitter_goes_both_ways() {
        let millis = |random| delay(&retry(1000, 1.0, 0.5), 1, random).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(millis), [500, 1000, 1500]);
    }

    #[test]
    fn a_step_has_as_many_tries_as_attempts() {
        let retry = Retry {
            attempts: 3,
            ..Retry::default()
        };
        assert_eq!(
            [1, 2, 3].map(|failures| retry.allows(failures)),
            [true, true, false]
        );
        assert!(!Retry::default().allows(1));
    }

    proptest! {
        #[test]
        fn no_delay_passes_the_cap(
            delay_ms in 0..100_000_u64, backoff in 1.0..100.0, jitter in 0.0..=1.0, failures: u32, random: f64,
        ) {
            let retry = retry(delay_ms, backoff, jitter);
            prop_assert!(delay(&retry, failures, random) <= retry.max_delay);
        }
    }
}
