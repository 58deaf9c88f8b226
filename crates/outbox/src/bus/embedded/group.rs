//! The groups that read the embedded bus, and how far each has come.
//!
//! One reader of a group has the turn from its `next` to its `commit`; so readers share messages
//! and their order holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::message::Topic;
use runtime::clock;
use sea_orm::DbErr;
use tokio::sync::Notify;

use super::{Log, PerTopic, locked, store};

/// How long commits are gathered before they are written down.
const GATHER: Duration = Duration::from_millis(100);

/// How far a group has read a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The id of the last message that it committed.
    pub(super) last: i64,
    /// When it last read or committed.
    pub(super) seen_ms: i64,
}

/// All groups that ever read here.
#[derive(Debug)]
pub(super) struct Groups {
    all: Mutex<HashMap<String, Arc<Group>>>,
    committed: Arc<Notify>,
}

#[derive(Debug)]
pub(super) struct Group {
    /// Held by the reader whose turn it is.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
    committed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    positions: [Option<Position>; Topic::ALL.len()],
    /// There is something to write down.
    dirty: bool,
}

impl Groups {
    pub(super) fn of(stored: HashMap<String, Vec<(Topic, Position)>>) -> Self {
        let groups = Self {
            all: Mutex::default(),
            committed: Arc::default(),
        };
        for (name, positions) in stored {
            let group = groups.group(&name);
            let mut state = locked(&group.state);
            for (topic, position) in positions {
                state.positions[topic as usize] = Some(position);
            }
        }
        groups
    }

    /// The group `name`, which reads `topics` from now on.
    pub(super) fn join(&self, name: &str, topics: &[Topic]) -> Arc<Group> {
        let group = self.group(name);
        let now = clock::now_ms();
        let mut state = locked(&group.state);
        for topic in topics {
            let position = &mut state.positions[*topic as usize];
            let last = position.map_or(0, |it| it.last);
            *position = Some(Position { last, seen_ms: now });
        }
        state.dirty = true;
        drop(state);
        group.committed.notify_one();
        group
    }

    /// The last id of `topic` that every group seen since `since_ms` has committed.
    pub(super) fn floor(&self, topic: Topic, since_ms: i64) -> i64 {
        let groups = locked(&self.all);
        let positions = groups
            .values()
            .filter_map(|group| Some((group, locked(&group.state).positions[topic as usize]?)));
        positions
            .filter(|(group, it)| it.seen_ms >= since_ms || Arc::strong_count(group) > 1)
            .map(|(_, position)| position.last)
            .min()
            .unwrap_or(i64::MAX)
    }

    fn group(&self, name: &str) -> Arc<Group> {
        let mut all = locked(&self.all);
        let group = all.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Group {
                turn: Arc::default(),
                state: Mutex::default(),
                committed: self.committed.clone(),
            })
        });
        group.clone()
    }

    fn dirty(&self) -> Vec<(String, Topic, Position)> {
        let all = locked(&self.all);
        let mut dirty = Vec::new();
        for (name, group) in all.iter() {
            let mut state = locked(&group.state);
            if std::mem::take(&mut state.dirty) {
                let positions = Topic::ALL.into_iter().zip(state.positions);
                dirty.extend(positions.filter_map(|(topic, it)| Some((name.clone(), topic, it?))));
            }
        }
        dirty
    }

    fn still_dirty(&self, positions: &[(String, Topic, Position)]) {
        for (name, _, _) in positions {
            locked(&self.group(name).state).dirty = true;
        }
        self.committed.notify_one();
    }
}

impl Group {
    /// The last id that was committed of each topic.
    pub(super) fn committed(&self) -> PerTopic {
        locked(&self.state)
            .positions
            .map(|it| it.map_or(0, |it| it.last))
    }

    /// Says that everything up to `last` has had its effect.
    pub(super) fn commit(&self, last: &PerTopic) {
        let now = clock::now_ms();
        let mut state = locked(&self.state);
        for (position, last) in state.positions.iter_mut().zip(last) {
            if let Some(position) = position {
                *position = Position {
                    last: (*last).max(position.last),
                    seen_ms: now,
                };
            }
        }
        state.dirty = true;
        drop(state);
        self.committed.notify_one();
    }
}

/// Writes positions down a moment after they were committed, and once more at the end.
pub(super) fn save_positions(log: &Log) {
    let (tasks, this) = (log.0.tasks.clone(), log.clone());
    tasks.repeat("bus-positions", move |()| {
        let log = this.clone();
        async move {
            log.0.groups.committed.notified().await;
            tokio::time::sleep(GATHER).await;
            save(&log).await
        }
    });
    let (draining, last) = (tasks.draining().clone(), log.clone());
    tasks.spawn(async move {
        draining.cancelled().await;
        if let Err(error) = save(&last).await {
            tracing::warn!(
                "the bus's positions weren't saved; some messages will be repeated: {error}"
            );
        }
    });
}

async fn save(log: &Log) -> Result<(), DbErr> {
    let dirty = log.0.groups.dirty();
    if dirty.is_empty() {
        return Ok(());
    }
    let saved = store::save(&log.0.database, &dirty).await;
    if saved.is_err() {
        log.0.groups.still_dirty(&dirty);
    }
    saved
}
