//! What the embedded bus drops: what is too old or too much, oldest first.
//!
//! **Invariant:** age alone never drops what a group has yet to read; size does, and it is counted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use contracts::message::Topic;
use runtime::clock::{self, millis};
use runtime::{Bell, Progress};
use sea_orm::DbErr;

use super::store::{self, Kept};
use super::{Config, Log};
use crate::bus::Retention;

/// How often it is looked.
const PERIOD: Duration = Duration::from_mins(1);
/// Messages dropped a transaction.
const AT_ONCE: u32 = 500;
/// A group that hasn't been here for so long is waited for no more.
const FORGOTTEN: Duration = Duration::from_hours(7 * 24);

/// Starts the loop that drops.
pub(super) fn enforce(log: &Log, config: &Config) {
    let (this, config) = (log.clone(), config.clone());
    log.0
        .tasks
        .answer("bus-retention", &Bell::new(), PERIOD, move || {
            let (log, config) = (this.clone(), config.clone());
            async move { round(&log, &config, clock::now_ms()).await }
        });
}

/// Drops at most [`AT_ONCE`] messages of each topic.
pub(super) async fn round(log: &Log, config: &Config, now_ms: i64) -> Result<Progress, DbErr> {
    let mut progress = Progress::Idle;
    for topic in Topic::ALL {
        let kept = store::oldest(&log.0.database, topic, AT_ONCE).await?;
        let rule = Rule {
            floor: log.0.groups.floor(topic, now_ms - millis(FORGOTTEN)),
            bytes: log.bytes(topic).load(Ordering::Relaxed),
            retention: config.retention(topic),
            now_ms,
        };
        let Some(doomed) = rule.doomed(&kept) else {
            continue;
        };
        store::drop_until(&log.0.database, topic, doomed.last).await?;
        log.bytes(topic).fetch_sub(doomed.bytes, Ordering::Relaxed);
        if doomed.unread > 0 {
            metrics::counter!("penstock_bus_dropped_unread_total", "topic" => topic.name())
                .increment(doomed.unread);
            tracing::warn!(
                topic = topic.name(),
                "{} messages were dropped unread: the topic is full",
                doomed.unread
            );
        }
        if kept.len() == AT_ONCE as usize {
            progress = Progress::More;
        }
    }
    Ok(progress)
}

/// What decides about a topic's messages.
struct Rule {
    /// What all groups have read.
    floor: i64,
    /// What is kept.
    bytes: u64,
    retention: Retention,
    now_ms: i64,
}

/// What is to be dropped.
#[derive(Debug, PartialEq, Eq)]
struct Doomed {
    last: i64,
    bytes: u64,
    /// How many of them a group has yet to read.
    unread: u64,
}

impl Rule {
    /// Decides about the oldest messages, given in their order.
    fn doomed(&self, kept: &[Kept]) -> Option<Doomed> {
        let expiry = self.now_ms - millis(self.retention.age);
        let mut doomed: Option<Doomed> = None;
        for it in kept {
            let gone = doomed.as_ref().map_or(0, |doomed| doomed.bytes);
            let too_much = self.bytes.saturating_sub(gone) > self.retention.bytes;
            let unread = it.id > self.floor;
            let too_old = it.stored_ms < expiry && !unread;
            if !too_much && !too_old {
                break;
            }
            let before = doomed.map_or(0, |doomed| doomed.unread);
            doomed = Some(Doomed {
                last: it.id,
                bytes: gone + it.bytes,
                unread: before + u64::from(unread),
            });
        }
        doomed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Vec<Kept> {
        (1..=4)
            .map(|id| Kept {
                id,
                bytes: 10,
                stored_ms: id * 1000,
            })
            .collect()
    }

    fn rule(floor: i64, most: u64, now_ms: i64) -> Rule {
        let retention = Retention {
            age: Duration::from_secs(10),
            bytes: most,
        };
        Rule {
            floor,
            bytes: 40,
            retention,
            now_ms,
        }
    }

    #[test]
    fn age_drops_what_everyone_has_read() {
        let cases = [
            (rule(i64::MAX, 100, 11_000), None),
            (
                rule(i64::MAX, 100, 12_500),
                Some(Doomed {
                    last: 2,
                    bytes: 20,
                    unread: 0,
                }),
            ),
            (
                rule(1, 100, 99_000),
                Some(Doomed {
                    last: 1,
                    bytes: 10,
                    unread: 0,
                }),
            ),
            (rule(0, 100, 99_000), None),
        ];
        for (rule, doomed) in cases {
            assert_eq!(
                rule.doomed(&kept()),
                doomed,
                "{} {}",
                rule.floor,
                rule.now_ms
            );
        }
    }

    #[test]
    fn size_drops_even_what_is_unread_and_counts_it() {
        let doomed = rule(1, 20, 0).doomed(&kept());
        assert_eq!(
            doomed,
            Some(Doomed {
                last: 2,
                bytes: 20,
                unread: 1
            })
        );
        assert_eq!(rule(1, 40, 0).doomed(&kept()), None);
    }
}
