//! The text of a definition as a tree of values that know their lines.
//!
//! JSON is read as the YAML it is. What a text can cost is bounded before anything else looks at it: bytes, nesting,
//! and what aliases unfold to.

mod builder;
mod json;

use std::rc::Rc;

use granit_parser::{ErrorKind, Parser};

use crate::fault::Fault;
use builder::{Builder, fault, too_deep};
pub use json::json_of;

/// The longest text of a definition, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// How deep lists and maps may lie in each other.
pub(crate) const MAX_NESTING: u32 = 64;
/// What a text may come to once its aliases are unfolded, in bytes.
const MAX_UNFOLDED: usize = 4 * MAX_BYTES;

/// A value and where its text begins.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// From 1.
    pub(crate) line: u32,
    /// From 1.
    pub(crate) column: u32,
    /// The bytes below it and one for each value, with aliases unfolded.
    weight: usize,
    /// 0 for a scalar.
    depth: u32,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// Text as it was written; `plain` text may also mean a number, a flag or nothing.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) plain: bool,
}

/// A key of a map and its value. A map can hold a key twice: the reader refuses that, with the place.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) value: Rc<Node>,
}

impl Node {
    /// Whether nothing was written for it.
    pub(crate) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => {
                scalar.plain && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Value::List(_) | Value::Map(_) => false,
        }
    }
}

impl Node {
    /// The same as JSON. Bare text is a number, a flag or nothing where YAML's core schema says so; of keys that come
    /// twice the last counts.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Value::Map(entries) => {
                let pairs = entries.iter();
                let pairs = pairs.map(|entry| (entry.key.clone(), entry.value.to_json()));
                serde_json::Value::Object(pairs.collect())
            }
        }
    }
}

impl Scalar {
    /// The same as JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::{Number, Value};

        let text = self.text.as_str();
        if !self.plain {
            return Value::from(text);
        }
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
                let whole = text.parse::<i64>().ok().map(Number::from);
                let number = whole.or_else(|| text.parse().ok().and_then(Number::from_f64));
                number.map_or_else(|| Value::from(text), Value::Number)
            }
            _ => Value::from(text),
        }
    }
}

/// Reads the one document of a text.
pub(crate) fn parse(text: &str) -> Result<Rc<Node>, Fault> {
    if text.len() > MAX_BYTES {
        let message = format!(
            "the definition has {} bytes; it may have {MAX_BYTES} at most",
            text.len()
        );
        return Err(Fault::at("", message));
    }
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let message = if *error.kind() == ErrorKind::RecursionLimitExceeded {
                too_deep()
            } else {
                format!("this is not YAML or JSON: {}", error.kind())
            };
            fault(*error.marker(), message)
        })?;
        builder.take(event, span)?;
    }
    builder
        .finish()
        .ok_or_else(|| Fault::at("", "the definition is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        parse(text).expect_err("a fault").to_string()
    }

    #[test]
    fn values_know_their_lines() {
        let root = parse("name: x\nsteps:\n  - id: a\n").unwrap();
        let Value::Map(entries) = &root.value else {
            panic!("a map")
        };
        assert_eq!((entries[1].line, entries[1].column), (2, 1));
        assert_eq!((entries[1].value.line, entries[1].value.column), (3, 3));
    }

    #[test]
    fn json_is_read_as_the_yaml_it_is() {
        for text in [
            "{\"name\": \"x\", \"steps\": []}",
            "{\n\t\"name\": \"x\",\n\t\"steps\": [\n\t\t{\"id\": \"\\u00e4\\/\\ud83c\\udfb5\"}\n\t]\n}\n",
            "{\"name\":\"x\",\"steps\":[{\"id\":\"a\",\"command\":[\"true\"]}]}",
            "\u{feff}{\"name\":\"x\"}",
        ] {
            if let Err(fault) = parse(text) {
                panic!("{text}: {fault}");
            }
        }
        let long = format!(
            "{{\"name\":\"{}\",\"run\":\"{}\"}}",
            "n".repeat(5000),
            "r".repeat(100_000)
        );
        parse(&long).unwrap();
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        parse(&nested(64)).unwrap();
        for depth in [65, 200, 300, 100_000] {
            assert!(
                message(&nested(depth)).contains("deeper in each other than 64"),
                "{depth}"
            );
        }
        let block: Vec<_> = (0..300)
            .map(|depth| format!("{}a:", " ".repeat(depth)))
            .collect();
        let block = block.join(
            "
",
        );
        assert!(message(&block).contains("deeper in each other than 64"));
    }

    #[test]
    fn aliases_are_bounded() {
        use std::fmt::Write as _;

        let mut bomb = "a0: &a0 [lol, lol, lol]\n".to_owned();
        for level in 1..20 {
            let alias = format!("*a{}, ", level - 1).repeat(9);
            writeln!(bomb, "a{level}: &a{level} [{alias}]").unwrap();
        }
        assert!(message(&bomb).contains("unfold to too much"));
        assert!(message("a: &a [*a]").contains("inside its own anchor"));
        parse("a: &a {x: 1}\nb: *a\n").unwrap();
    }

    #[test]
    fn what_is_not_one_document_is_refused() {
        for (text, expected) in [
            ("", "is empty"),
            ("# nothing\n", "is empty"),
            ("a: 1\n---\nb: 2\n", "one document"),
            ("a: [1, 2", "line 1"),
            ("{\"a\": 1", "not YAML or JSON"),
            ("a: b: c", "not YAML or JSON"),
            ("? [a]\n: b\n", "a key must be text"),
            ("a: !custom b\n", "!custom"),
            ("a: \"x\\0y\"\n", "U+0000"),
            ("a: *nowhere\n", "unknown anchor"),
        ] {
            let message = message(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
        assert!(message(&" ".repeat(MAX_BYTES + 1)).contains("1048577 bytes"));
    }
}
