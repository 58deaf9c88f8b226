//! Walks, by table.

use super::*;

const LONG_AGO: i64 = 0;
const NOW: i64 = 1_000_000;

fn attempt(number: u32, end_seq: Option<u64>) -> Attempt {
    let ended_heard_ms = end_seq.map(|_| NOW);
    Attempt {
        number,
        end_seq,
        ended_heard_ms,
        first_heard_ms: NOW,
    }
}

fn facts(attempts: Vec<Attempt>) -> Facts {
    Facts {
        known: true,
        ended_heard_ms: None,
        attempts,
    }
}

fn place(attempt: u32, first: u64, last: u64, stored_ms: i64) -> Place {
    Place {
        attempt,
        range: Range { first, last },
        first_time_ms: 0,
        stored_ms,
    }
}

fn entries(first: u64, last: u64) -> Vec<ActivityEntry> {
    (first..=last)
        .map(|seq| ActivityEntry {
            seq,
            ..Default::default()
        })
        .collect()
}

/// Walks over chunks; answers the numbers that it said, negative for missing up to there.
fn said(facts: &Facts, now_ms: i64, chunks: &[Place]) -> (Vec<i64>, bool) {
    let mut walk = Walk::new(facts, Position::default(), "", 1000, now_ms);
    let mut held = false;
    for chunk in chunks {
        if !walk.reach(chunk) {
            held = true;
            break;
        }
        walk.take(entries(chunk.range.first, chunk.range.last));
    }
    let number = |it: &Said| {
        let seq = i64::try_from(it.entry.seq).unwrap();
        if it.kind.is_empty() { seq } else { -seq }
    };
    (walk.end().0.iter().map(number).collect(), held)
}

#[test]
fn what_is_whole_is_said_at_once() {
    let facts = facts(vec![attempt(1, Some(3)), attempt(2, None)]);
    let chunks = [
        place(1, 1, 2, NOW),
        place(1, 3, 3, NOW),
        place(2, 1, 1, NOW),
    ];
    assert_eq!(said(&facts, NOW, &chunks), (vec![1, 2, 3, 1], false));
}

#[test]
fn a_gap_is_waited_for_and_then_said() {
    let facts = facts(vec![attempt(1, None)]);
    let chunks = [place(1, 1, 2, LONG_AGO), place(1, 5, 5, NOW)];
    assert_eq!(said(&facts, NOW, &chunks), (vec![1, 2], true));
    assert_eq!(
        said(&facts, NOW + PATIENCE_MS, &chunks),
        (vec![1, 2, -4, 5], false)
    );
}

#[test]
fn the_end_of_a_lost_attempt_is_waited_for_and_then_said() {
    let facts = facts(vec![attempt(1, Some(5)), attempt(2, None)]);
    let chunks = [place(1, 1, 2, LONG_AGO), place(2, 1, 1, LONG_AGO)];
    assert_eq!(said(&facts, NOW, &chunks), (vec![1, 2], true));
    assert_eq!(
        said(&facts, NOW + PATIENCE_MS, &chunks),
        (vec![1, 2, -5, 1], false)
    );
}

#[test]
fn an_attempt_whose_end_was_not_heard_is_waited_for() {
    let facts = facts(vec![attempt(1, None), attempt(2, None)]);
    let chunks = [place(1, 1, 2, LONG_AGO), place(2, 1, 1, LONG_AGO)];
    assert_eq!(said(&facts, NOW, &chunks), (vec![1, 2], true));
    assert_eq!(
        said(&facts, NOW + PATIENCE_MS, &chunks),
        (vec![1, 2, 1], false)
    );
}

#[test]
fn a_run_is_whole_when_every_attempt_is() {
    for (from, attempts, whole) in [
        ((0, 0), vec![], true),
        ((0, 0), vec![attempt(1, Some(0))], true),
        ((1, 3), vec![attempt(1, Some(3))], true),
        ((1, 2), vec![attempt(1, Some(3))], false),
        ((1, 3), vec![attempt(1, None)], false),
        (
            (1, 3),
            vec![attempt(1, Some(3)), attempt(2, Some(1))],
            false,
        ),
        ((2, 1), vec![attempt(1, Some(3)), attempt(2, Some(1))], true),
    ] {
        let facts = facts(attempts);
        let from = Position {
            attempt: from.0,
            seq: from.1,
        };
        assert_eq!(
            Walk::new(&facts, from, "", 10, NOW).whole(),
            whole,
            "{from:?} {facts:?}"
        );
    }
}

#[test]
fn a_page_has_as_many_entries_as_asked_and_of_the_step_only() {
    let facts = facts(vec![attempt(1, None)]);
    let mut walk = Walk::new(&facts, Position { attempt: 1, seq: 2 }, "b", 2, NOW);
    let step = |seq: u64| {
        if seq.is_multiple_of(2) {
            "b".into()
        } else {
            "a".into()
        }
    };
    let lines = |it: ActivityEntry| ActivityEntry {
        step_id: step(it.seq),
        ..it
    };
    walk.take(entries(1, 9).into_iter().map(lines).collect());
    let (said, scanned) = walk.end();
    assert_eq!(
        said.iter().map(|it| it.entry.seq).collect::<Vec<_>>(),
        [4, 6]
    );
    assert_eq!(scanned.seq, 6);
}
