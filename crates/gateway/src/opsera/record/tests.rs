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
fn long_output_is_several_records_and_none_is_over_the_limit() {
    let line = "x".repeat(1023);
    let records = records((1..=130).map(|seq| entry(seq, "a", "", &line)).collect());
    let sizes: Vec<_> = records.iter().map(|it| log(it).len()).collect();
    assert_eq!(sizes, [2048, 65536, 65536]);
    let newest = records[0].api_response.as_ref().unwrap();
    assert_eq!((newest.chunk, newest.offset), (2, 131_072));
}

#[test]
fn a_single_line_over_the_limit_is_a_record_of_its_own() {
    let records = records(vec![
        entry(1, "a", "", &"x".repeat(65_536)),
        entry(2, "a", "", "y"),
    ]);
    assert_eq!(records.len(), 2);
}
