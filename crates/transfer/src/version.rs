//! Versions as Maven compares them.
//!
//! A version is a list of numbers and qualifiers; `-`, and any change between digits and letters, begins a list in the
//! list. Known qualifiers have their order, `1.0-SNAPSHOT` coming before `1.0`, and `1` is the same as `1.0.0`.

use std::cmp::Ordering;

/// What is compared of a version, in bytes: no honest one is longer.
const MAX_BYTES: usize = 256;
/// Known qualifiers, the earliest first; the empty one is the release.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    /// Digits without zeros before them.
    Number(String),
    Qualifier(String),
    List(Vec<Item>),
}

/// Which of two versions is the later one.
pub fn compare(left: &str, right: &str) -> Ordering {
    lists(&parsed(left), &parsed(right))
}

fn parsed(version: &str) -> Vec<Item> {
    let end = (0..=MAX_BYTES.min(version.len()))
        .rev()
        .find(|at| version.is_char_boundary(*at));
    let version = version[..end.unwrap_or(0)].to_lowercase();
    let mut lists: Vec<Vec<Item>> = vec![Vec::new()];
    let mut token = String::new();
    let mut characters = version.chars().peekable();
    while let Some(character) = characters.next() {
        let is_separator = matches!(character, '.' | '-');
        if !is_separator {
            token.push(character);
        }
        let next = characters.peek().copied();
        let turns = next.is_some_and(|next| {
            !is_separator
                && !matches!(next, '.' | '-')
                && next.is_ascii_digit() != character.is_ascii_digit()
        });
        if is_separator || turns || next.is_none() {
            let before_digit = turns && next.is_some_and(|next| next.is_ascii_digit());
            add(&mut lists, &token, before_digit, is_separator);
            token.clear();
        }
        if character == '-' || turns {
            lists.push(Vec::new());
        }
    }
    folded(lists)
}

fn add(lists: &mut [Vec<Item>], token: &str, before_digit: bool, separated: bool) {
    let Some(list) = lists.last_mut() else {
        return;
    };
    if token.is_empty() {
        if separated {
            list.push(Item::Number(String::new()));
        }
    } else if token.bytes().all(|it| it.is_ascii_digit()) {
        list.push(Item::Number(token.trim_start_matches('0').to_owned()));
    } else {
        let full = match (token, before_digit) {
            ("a", true) => "alpha",
            ("b", true) => "beta",
            ("m", true) => "milestone",
            ("cr", _) => "rc",
            ("ga" | "final" | "release", _) => "",
            _ => token,
        };
        list.push(Item::Qualifier(full.to_owned()));
    }
}

/// Puts each list into the one before it, without what says nothing at the end.
fn folded(lists: Vec<Vec<Item>>) -> Vec<Item> {
    let mut inner: Option<Vec<Item>> = None;
    for mut list in lists.into_iter().rev() {
        while list.last().is_some_and(is_nothing) {
            list.pop();
        }
        if let Some(inner) = inner.take().filter(|it| !it.is_empty()) {
            list.push(Item::List(inner));
        }
        inner = Some(list);
    }
    inner.unwrap_or_default()
}

fn is_nothing(item: &Item) -> bool {
    match item {
        Item::Number(text) | Item::Qualifier(text) => text.is_empty(),
        Item::List(items) => items.is_empty(),
    }
}

fn lists(left: &[Item], right: &[Item]) -> Ordering {
    let length = left.len().max(right.len());
    let pairs = (0..length).map(|at| match (left.get(at), right.get(at)) {
        (Some(left), Some(right)) => items(left, right),
        (Some(left), None) => with_nothing(left),
        (None, Some(right)) => with_nothing(right).reverse(),
        (None, None) => Ordering::Equal,
    });
    pairs
        .into_iter()
        .find(|it| it.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn items(left: &Item, right: &Item) -> Ordering {
    match (left, right) {
        (Item::Number(left), Item::Number(right)) => {
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (Item::Qualifier(left), Item::Qualifier(right)) => rank(left).cmp(&rank(right)),
        (Item::List(left), Item::List(right)) => lists(left, right),
        (Item::Number(_), Item::Qualifier(_) | Item::List(_))
        | (Item::List(_), Item::Qualifier(_)) => Ordering::Greater,
        (Item::Qualifier(_) | Item::List(_), Item::Number(_))
        | (Item::Qualifier(_), Item::List(_)) => Ordering::Less,
    }
}

fn with_nothing(item: &Item) -> Ordering {
    match item {
        Item::Number(text) => text.len().cmp(&0),
        Item::Qualifier(text) => rank(text).cmp(&rank("")),
        Item::List(items) => {
            let mut each = items.iter().map(with_nothing);
            each.find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
        }
    }
}

/// Known qualifiers in their order, all others after them by name.
fn rank(qualifier: &str) -> (usize, &str) {
    match QUALIFIERS.iter().position(|it| *it == qualifier) {
        Some(RELEASE) => (RELEASE, ""),
        Some(known) => (known, ""),
        None => (QUALIFIERS.len(), qualifier),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn versions_have_their_order() {
        for line in [
            &[
                "1-alpha2snapshot",
                "1-alpha2",
                "1-alpha-123",
                "1-beta-2",
                "1-beta123",
                "1-m2",
                "1-m11",
                "1-rc",
                "1-cr2",
                "1-rc123",
                "1-SNAPSHOT",
                "1",
                "1-sp",
                "1-sp2",
                "1-sp123",
                "1-abc",
                "1-def",
                "1-pom-1",
                "1-1-snapshot",
                "1-1",
                "1-2",
                "1-123",
            ][..],
            &[
                "2.0", "2.0.2", "2.0.123", "2.1.0", "2.1-1", "2.1.0.1", "2.2", "2.123",
            ],
            &[
                "1.0-SNAPSHOT",
                "1.0.0",
                "1.0.1",
                "2.1.5",
                "2.1.5-001",
                "2.1.6",
                "2.10.0",
                "3.0",
            ],
        ] {
            for pair in line.windows(2) {
                assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
                assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
            }
        }
    }

    #[test]
    fn versions_may_be_written_differently() {
        for (left, right) in [
            ("1", "1.0.0"),
            ("1-ga", "1"),
            ("1.0.FINAL", "1"),
            ("1x", "1-x"),
            ("1.0a1", "1-alpha-1"),
            ("1-CR1", "1rc1"),
            ("01.002", "1.2"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    proptest! {
        #[test]
        fn any_two_texts_have_an_order(left in ".{0,40}", right in ".{0,40}") {
            prop_assert_eq!(compare(&left, &right), compare(&right, &left).reverse());
            prop_assert_eq!(compare(&left, &left), Ordering::Equal);
        }
    }
}
