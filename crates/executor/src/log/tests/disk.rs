//! What the disk keeps while the bus is away, and for the next start.

use super::*;

#[tokio::test]
async fn while_the_bus_is_away_entries_wait_on_disk_and_come_in_order() {
    let world = world(LIMITS);
    world.bus.go(true);
    let text = "0123456789".repeat(100) + "\n";
    // More than memory holds: without the spool this would wait for ever.
    world.writes(text.repeat(10_000).as_bytes()).await;
    world.writes(b"last\n").await;
    assert!(!world.is_disk_empty());
    world.bus.go(false);
    world.writes(b"after\n").await;
    let entries = world.bus.has(|entries| entries.len() == 10_002).await;
    assert_eq!(texts(&entries[10_000..]), ["last", "after"]);
    eventually(|| world.is_disk_empty()).await;
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
    drops_and_says_so(&world, || {}).await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_holds_nobody_up() {
    let limits = Limits {
        attempt: 256 << 10,
        ..LIMITS
    };
    let world = world(limits);
    world.bus.go(true);
    std::fs::remove_dir(world.folder.path()).unwrap();
    let mend = || std::fs::create_dir(world.folder.path()).unwrap();
    drops_and_says_so(&world, mend).await;
}

/// A flood of output that nobody takes ends all the same; once the bus is back all is told.
async fn drops_and_says_so(world: &World, mend: impl Fn()) {
    let text = "0123456789".repeat(100) + "\n";
    world.writes(text.repeat(10_000).as_bytes()).await;
    world.journal.secure().await;
    mend();
    world.bus.go(false);
    let logged = world.journal.last_seq();
    let entries = world
        .bus
        .has(|entries| entries.len() as u64 == logged)
        .await;
    let said = entries.iter().filter(|entry| entry.truncated);
    let dropped = said.map(|entry| {
        assert_eq!(entry.stream(), Stream::System);
        let count = entry.message.split(' ').next().unwrap();
        count.parse::<usize>().unwrap()
    });
    let (gaps, dropped) = dropped.fold((0, 0), |(gaps, sum), lines| (gaps + 1, sum + lines));
    assert!(gaps > 0 && dropped > 5000, "{dropped} in {gaps} places");
    assert_eq!(entries.len() - gaps + dropped, 10_000);
    world.writes(b"after\n").await;
    let is_whole = |entries: &[ActivityEntry]| entries.len() as u64 == logged + 1;
    world.bus.has(is_whole).await;
}

#[tokio::test]
async fn what_was_secured_survives_a_kill() {
    let mut world = world(LIMITS);
    for (is_away, is_mute) in [(false, true), (true, false), (false, false)] {
        world.bus.go(is_away);
        world.bus.fall_silent(is_mute);
        for line in ["one\n", "two\n"] {
            world.writes(line.as_bytes()).await;
            world.journal.secure().await;
        }
        world = world.killed().await;
        world
            .bus
            .has(|entries| texts(entries) == ["one", "two"])
            .await;
        eventually(|| world.is_disk_empty()).await;
        world.bus.posts.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn while_the_bus_is_there_nothing_is_shipped_twice_or_stays_on_disk() {
    let world = world(LIMITS);
    for line in 1..=100 {
        world.writes(b"line\n").await;
        world.journal.secure().await;
        if line % 10 == 0 {
            eventually(|| world.bus.entries().len() == line).await;
        }
    }
    eventually(|| world.is_disk_empty()).await;
    let posts = world.bus.posts.lock().unwrap();
    let ids: std::collections::BTreeSet<_> = posts.iter().map(|post| &post.id).collect();
    assert_eq!(ids.len(), posts.len());
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
