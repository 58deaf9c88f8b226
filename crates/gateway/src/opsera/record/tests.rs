//! What records are made of which entries.

use super::*;

const RUN: &str = "5fd56d90979ee048ee660aaa";

fn entry(seq: u64, step: &str, kind: &str, message: &str) -> Entry {
    let line = ActivityEntry {
        seq,
        time_ms: 1_600_000_000_000 + i64::try_from(seq).unwrap(),
        step_id: step.into(),
        message: message.into(),
        ..Default::default()
    };
    let attempt = u32::from(kind.is_empty());
    Entry {
        run_id: RUN.into(),
        attempt,
        entry: Some(line),
        kind: kind.into(),
        ..Default::default()
    }
}

fn records(mut oldest_first: Vec<Entry>) -> Vec<Record> {
    oldest_first.reverse();
    let steps = vec![
        contracts::pipeline::Step {
            slug: "a".into(),
            id: "1".repeat(24),
            name: "A".into(),
            number: 1,
        },
        contracts::pipeline::Step {
            slug: "b".into(),
            id: "2".repeat(24),
            name: "B".into(),
            number: 2,
        },
    ];
    let pipeline = Pipeline {
        steps,
        ..Default::default()
    };
    Book {
        pipeline,
        runs: [(RUN.to_owned(), 2)].into(),
    }
    .records(&oldest_first)
}

fn log(record: &Record) -> &str {
    record
        .api_response
        .as_ref()
        .map_or("", |console| &console.text)
}

#[test]
fn the_lines_of_a_try_are_one_record_even_if_steps_are_parallel() {
    let records = records(vec![
        entry(1, "", "run.queued", "queued"),
        entry(2, "a", "step.started", "A starts"),
        entry(3, "a", "", "one"),
        entry(4, "b", "", "other"),
        entry(5, "a", "", "two"),
        entry(6, "a", "step.succeeded", "A ends"),
    ]);
    let shown: Vec<_> = records
        .iter()
        .map(|it| (it.action.as_str(), it.status, log(it)))
        .collect();
    assert_eq!(
        shown,
        [
            ("step succeeded", "success", ""),
            ("console output", "running", "one\ntwo\n"),
            ("console output", "running", "other\n"),
            ("step started", "running", ""),
            ("run queued", "queued", ""),
        ]
    );
    assert_eq!(records[1].step_index, Some(0));
    assert_eq!(records[4].step_name.as_deref(), Some("start pipeline"));
    assert!(
        records
            .iter()
            .all(|it| it.run_count == Some(2) && it.id.len() == 24)
    );
}

#[test]
fn what_happens_in_one_millisecond_keeps_its_order() {
    let mut entries = vec![
        entry(7, "a", "", "last words"),
        entry(1, "a", "step.failed", "A failed"),
        entry(2, "", "run.failed", "failed"),
    ];
    for entry in &mut entries {
        entry.entry.as_mut().unwrap().time_ms = 1_600_000_000_000;
    }
    let records = records(entries);
    let actions: Vec<_> = records.iter().map(|it| it.action.as_str()).collect();
    assert_eq!(actions, ["run failed", "step failed", "console output"]);
}

#[test]
fn a_record_ends_where_the_audit_log_says_whatever_else_is_in_the_answer() {
    let mut entries = vec![
        entry(127, "a", "", "one"),
        entry(128, "a", "", "two"),
        entry(129, "a", "", "three"),
    ];
    for (index, (record, chunk)) in [(127, 0), (127, 0), (129, 1)].into_iter().enumerate() {
        (entries[index].record, entries[index].chunk) = (record, chunk);
    }
    let last = records(entries.split_off(2));
    let both = records([entries, vec![]].concat());
    assert_eq!((log(&both[0]), log(&last[0])), ("one\ntwo\n", "three\n"));
    assert_eq!(both[0].id, "5f5e1000660aaa010000007f");
    assert_eq!(last[0].api_response.as_ref().unwrap().chunk, 1);
}

#[test]
fn of_one_time_the_greater_id_is_first() {
    let mut entries = vec![entry(1, "b", "", "b"), entry(2, "a", "", "a")];
    for entry in &mut entries {
        entry.entry.as_mut().unwrap().time_ms = 1_600_000_000_000;
    }
    entries.reverse();
    let ids: Vec<String> = records(entries).into_iter().map(|it| it.id).collect();
    assert!(ids.is_sorted_by(|one, next| one > next), "{ids:?}");
}
