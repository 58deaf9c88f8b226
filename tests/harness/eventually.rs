//! Waiting for conditions, with one deadline.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a story waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long a story in which something is broken waits for anything.
pub const LONG_PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Between two looks after the first seconds.
const LATER_LOOK: Duration = Duration::from_millis(100);

/// Looks until there is an answer, for [`PATIENCE`] at most. `what` is said if there is none.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
) -> T {
    eventually_within(PATIENCE, what, look).await
}

/// Looks until there is an answer, for `patience` at most. `what` is said if there is none.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        let waited = begun.elapsed();
        assert!(waited < patience, "not within {patience:?}: {what}");
        let is_young = waited < Duration::from_secs(3);
        sleep(if is_young { LOOK } else { LATER_LOOK }).await;
    }
}
