use proptest::prelude::*;

use super::super::chain::tests::chain;
use super::super::checkpoint::Signer;
use super::super::checkpoint::tests::over;
use super::super::line::{Begin, End, Key, Line};
use super::*;

/// An export of a chain of this length, signed at its third and at its last link.
fn export(length: usize) -> Vec<String> {
    let ids: Vec<String> = (1..=length).map(|it| format!("{it:024x}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let links = chain(&ids);
    let key = Signer::new(&[1; 32]).public().clone();
    let mut lines = vec![
        Line::Begin(Begin {
            format: FORMAT,
            account: "org".into(),
            at_ms: 1,
        }),
        Line::Key(Key {
            key_id: key.id(),
            public_key: key.to_hex(),
        }),
    ];
    for link in links {
        let checkpoint = (link.position == 3 || link.position == length as u64)
            .then(|| Line::Checkpoint(over(&link, 1)));
        lines.push(Line::Link(link));
        lines.extend(checkpoint);
    }
    written(lines)
}

fn written(mut lines: Vec<Line>) -> Vec<String> {
    let end = Line::End(End {
        lines: lines.len() as u64,
    });
    lines.push(end);
    lines
        .iter()
        .map(|line| serde_json::to_string(line).unwrap())
        .collect()
}

fn verified(lines: &[String]) -> Result<Report, Broken> {
    let mut verifier = Verifier::new([]);
    for line in lines {
        verifier.read(line)?;
    }
    verifier.finish()
}

/// The lines without those in between, and with an end that fits.
fn without(lines: &[String], skipped: std::ops::Range<usize>) -> Vec<String> {
    let mut read: Vec<Line> = lines
        .iter()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    read.pop();
    read.drain(skipped);
    written(read)
}

#[test]
fn an_export_that_nobody_changed_is_whole() {
    let report = verified(&export(5)).unwrap();
    let chain = &report.chains[&Book::Actions];
    assert_eq!(report.account, "org");
    let found = (
        chain.base,
        chain.position,
        chain.signed,
        chain.records,
        chain.unsigned_records,
    );
    assert_eq!(found, (0, 5, 5, 5, 0));
}

#[test]
fn what_was_changed_is_named() {
    let mut changed = export(5);
    changed[3] = changed[3].replace("\"action\":\"run\"", "\"action\":\"ran\"");
    let broken = verified(&changed).unwrap_err();
    assert_eq!(broken.line, 4);
    let told = broken.to_string();
    assert!(
        told.contains("actions 2, record 000000000000000000000002"),
        "{told}"
    );
}

#[test]
fn a_record_that_is_missing_is_noticed() {
    let lines = export(5);
    let told = verified(&without(&lines, 3..4)).unwrap_err().to_string();
    assert!(
        told.contains("actions 3") && told.contains("2 is missing"),
        "{told}"
    );
    let told = verified(&without(&lines, 2..3)).unwrap_err().to_string();
    assert!(
        told.contains("neither its first link nor a checkpoint"),
        "{told}"
    );
    let told = verified(&lines[..6]).unwrap_err().to_string();
    assert!(told.contains("cut off"), "{told}");
}

#[test]
fn what_remains_after_pruning_begins_with_a_checkpoint() {
    let lines = without(&export(5), 2..5);
    let report = verified(&lines).unwrap();
    let chain = &report.chains[&Book::Actions];
    assert_eq!((chain.base, chain.position, chain.records), (3, 5, 2));
}

#[test]
fn a_chain_that_was_written_anew_needs_the_key() {
    let mut forged = export(5);
    // Signed by somebody else's key, which the export itself names.
    let mut lines: Vec<Line> = forged
        .drain(..)
        .map(|it| serde_json::from_str(&it).unwrap())
        .collect();
    lines.pop();
    let key = Signer::new(&[2; 32]).public().clone();
    lines[1] = Line::Key(Key {
        key_id: key.id(),
        public_key: key.to_hex(),
    });
    let links: Vec<Link> = lines
        .iter()
        .filter_map(|it| {
            if let Line::Link(link) = it {
                Some(link.clone())
            } else {
                None
            }
        })
        .collect();
    for line in &mut lines {
        if let Line::Checkpoint(it) = line {
            *it = over(&links[usize::try_from(it.position).unwrap() - 1], 2);
        }
    }
    let forged = written(lines);
    assert!(verified(&forged).is_ok(), "nobody said which keys count");
    let mut pinned = Verifier::new([Signer::new(&[1; 32]).public().clone()]);
    let outcome: Result<(), Broken> = forged.iter().try_for_each(|it| pinned.read(it));
    assert!(outcome.unwrap_err().to_string().contains("not trusted"));
}

proptest! {
    #[test]
    fn any_other_byte_is_noticed(line in 2_usize..8, at in 0_usize..10_000, byte in 0x20_u8..0x7f) {
        let mut lines = export(5);
        let mut bytes = lines[line].clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let same = serde_json::from_str::<Line>(&changed).ok() == serde_json::from_str(&lines[line]).ok();
        lines[line] = changed;
        prop_assert_eq!(verified(&lines).is_ok(), same);
    }

    #[test]
    fn an_order_of_ones_own_is_noticed(one in 2_usize..8, other in 2_usize..8) {
        let mut lines = export(5);
        lines.swap(one, other);
        prop_assert_eq!(verified(&lines).is_ok(), one == other);
    }
}
