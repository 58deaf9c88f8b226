//! A value as YAML, for people to read and edit.
//!
//! Texts of several lines are blocks as they are; all other texts stand plain where that can mean nothing else, and as in
//! JSON otherwise, which is YAML as well.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Keys that come before all others, in this order.
const FIRST: [&str; 6] = [
    "id",
    "name",
    "version",
    "description",
    "visibility",
    "needs",
];
/// The key that comes after all others.
const LAST: &str = "steps";
/// Spaces a level.
const INDENT: usize = 2;
/// Words that mean something else than themselves to one reader of YAML or another.
const WORDS: [&str; 10] = [
    "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan",
];

/// Writes a map, or any other value.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    match Form::of(value) {
        Form::Map(map) => entries(&mut text, map, 0),
        Form::List(list) => items(&mut text, list, 0),
        Form::Line => {
            scalar(&mut text, value, 0);
            text.push('\n');
        }
    }
    text
}

/// How a value is laid out.
enum Form<'a> {
    Map(&'a Map<String, Value>),
    List(&'a [Value]),
    /// On one line, or as a block.
    Line,
}

impl<'a> Form<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Object(map) if !map.is_empty() => Self::Map(map),
            Value::Array(list) if !list.is_empty() => Self::List(list),
            Value::Object(_)
            | Value::Array(_)
            | Value::String(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_) => Self::Line,
        }
    }
}

fn entries(text: &mut String, map: &Map<String, Value>, level: usize) {
    let mut sorted: Vec<_> = map.iter().collect();
    sorted.sort_by_key(|(key, _)| (rank(key), *key));
    for (key, value) in sorted {
        if text.is_empty() || text.ends_with('\n') {
            indent(text, level);
        }
        text.push_str(&flow(key));
        text.push(':');
        match Form::of(value) {
            Form::Map(map) => {
                text.push('\n');
                entries(text, map, level + 1);
            }
            Form::List(list) => {
                text.push('\n');
                items(text, list, level + 1);
            }
            Form::Line => {
                text.push(' ');
                scalar(text, value, level + 1);
                text.push('\n');
            }
        }
    }
}

/// Where people look for an entry: first what something is called, last what is long.
fn rank(key: &str) -> usize {
    let place = FIRST.iter().position(|it| *it == key);
    place.unwrap_or(FIRST.len() + usize::from(key == LAST))
}

fn items(text: &mut String, list: &[Value], level: usize) {
    for value in list {
        indent(text, level);
        text.push_str("- ");
        if let Form::Map(map) = Form::of(value) {
            entries(text, map, level + 1);
        } else {
            scalar(text, value, level + 1);
            text.push('\n');
        }
    }
}

/// A value on a line, or a block without the end of its last line.
fn scalar(text: &mut String, value: &Value, level: usize) {
    match value {
        Value::String(string) if is_block(string) => block(text, string, level),
        Value::String(string) => text.push_str(&flow(string)),
        Value::Array(_) | Value::Object(_) => text.push_str(&json(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
    }
}

fn indent(text: &mut String, level: usize) {
    text.extend(std::iter::repeat_n(' ', level * INDENT));
}

/// Whether a text can stand as it is, over several lines.
fn is_block(string: &str) -> bool {
    let is_plain = |it: char| it == '\n' || !needs_escape(it);
    string.trim_end_matches('\n').contains('\n')
        && !string.starts_with(['\n', ' ', '\t'])
        && !string.ends_with("\n\n")
        && string.chars().all(is_plain)
        // A block whose lines end in spaces reads well, but editors remove them.
        && !string.contains(" \n")
}

fn block(text: &mut String, string: &str, level: usize) {
    text.push_str(if string.ends_with('\n') { "|" } else { "|-" });
    for line in string.trim_end_matches('\n').split('\n') {
        text.push('\n');
        if !line.is_empty() {
            indent(text, level);
            text.push_str(line);
        }
    }
}

fn flow(string: &str) -> String {
    let is_safe = |it: char| it.is_alphanumeric() || matches!(it, ' ' | '_' | '-' | '.' | '/');
    let begins_well = string.starts_with(|it: char| it.is_alphabetic() || it == '/');
    let is_word = WORDS.contains(&string.to_lowercase().as_str());
    if begins_well && !is_word && string.chars().all(is_safe) && !string.ends_with(' ') {
        return string.to_owned();
    }
    json(&Value::from(string))
}

/// As JSON, with what YAML wouldn't print escaped.
fn json(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if needs_escape(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text
}

fn needs_escape(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_reads_well() {
        let value = json!({
            "name": "Nightly report", "concurrency": 0, "tags": [], "flag": true, "on": "off",
            "steps": [
                {"id": "a", "needs": [], "plugin": {"config": "<a>\n  <b/>\n</a>", "inputs": {"x": ["b.c"]}}},
                {"id": "b", "run": "echo 1\n\necho 2\n", "name": "it's: \"so\""},
                ["plain", 1, null],
            ],
        });
        let expected = "name: Nightly report\nconcurrency: 0\nflag: true\n\"on\": \"off\"\ntags: []\nsteps:\n  - id: a\n    \
            needs: []\n    plugin:\n      config: |-\n        <a>\n          <b/>\n        </a>\n      inputs:\n        \
            x:\n          - b.c\n  - id: b\n    name: \"it's: \\\"so\\\"\"\n    run: |\n      echo 1\n\n      echo 2\n  \
            - [\"plain\",1,null]\n";
        assert_eq!(write(&value), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            ".{0,20}",
            "[ \n\ta-z:#'\"-]{0,20}",
            "(yes|no|null|1e3|~|=|<<|0x1)"
        ];
        // No definition can hold U+0000.
        let text = text.prop_map(|it: String| it.replace('\0', ""));
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[ -~\u{e4}]{0,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(value in any_value()) {
            let text = write(&value);
            let read = steps::json_of(&text);
            prop_assert_eq!(read.ok(), Some(value), "{}", text);
        }
    }
}
