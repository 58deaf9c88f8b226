//! What steps write, as it arrives on the bus.

use contracts::message::Stream;
use libtest_mimic::Trial;

use crate::trials_of;
use crate::world::World;

pub(crate) fn trials() -> Vec<Trial> {
    trials_of![
        output_arrives_complete_and_numbered_over_all_steps,
        what_went_wrong_is_in_the_log,
        a_flood_of_output_is_shipped_whole,
    ]
}

async fn output_arrives_complete_and_numbered_over_all_steps() {
    let world =
        World::with("  - {id: a, run: 'echo one; echo two >&2'}\n  - {id: b, run: 'printf three'}")
            .await;
    world.carried_out().await;
    let log = world.log(3).await;
    let mut seen: Vec<_> = log
        .iter()
        .map(|it| (it.step_id.as_str(), it.stream(), it.message.as_str()))
        .collect();
    assert_eq!(seen.pop(), Some(("b", Stream::Stdout, "three")));
    // Two pipes have no order between them.
    seen.sort_unstable_by_key(|(.., text)| *text);
    assert_eq!(
        seen,
        [("a", Stream::Stdout, "one"), ("a", Stream::Stderr, "two")]
    );
    let numbers: Vec<_> = log.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(world.script().reports.last().unwrap().last_seq, 3);
}

async fn what_went_wrong_is_in_the_log() {
    let world = World::with("  - {id: a, command: [no-such-program]}").await;
    world.carried_out().await;
    let entry = world.log(1).await.remove(0);
    assert_eq!(entry.stream(), Stream::System);
    assert!(
        entry.message.contains("no-such-program"),
        "{}",
        entry.message
    );
}

async fn a_flood_of_output_is_shipped_whole() {
    const LINES: usize = 100_000;
    let world = World::with(&format!("  - {{id: a, run: 'seq 1 {LINES}'}}")).await;
    let began = std::time::Instant::now();
    world.carried_out().await;
    let log = world.log(LINES).await;
    println!("{LINES} lines in {:?}", began.elapsed());
    let whole = log
        .iter()
        .enumerate()
        .all(|(at, entry)| entry.seq == at as u64 + 1 && entry.message == (at + 1).to_string());
    assert!(whole);
}
