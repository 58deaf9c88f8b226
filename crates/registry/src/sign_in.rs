//! Limits failed sign-ins: few for one login from one address, more for a login from everywhere and
//! for an address. Pure; the caller supplies the time.
//!
//! What is counted is kept in memory, by each registry for itself. **Invariant:** the number of
//! counters is bounded; when it is reached the oldest are given up.

use std::collections::HashMap;

/// How long a failure counts, in milliseconds.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// Failures of a login from one address.
const OF_BOTH: u32 = 10;
/// Failures of a login from anywhere, so that many addresses are no way around it.
const OF_LOGIN: u32 = 100;
/// Failures from an address with any login, so that many logins are no way around it.
const OF_ADDRESS: u32 = 100;
/// Counters that are kept.
const MOST: usize = 30_000;

/// Whom a failure is counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Both(String, String),
    Login(String),
    Address(String),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since_ms: i64,
    failures: u32,
}

/// The failures of late.
#[derive(Debug, Default)]
pub(crate) struct SignIns(HashMap<Key, Count>);

impl SignIns {
    /// How long to wait before another try, in milliseconds; nothing if it may be tried now. Counts
    /// the try as failed until [`SignIns::succeeded`], so that tries at the same time count too.
    pub(crate) fn tried(&mut self, login: &str, address: &str, now_ms: i64) -> Option<i64> {
        let keys = keys(login, address);
        let waits = keys.iter().filter_map(|(key, most)| {
            let count = self
                .0
                .get(key)
                .filter(|it| it.since_ms + WINDOW_MS > now_ms)?;
            (count.failures >= *most).then_some(count.since_ms + WINDOW_MS - now_ms)
        });
        if let Some(wait) = waits.max() {
            return Some(wait);
        }
        self.make_room(now_ms);
        for (key, _) in keys {
            let fresh = Count {
                since_ms: now_ms,
                failures: 0,
            };
            let count = self.0.entry(key).or_insert(fresh);
            if count.since_ms + WINDOW_MS <= now_ms {
                *count = fresh;
            }
            count.failures += 1;
        }
        None
    }

    /// The try was right: it is not counted, and failures of this login from there are forgotten.
    pub(crate) fn succeeded(&mut self, login: &str, address: &str) {
        for (key, _) in keys(login, address) {
            if matches!(key, Key::Both(..)) {
                self.0.remove(&key);
            } else if let Some(count) = self.0.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }

    fn make_room(&mut self, now_ms: i64) {
        if self.0.len() + 3 <= MOST {
            return;
        }
        self.0
            .retain(|_, count| count.since_ms + WINDOW_MS > now_ms);
        if self.0.len() + 3 > MOST / 2 {
            let mut begins: Vec<i64> = self.0.values().map(|it| it.since_ms).collect();
            begins.sort_unstable();
            let middle = begins.get(begins.len() / 2).copied().unwrap_or(now_ms);
            self.0.retain(|_, count| count.since_ms > middle);
        }
    }
}

fn keys(login: &str, address: &str) -> [(Key, u32); 3] {
    [
        (Key::Both(login.into(), address.into()), OF_BOTH),
        (Key::Login(login.into()), OF_LOGIN),
        (Key::Address(address.into()), OF_ADDRESS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_add_up_and_pass_with_time() {
        let mut all = SignIns::default();
        for _ in 0..OF_BOTH {
            assert_eq!(all.tried("ada", "1.1.1.1", 0), None);
        }
        assert_eq!(all.tried("ada", "1.1.1.1", 1000), Some(WINDOW_MS - 1000));
        assert_eq!(
            all.tried("ada", "2.2.2.2", 1000),
            None,
            "its owner, elsewhere"
        );
        assert_eq!(all.tried("bob", "1.1.1.1", 1000), None);
        assert_eq!(all.tried("ada", "1.1.1.1", WINDOW_MS), None);
    }

    #[test]
    fn success_is_not_counted_and_forgives() {
        let mut all = SignIns::default();
        for _ in 0..1000 {
            assert_eq!(all.tried("ada", "1.1.1.1", 0), None);
            all.succeeded("ada", "1.1.1.1");
        }
        for _ in 1..OF_BOTH {
            assert_eq!(all.tried("ada", "1.1.1.1", 0), None);
        }
        all.succeeded("ada", "1.1.1.1");
        assert_eq!(all.tried("ada", "1.1.1.1", 0), None);
    }

    #[test]
    fn neither_many_addresses_nor_many_logins_are_a_way_around() {
        let mut all = SignIns::default();
        for number in 0..OF_LOGIN {
            assert_eq!(all.tried("ada", &number.to_string(), 0), None);
        }
        assert!(all.tried("ada", "another", 0).is_some());
        for number in 0..OF_ADDRESS {
            assert_eq!(all.tried(&number.to_string(), "1.1.1.1", 0), None);
        }
        assert!(all.tried("bob", "1.1.1.1", 0).is_some());
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut all = SignIns::default();
        for number in 0..3 * i64::try_from(MOST).unwrap() {
            let text = number.to_string();
            all.tried(&text, &text, number / 100);
            assert!(all.0.len() <= MOST);
        }
    }
}
