//! From what a step writes to what the bus is given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::message::{ActivityBatch, ActivityEntry, Stream};
use outbox::Post;
use outbox::bus::Refused;
use tempfile::TempDir;

use super::*;

mod disk;
mod flow;

const PATIENCE: Duration = Duration::from_secs(30);

/// A bus that can be away, be slow, or refuse what it dislikes.
#[derive(Clone, Default)]
struct FakeBus {
    posts: Arc<Mutex<Vec<Post>>>,
    is_away: Arc<AtomicBool>,
    /// It takes messages and never says so.
    is_mute: Arc<AtomicBool>,
    dislikes: Arc<Mutex<Option<String>>>,
}

impl FakeBus {
    fn outlet(&self) -> Outlet {
        let bus = self.clone();
        Outlet::new(move |posts| {
            let bus = bus.clone();
            Box::pin(async move {
                if bus.is_mute.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                if bus.is_away.load(Ordering::SeqCst) {
                    return Err("away".to_owned());
                }
                Ok(posts.into_iter().map(|post| bus.take(post)).collect())
            })
        })
    }

    fn take(&self, post: Post) -> Result<(), Refused> {
        let text = String::from_utf8_lossy(&post.payload);
        if self
            .dislikes
            .lock()
            .unwrap()
            .as_ref()
            .is_some_and(|it| text.contains(it))
        {
            return Err(Refused("disliked".into()));
        }
        self.posts.lock().unwrap().push(post);
        Ok(())
    }

    fn go(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    fn fall_silent(&self, is_mute: bool) {
        self.is_mute.store(is_mute, Ordering::SeqCst);
    }

    /// All entries, in the order in which they came, without repeats of messages.
    fn entries(&self) -> Vec<ActivityEntry> {
        let mut seen = std::collections::HashSet::new();
        let posts = self.posts.lock().unwrap().clone();
        let new = posts
            .into_iter()
            .filter(|post| seen.insert(post.id.clone()));
        new.flat_map(|post| {
            let batch: ActivityBatch = serde_json::from_slice(&post.payload).unwrap();
            assert_eq!(post.id, format!("r/1/{}", batch.entries[0].seq));
            batch.entries
        })
        .collect()
    }

    async fn has(&self, holds: impl Fn(&[ActivityEntry]) -> bool) -> Vec<ActivityEntry> {
        eventually(|| holds(&self.entries())).await;
        let entries = self.entries();
        let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(
            numbers,
            (1..=entries.len() as u64).collect::<Vec<_>>(),
            "a gap, or out of order"
        );
        entries
    }
}

async fn eventually(holds: impl Fn() -> bool) {
    let look = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .expect("it never came true");
}

const LIMITS: Limits = Limits {
    executor: 8 << 20,
    attempt: 1 << 20,
    run: 1 << 30,
    spool: 64 << 20,
};

struct World {
    bus: FakeBus,
    logs: Arc<Logs>,
    journal: Arc<Journal>,
    folder: TempDir,
    shipper: tokio::task::JoinHandle<()>,
}

fn world(limits: Limits) -> World {
    let folder = tempfile::tempdir().unwrap();
    world_in(folder, limits, FakeBus::default())
}

#[allow(clippy::disallowed_methods, reason = "a test's task")]
fn world_in(folder: TempDir, limits: Limits, bus: FakeBus) -> World {
    let (logs, shipper) = Logs::open(folder.path(), limits, bus.outlet()).unwrap();
    let origin = Origin {
        run_id: "r".into(),
        pipeline_id: "p".into(),
        attempt: 1,
        traceparent: None,
    };
    let journal = Journal::open(&logs, origin);
    World {
        bus,
        logs,
        journal,
        folder,
        shipper: tokio::spawn(shipper.run()),
    }
}

impl World {
    /// Ends it as a kill does, and starts it again.
    async fn killed(self) -> Self {
        let Self {
            bus,
            journal,
            folder,
            shipper,
            ..
        } = self;
        shipper.abort();
        assert!(shipper.await.unwrap_err().is_cancelled());
        drop(journal);
        bus.go(false);
        bus.fall_silent(false);
        world_in(folder, LIMITS, bus)
    }

    fn is_disk_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().count() == 0
    }

    fn step(&self, name: &str) -> StepLog {
        StepLog::new(self.journal.clone(), name.into(), 1)
    }

    async fn writes(&self, text: &[u8]) -> Option<String> {
        let step = self.step("a");
        let warning = step.follow(text, Lines::of(Stream::Stdout)).await;
        step.close();
        warning
    }
}

fn texts(entries: &[ActivityEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.message.as_str()).collect()
}
