//! What steps write, as a bus hears it that is there.

use super::*;

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
