//! When tokens were last used: noted here, written later, so that nobody waits for it.
//!
//! **Invariant:** a token's row is written at most about once a minute, and what waits to be written
//! is bounded. What is lost with the process, or finds no room, is noted again at the next use.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runtime::{Bell, Progress, Tasks, clock};

use crate::Error;
use crate::store::Store;

/// How old a token's last use may be, in milliseconds, before it is written again.
const EXACTNESS_MS: i64 = 60_000;
/// Tokens that wait to be written, at most.
const WAITING: usize = 10_000;
/// Tokens written at once.
const AT_ONCE: usize = 500;
/// How often it is looked even though nobody rang.
const PERIOD: Duration = Duration::from_mins(1);

/// Tokens whose use is to be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uses {
    waiting: Arc<Mutex<BTreeSet<String>>>,
    bell: Bell,
}

impl Uses {
    /// Writes uses as long as the process lives.
    pub(crate) fn start(store: &Store, tasks: &Tasks) -> Self {
        let uses = Self::default();
        let (writer, store) = (uses.clone(), store.clone());
        tasks.answer("uses of tokens", &uses.bell, PERIOD, move || {
            let (writer, store) = (writer.clone(), store.clone());
            async move { writer.write(&store).await }
        });
        uses
    }

    /// Notes that a token is used at `now_ms`.
    pub(crate) fn note(&self, token_id: &str, last_used_at_ms: Option<i64>, now_ms: i64) {
        if last_used_at_ms.is_some_and(|it| it > now_ms - EXACTNESS_MS) {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.len() < WAITING && waiting.insert(token_id.to_owned()) {
            self.bell.ring();
        }
    }

    async fn write(&self, store: &Store) -> Result<Progress, Error> {
        let some: Vec<String> = self.waiting().iter().take(AT_ONCE).cloned().collect();
        if some.is_empty() {
            return Ok(Progress::Idle);
        }
        store.used(&some, clock::now_ms()).await?;
        let mut waiting = self.waiting();
        for id in &some {
            waiting.remove(id);
        }
        Ok(Progress::More)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_a_minute_and_the_room_is_bounded() {
        let uses = Uses::default();
        uses.note("a", Some(100_000), 159_999);
        assert!(uses.waiting().is_empty());
        uses.note("a", Some(100_000), 160_000);
        uses.note("a", Some(100_000), 160_001);
        uses.note("b", None, 0);
        assert_eq!(uses.waiting().len(), 2);
        for number in 0..2 * WAITING {
            uses.note(&number.to_string(), None, 0);
        }
        assert_eq!(uses.waiting().len(), WAITING);
    }
}
