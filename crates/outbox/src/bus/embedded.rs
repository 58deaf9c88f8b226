//! The bus of one process: a durable log in a `SQLite` file.
//!
//! There is one writer, so ids ascend in the order of commits and a reader that follows them misses
//! nothing. Readers are woken by a watch on each topic's newest id, which moves after the commit.
//! What a group has read is kept in memory and written down a moment later.
//!
//! **Invariants:** a message that was published is durable. A group's position on disk is never
//! past what it committed. The directory is this process's alone (its boot holds the lock).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use contracts::message::Topic;
use runtime::{Database, Readiness, Tasks, clock};
use sea_orm::DbErr;
use tokio::sync::{oneshot, watch};

use super::{Config, Error, Post, Refused};

mod group;
mod read;
mod retention;
mod store;

pub(super) use read::{Broadcast, Reader};

/// One number a topic, in the order of [`Topic::ALL`].
type PerTopic = [i64; Topic::ALL.len()];

/// The log of this process.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    /// The newest id of each topic.
    heads: watch::Sender<PerTopic>,
    /// Bytes kept of each topic.
    bytes: [AtomicU64; Topic::ALL.len()],
    groups: group::Groups,
    tasks: Tasks,
}

impl Log {
    pub(super) async fn open(
        directory: &str,
        config: &Config,
        ready: &Readiness,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let url = format!("sqlite://{directory}");
        let database = Database::open::<store::Migrator>(&url, "bus", ready)
            .await
            .map_err(Error::Store)?;
        let (heads, bytes) = store::extent(&database).await.map_err(Error::away)?;
        let groups = store::groups(&database).await.map_err(Error::away)?;
        let log = Self(Arc::new(Shared {
            database,
            heads: watch::Sender::new(heads),
            bytes: bytes.map(AtomicU64::new),
            groups: group::Groups::of(groups),
            tasks: tasks.clone(),
        }));
        group::save_positions(&log);
        retention::enforce(&log, config);
        Ok(log)
    }

    pub(super) async fn publish(
        &self,
        posts: Vec<Post>,
    ) -> Result<Vec<Result<(), Refused>>, Error> {
        let outcomes: Vec<_> = posts.iter().map(Post::check).collect();
        let taken: Vec<Post> = posts
            .into_iter()
            .zip(&outcomes)
            .filter_map(|(post, outcome)| outcome.is_ok().then_some(post))
            .collect();
        if !taken.is_empty() {
            self.append(taken).await?;
        }
        Ok(outcomes)
    }

    /// Appends in a task of its own: a publisher who gives up half-way must not keep readers from
    /// being woken.
    async fn append(&self, posts: Vec<Post>) -> Result<(), Error> {
        let (told, outcome) = oneshot::channel();
        let log = self.clone();
        self.0.tasks.spawn(async move {
            let _ = told.send(log.append_and_wake(&posts).await);
        });
        match outcome.await {
            Ok(outcome) => outcome.map_err(Error::away),
            Err(_) => Err(Error::away("the process is ending")),
        }
    }

    async fn append_and_wake(&self, posts: &[Post]) -> Result<(), DbErr> {
        let tx = self.0.database.begin().await?;
        let heads = store::append(&tx, posts, clock::now_ms()).await?;
        tx.commit().await?;
        for post in posts {
            self.bytes(post.topic)
                .fetch_add(store::size(post), Ordering::Relaxed);
        }
        self.0.heads.send_modify(|all| {
            for (head, new) in all.iter_mut().zip(heads) {
                *head = (*head).max(new);
            }
        });
        Ok(())
    }

    fn bytes(&self, topic: Topic) -> &AtomicU64 {
        &self.0.bytes[topic as usize]
    }
}

fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
