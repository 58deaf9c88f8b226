//! Reading the embedded bus, as one of a group or from now on.

use std::collections::VecDeque;
use std::sync::Arc;

use contracts::message::Topic;
use tokio::sync::{OwnedMutexGuard, watch};

use super::group::Group;
use super::{Log, PerTopic, store};
use crate::bus::{Error, Heard};

/// Messages that a broadcast reads ahead.
const AHEAD: usize = 64;

impl Log {
    pub(in crate::bus) fn read(&self, group: &str, topics: &[Topic]) -> Reader {
        let group = self.0.groups.join(group, topics);
        Reader {
            follow: self.follow(topics),
            group,
            turn: None,
        }
    }

    pub(in crate::bus) fn broadcast(&self, topics: &[Topic]) -> Broadcast {
        let last = *self.0.heads.borrow();
        Broadcast {
            follow: self.follow(topics),
            last,
            ahead: VecDeque::new(),
        }
    }

    fn follow(&self, topics: &[Topic]) -> Follow {
        Follow {
            log: self.clone(),
            topics: topics.to_vec(),
            heads: self.0.heads.subscribe(),
        }
    }
}

/// Follows some topics.
#[derive(Debug)]
struct Follow {
    log: Log,
    topics: Vec<Topic>,
    heads: watch::Receiver<PerTopic>,
}

impl Follow {
    /// Waits for messages after the ids `last`, in the order of their ids, and moves `last` on.
    async fn next(&mut self, last: &mut PerTopic, most: usize) -> Result<Vec<Heard>, Error> {
        loop {
            let heads = *self.heads.borrow_and_update();
            let found = self.look(&heads, last, most).await?;
            if !found.is_empty() {
                return Ok(found);
            }
            self.heads
                .changed()
                .await
                .map_err(|_| Error::away("the process is ending"))?;
        }
    }

    async fn look(
        &self,
        heads: &PerTopic,
        last: &mut PerTopic,
        most: usize,
    ) -> Result<Vec<Heard>, Error> {
        let mut found = Vec::new();
        for topic in &self.topics {
            let (head, last) = (heads[*topic as usize], &mut last[*topic as usize]);
            if head > *last {
                let database = &self.log.0.database;
                let some = store::after(database, *topic, *last, most)
                    .await
                    .map_err(Error::away)?;
                if some.is_empty() {
                    // All in between was dropped.
                    *last = head;
                }
                found.extend(some);
            }
        }
        found.sort_by_key(|heard| heard.position.offset);
        found.truncate(most);
        for heard in &found {
            last[heard.topic as usize] = heard.position.offset;
        }
        Ok(found)
    }
}

/// One of a group's readers.
#[derive(Debug)]
pub(in crate::bus) struct Reader {
    follow: Follow,
    group: Arc<Group>,
    /// Held from `next` to `commit`, with what was read meanwhile.
    turn: Option<(OwnedMutexGuard<()>, PerTopic)>,
}

impl Reader {
    pub(in crate::bus) async fn next(&mut self, most: usize) -> Result<Vec<Heard>, Error> {
        let (guard, mut last) = if let Some(turn) = self.turn.take() {
            turn
        } else {
            let guard = self.group.turn.clone().lock_owned().await;
            (guard, self.group.committed())
        };
        let found = self.follow.next(&mut last, most).await?;
        self.turn = Some((guard, last));
        Ok(found)
    }

    pub(in crate::bus) fn commit(&mut self) {
        if let Some((_guard, last)) = self.turn.take() {
            self.group.commit(&last);
        }
    }
}

/// Hears what is published from now on.
#[derive(Debug)]
pub(in crate::bus) struct Broadcast {
    follow: Follow,
    last: PerTopic,
    ahead: VecDeque<Heard>,
}

impl Broadcast {
    pub(in crate::bus) async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            if let Some(heard) = self.ahead.pop_front() {
                return Ok(heard);
            }
            self.ahead = self.follow.next(&mut self.last, AHEAD).await?.into();
        }
    }
}
