//! The only reader of the wall clock. Pure code is given the time by its caller.

use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC by this machine's clock.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the clock"
)]
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    millis(since)
}

/// Whole milliseconds of a duration, saturating.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
