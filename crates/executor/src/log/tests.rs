//! From what a step writes to what the bus is given, while it is there and while it isn't.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::message::{ActivityBatch, ActivityEntry, Stream};
use outbox::Post;
use outbox::bus::Refused;
use tempfile::TempDir;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A bus that can be away, be slow, or refuse what it dislikes.
#[derive(Clone, Default)]
struct FakeBus {
    posts: Arc<Mutex<Vec<Post>>>,
    is_away: Arc<AtomicBool>,
    dislikes: Arc<Mutex<Option<String>>>,
}

impl FakeBus {
    fn outlet(&self) -> Outlet {
        let bus = self.clone();
        Outlet::new(move |posts| {
            let bus = bus.clone();
            Box::pin(async move {
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

#[tokio::test]
async fn steps_that_write_at_once_share_one_numbering() {
    let world = world(LIMITS);
    let text: String = (0..2000)
        .flat_map(|line| ["line ".into(), line.to_string(), "\n".into()])
        .collect();
    let (one, two) = (world.step("a"), world.step("b"));
    tokio::join!(
        one.follow(text.as_bytes(), Lines::of(Stream::Stdout)),
        two.follow(text.as_bytes(), Lines::of(Stream::Stderr)),
    );
    let entries = world.bus.has(|entries| entries.len() == 4000).await;
    for step in ["a", "b"] {
        let own: Vec<_> = entries
            .iter()
            .filter(|entry| entry.step_id == step)
            .map(|it| &it.message)
            .collect();
        assert!(
            own.iter()
                .enumerate()
                .all(|(at, text)| **text == format!("line {at}"))
        );
    }
    assert_eq!(world.journal.last_seq(), 4000);
}

#[tokio::test]
async fn warnings_are_heard_and_secrets_are_not() {
    let world = world(LIMITS);
    world.journal.hide([b"hunter2".to_vec()].iter());
    let warning = world
        .writes(b"hi hunter2\n::warning::first\n::warning::second\n")
        .await;
    assert_eq!(warning.as_deref(), Some("first"));
    world.step("a").say("so hunter2 it was");
    let entries = world.bus.has(|entries| entries.len() == 4).await;
    assert_eq!(
        texts(&entries),
        [
            "hi ***",
            "::warning::first",
            "::warning::second",
            "so *** it was"
        ]
    );
    assert_eq!(entries[3].stream(), Stream::System);
}

#[tokio::test]
async fn while_the_bus_is_away_entries_wait_on_disk_and_come_in_order() {
    let world = world(LIMITS);
    world.bus.go(true);
    let text = "0123456789".repeat(100) + "\n";
    // More than memory holds: without the spool this would wait for ever.
    world.writes(text.repeat(10_000).as_bytes()).await;
    world.writes(b"last\n").await;
    assert!(
        std::fs::read_dir(world.folder.path()).unwrap().count() > 1,
        "on disk"
    );
    world.bus.go(false);
    world.writes(b"after\n").await;
    let entries = world.bus.has(|entries| entries.len() == 10_002).await;
    assert_eq!(texts(&entries[10_000..]), ["last", "after"]);
    eventually(|| std::fs::read_dir(world.folder.path()).unwrap().count() == 0).await;
}

#[tokio::test]
async fn what_neither_bus_nor_spool_take_is_dropped_and_said() {
    let limits = Limits {
        spool: 1 << 20,
        attempt: 256 << 10,
        ..LIMITS
    };
    let world = world(limits);
    world.bus.go(true);
    let text = "0123456789".repeat(100) + "\n";
    world.writes(text.repeat(10_000).as_bytes()).await;
    world.bus.go(false);
    let logged = world.journal.last_seq();
    let entries = world
        .bus
        .has(|entries| entries.len() as u64 == logged)
        .await;
    let said = entries.iter().filter(|entry| entry.truncated);
    let dropped = said.map(|entry| {
        assert_eq!(entry.stream(), Stream::System);
        entry
            .message
            .split(' ')
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    });
    let (gaps, dropped) = dropped.fold((0, 0), |(gaps, sum), lines| (gaps + 1, sum + lines));
    assert!(gaps > 0 && dropped > 5000, "{dropped} in {gaps} places");
    assert_eq!(entries.len() - gaps + dropped, 10_000);
    world.writes(b"after\n").await;
    world
        .bus
        .has(|entries| entries.len() as u64 == logged + 1)
        .await;
}

#[tokio::test]
async fn a_run_that_logs_too_much_is_told_once_and_cut_there() {
    let world = world(Limits {
        run: 1000,
        ..LIMITS
    });
    world.writes("0123456789\n".repeat(150).as_bytes()).await;
    world.writes(b"x\n").await;
    world.step("a").say("ours");
    let entries = world.bus.has(|entries| entries.len() == 102).await;
    assert!(entries[100].truncated && entries[100].message.contains("1000 bytes"));
    assert_eq!(entries[101].message, "ours");
    assert!(!entries[99].truncated);
}

#[tokio::test]
async fn entries_that_the_bus_refuses_keep_their_numbers() {
    let world = world(LIMITS);
    *world.bus.dislikes.lock().unwrap() = Some("evil".into());
    world.writes(b"good\nevil\n").await;
    let entries = world.bus.has(|entries| entries.len() == 2).await;
    assert!(
        entries
            .iter()
            .all(|entry| entry.truncated && entry.message.contains("refused"))
    );
    world.writes(b"good\n").await;
    world.bus.has(|entries| entries.len() == 3).await;
}

#[tokio::test]
async fn what_is_left_at_the_end_is_shipped_by_the_next_start() {
    let World {
        bus,
        logs,
        journal,
        folder,
        shipper,
    } = world(LIMITS);
    bus.go(true);
    StepLog::new(journal, "a".into(), 1)
        .follow(&b"kept\n"[..], Lines::of(Stream::Stdout))
        .await;
    logs.close(Duration::from_millis(50));
    tokio::time::timeout(PATIENCE, shipper)
        .await
        .unwrap()
        .unwrap();
    bus.go(false);
    let next = world_in(folder, LIMITS, bus);
    let entries = next.bus.has(|entries| entries.len() == 1).await;
    assert_eq!(texts(&entries), ["kept"]);
    next.logs.close(PATIENCE);
    tokio::time::timeout(PATIENCE, next.shipper)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn the_first_line_does_not_wait_for_others() {
    let world = world(LIMITS);
    let began = std::time::Instant::now();
    let (mut pipe, output) = tokio::io::duplex(64);
    let step = world.step("a");
    let following = step.follow(output, Lines::of(Stream::Stdout));
    let seen = async {
        tokio::io::AsyncWriteExt::write_all(&mut pipe, b"first\n")
            .await
            .unwrap();
        world.bus.has(|entries| entries.len() == 1).await;
        drop(pipe);
    };
    tokio::join!(following, seen);
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// Prints how many lines a second one executor ships, to a bus that takes them at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_lines_are_shipped_in_bounded_time() {
    const LINES: usize = 200_000;
    let world = world(LIMITS);
    let text = "a line of output as it is common, some sixty bytes of it.\n".repeat(LINES);
    let began = std::time::Instant::now();
    world.writes(text.as_bytes()).await;
    let shipped = || {
        let posts = world.bus.posts.lock().unwrap();
        posts.last().is_some_and(|post| {
            let batch: ActivityBatch = serde_json::from_slice(&post.payload).unwrap();
            batch.entries.last().unwrap().seq == LINES as u64
        })
    };
    eventually(shipped).await;
    #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = LINES as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} lines a second");
}
