//! Pages, by table and by property.

use proptest::prelude::*;

use super::*;
use crate::walk::Attempt;

const NOW: i64 = 1_000_000;

fn told(seq: u64, time_ms: i64, kind: &str) -> Told {
    let entry = ActivityEntry {
        seq,
        time_ms,
        message: kind.into(),
        ..Default::default()
    };
    Told {
        kind: kind.into(),
        heard_ms: NOW,
        entry,
    }
}

fn said(attempt: u32, seq: u64, time_ms: i64) -> Said {
    let message = format!("{attempt}.{seq}");
    let entry = ActivityEntry {
        seq,
        time_ms,
        message,
        ..Default::default()
    };
    Said {
        at: Position { attempt, seq },
        kind: "",
        entry,
    }
}

fn output(said: Vec<Said>, rest: Rest) -> Output {
    let scanned = said.last().map(|it| it.at).unwrap_or_default();
    Output {
        said,
        scanned,
        rest,
    }
}

fn facts(ended_heard_ms: Option<i64>) -> Facts {
    let attempt = Attempt {
        number: 1,
        end_seq: None,
        ended_heard_ms: None,
        first_heard_ms: NOW,
    };
    Facts {
        known: true,
        ended_heard_ms,
        attempts: vec![attempt],
    }
}

fn texts(page: &Page) -> Vec<&str> {
    page.shown
        .iter()
        .map(|it| it.entry.message.as_str())
        .collect()
}

const DRAINED: Rest = Rest::Drained { whole: false };
const WHOLE: Rest = Rest::Drained { whole: true };

#[test]
fn lines_and_output_are_merged_by_time() {
    let life = vec![
        told(1, 10, "run.queued"),
        told(2, 20, "step.started"),
        told(3, 30, "step.succeeded"),
    ];
    let lines = output(
        vec![said(1, 1, 20), said(1, 2, 15), said(1, 3, 30)],
        DRAINED,
    );
    let page = merged(
        (Cursor::default(), 10),
        &facts(None),
        life,
        lines,
        NOW + GRACE_MS,
    );
    let order = [
        "run.queued",
        "step.started",
        "1.1",
        "1.2",
        "1.3",
        "step.succeeded",
    ];
    assert_eq!(texts(&page), order);
    assert_eq!(page.next.to_string(), "3-1.3");
    assert!(!page.complete && !page.more);
}

#[test]
fn the_end_of_a_step_waits_for_its_last_lines() {
    let life = || vec![told(1, 30, "step.succeeded"), told(2, 31, "step.started")];
    let none = || output(Vec::new(), DRAINED);
    let early = merged((Cursor::default(), 10), &facts(None), life(), none(), NOW);
    assert_eq!(
        (texts(&early), early.due_ms),
        (vec![], Some(NOW + GRACE_MS))
    );
    assert_eq!((early.next, early.more), (Cursor::default(), false));
    let later = merged(
        (Cursor::default(), 10),
        &facts(None),
        life(),
        none(),
        NOW + GRACE_MS,
    );
    assert_eq!(texts(&later), ["step.succeeded", "step.started"]);
}

#[test]
fn the_end_of_the_run_waits_for_its_output() {
    let ask = (Cursor::default(), 10);
    let life = || vec![told(1, 10, "run.succeeded")];
    let ended = facts(Some(NOW));
    let lines = || vec![said(1, 1, 20)];
    let part = merged(ask, &ended, life(), output(lines(), DRAINED), NOW);
    assert_eq!((texts(&part), part.complete), (vec!["1.1"], false));
    let whole = merged(ask, &ended, life(), output(lines(), WHOLE), NOW);
    assert_eq!(
        (texts(&whole), whole.complete),
        (vec!["1.1", "run.succeeded"], true)
    );
}

#[test]
fn ten_seconds_after_the_end_a_line_says_that_the_rest_is_on_its_way() {
    let (ended, late) = (facts(Some(NOW)), NOW + PATIENCE_MS);
    for rest in [DRAINED, Rest::Held { time_ms: 5 }] {
        let life = vec![told(1, 10, "run.failed")];
        let lines = output(vec![said(1, 1, 20)], rest);
        let page = merged((Cursor::default(), 10), &ended, life, lines, late);
        assert_eq!(texts(&page)[..2], ["1.1", "run.failed"]);
        assert_eq!(
            (page.shown[2].kind.as_str(), page.complete),
            ("log.late", true)
        );
        let again = merged((page.next, 10), &ended, vec![], output(vec![], rest), late);
        assert_eq!(
            (texts(&again), again.complete),
            (vec![], true),
            "it is said once"
        );
    }
}

#[test]
fn nothing_overtakes_output_that_is_held() {
    let life = vec![told(1, 10, "step.started"), told(2, 30, "run.cancelling")];
    let held = output(Vec::new(), Rest::Held { time_ms: 20 });
    let page = merged((Cursor::default(), 10), &facts(None), life, held, NOW);
    assert_eq!(texts(&page), ["step.started"]);
    assert!(!page.more, "a follower waits");
}

#[test]
fn a_page_without_entries_leaves_the_cursor_where_it_was() {
    let after = Cursor {
        life: 4,
        output: Position { attempt: 2, seq: 9 },
        told: false,
    };
    let none = Output {
        said: vec![],
        scanned: after.output,
        rest: DRAINED,
    };
    let page = merged((after, 10), &facts(None), vec![], none, NOW);
    assert_eq!((page.next, page.complete, page.more), (after, false, false));
}

#[test]
fn a_page_of_long_lines_has_fewer() {
    let long = |seq| {
        let mut line = said(1, seq, 1);
        line.entry.message = "x".repeat(64 * 1024);
        line
    };
    let lines = output((1..=100).map(long).collect(), Rest::More);
    let page = merged((Cursor::default(), 1000), &facts(None), vec![], lines, NOW);
    assert_eq!(page.shown.len(), 32);
    assert!(page.more);
}

#[test]
fn a_removed_log_is_said_once() {
    let first = Page::of_removed(Cursor::default(), NOW);
    assert_eq!(first.shown[0].kind, "log.removed");
    assert!(first.complete);
    assert!(Page::of_removed(first.next, NOW).shown.is_empty());
}

proptest! {
    /// Read in pages of any size, a log has each entry once, each attempt and the life in order.
    #[test]
    fn pages_hold_everything_once(
        times in proptest::collection::vec(0i64..50, 0..40),
        lines in proptest::collection::vec((0i64..50, 0usize..4), 0..20),
        limit in 1usize..7,
    ) {
        let kinds = ["step.started", "step.succeeded", "run.cancelling", "attempt.began"];
        let mut life: Vec<Told> =
            (1..).zip(&lines).map(|(seq, (time, kind))| told(seq, *time, kinds[*kind])).collect();
        life.push(told(life.len() as u64 + 1, 25, "run.succeeded"));
        let all: Vec<Said> =
            (1..).zip(&times).map(|(seq, time)| said(1 + u32::from(seq > 20), seq, *time)).collect();
        let (mut after, mut seen) = (Cursor::default(), Vec::new());
        loop {
            let lines = life.iter().filter(|it| it.entry.seq > after.life).cloned();
            let rest: Vec<Said> = all.iter().filter(|it| it.at > after.output).cloned().collect();
            let more = rest.len() > limit;
            let rest: Vec<Said> = rest.into_iter().take(limit).collect();
            let scanned = rest.last().map_or(after.output, |it| it.at);
            let rest = Output { said: rest, scanned, rest: if more { Rest::More } else { WHOLE } };
            let ended = facts(Some(NOW));
            let page =
                merged((after, limit), &ended, lines.take(limit + 1).collect(), rest, NOW);
            prop_assert!(page.shown.len() <= limit);
            prop_assert!(page.complete || !page.shown.is_empty(), "it stands still");
            seen.extend(page.shown.iter().map(|it| (it.attempt, it.entry.seq)));
            after = page.next;
            if page.complete { break }
        }
        let of = |wanted: bool| -> Vec<(u32, u64)> {
            seen.iter().copied().filter(|it| (it.0 == 0) == wanted).collect()
        };
        let expected: Vec<_> = all.iter().map(|it| (it.at.attempt, it.at.seq)).collect();
        prop_assert_eq!(of(false), expected);
        let expected: Vec<_> = life.iter().map(|it| (0, it.entry.seq)).collect();
        prop_assert_eq!(of(true), expected);
    }
}
