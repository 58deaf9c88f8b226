//! The text of a definition as a tree of values that know their lines.
//!
//! JSON is read as the YAML it is. What a text can cost is bounded before anything else looks at it: bytes, nesting,
//! and what aliases unfold to.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span, Tag};

use crate::fault::Fault;

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
            let message = match error.kind() {
                ErrorKind::RecursionLimitExceeded => too_deep(),
                kind => format!("this is not YAML or JSON: {kind}"),
            };
            fault(*error.marker(), message)
        })?;
        builder.take(event, span)?;
    }
    builder
        .root
        .ok_or_else(|| Fault::at("", "the definition is empty"))
}

/// Builds the tree from the parser's events.
#[derive(Default)]
struct Builder {
    root: Option<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    unfolded: usize,
}

/// A list or map whose end has not come yet.
struct Open {
    items: Items,
    start: Marker,
    anchor: usize,
}

enum Items {
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>, Option<(String, Marker)>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let start = span.start;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = allows_only_text(tag.as_deref(), start)?;
                let plain = style == ScalarStyle::Plain && !is_text;
                self.scalar(
                    Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                    anchor,
                    start,
                )
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(Items::List(Vec::new()), anchor, tag.as_deref(), start)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin(Items::Map(Vec::new(), None), anchor, tag.as_deref(), start)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, start),
            Event::DocumentStart(..) if self.root.is_some() => Err(fault(
                start,
                "a definition is one document; remove what follows `---`",
            )),
            // Comments, anchors' names and unknown aliases are not emitted with our options.
            _ => Ok(()),
        }
    }

    fn scalar(&mut self, scalar: Scalar, anchor: usize, start: Marker) -> Result<(), Fault> {
        if scalar.text.contains('\0') {
            return Err(fault(start, "the character U+0000 is not allowed anywhere"));
        }
        let weight = scalar.text.len() + 1;
        self.place(node(Value::Scalar(scalar), start, weight, 0), anchor, start)
    }

    fn begin(
        &mut self,
        items: Items,
        anchor: usize,
        tag: Option<&Tag>,
        start: Marker,
    ) -> Result<(), Fault> {
        if allows_only_text(tag, start)? {
            return Err(fault(start, "`!!str` is for text, not for a list or map"));
        }
        self.open.push(Open {
            items,
            start,
            anchor,
        });
        self.check_depth(0, start)
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(Open {
            items,
            start,
            anchor,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let value = match items {
            Items::List(items) => Value::List(items),
            Items::Map(entries, _) => Value::Map(entries),
        };
        let (weight, depth) = measure(&value);
        self.place(node(value, start, weight, depth), anchor, start)
    }

    /// The value of an anchor once more. It costs no memory, but counts as if it were written out.
    fn alias(&mut self, anchor: usize, start: Marker) -> Result<(), Fault> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(fault(start, "an alias can't stand inside its own anchor"));
        };
        self.unfolded = self.unfolded.saturating_add(node.weight);
        if self.unfolded > MAX_UNFOLDED {
            return Err(fault(
                start,
                "the aliases unfold to too much; write fewer of them",
            ));
        }
        self.check_depth(node.depth, start)?;
        self.place(node, 0, start)
    }

    fn check_depth(&self, below: u32, start: Marker) -> Result<(), Fault> {
        let above = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        if above.saturating_add(below) > MAX_NESTING {
            return Err(fault(start, too_deep()));
        }
        Ok(())
    }

    /// Puts a finished value where it belongs.
    fn place(&mut self, node: Rc<Node>, anchor: usize, start: Marker) -> Result<(), Fault> {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Map(entries, pending)) => match pending.take() {
                Some((key, at)) => {
                    let (line, column) = position(at);
                    entries.push(Entry {
                        key,
                        line,
                        column,
                        value: node,
                    });
                }
                None => match &node.value {
                    Value::Scalar(scalar) => *pending = Some((scalar.text.clone(), start)),
                    Value::List(_) | Value::Map(_) => {
                        return Err(fault(start, "a key must be text, not a list or map"));
                    }
                },
            },
        }
        Ok(())
    }
}

fn node(value: Value, start: Marker, weight: usize, depth: u32) -> Rc<Node> {
    let (line, column) = position(start);
    Rc::new(Node {
        value,
        line,
        column,
        weight,
        depth,
    })
}

fn measure(value: &Value) -> (usize, u32) {
    let add = |(weight, depth): (usize, u32), extra: usize, node: &Node| {
        (
            weight.saturating_add(node.weight + extra),
            depth.max(node.depth + 1),
        )
    };
    match value {
        Value::Scalar(scalar) => (scalar.text.len() + 1, 0),
        Value::List(items) => items.iter().fold((1, 1), |sum, item| add(sum, 0, item)),
        Value::Map(entries) => entries
            .iter()
            .fold((1, 1), |sum, entry| add(sum, entry.key.len(), &entry.value)),
    }
}

/// Whether the tag is `!!str`. YAML's other own tags say nothing that the reader doesn't know; foreign ones are refused.
fn allows_only_text(tag: Option<&Tag>, start: Marker) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.is_yaml_core_schema_tag("str")),
        Some(tag) => Err(fault(
            start,
            format!("the tag {} means nothing here; remove it", tag.original()),
        )),
    }
}

fn too_deep() -> String {
    format!("lists and maps lie deeper in each other than {MAX_NESTING}")
}

fn fault(at: Marker, message: impl Into<String>) -> Fault {
    let (line, column) = position(at);
    Fault {
        place: String::new(),
        line: Some(line),
        column: Some(column),
        message: message.into(),
    }
}

/// Line and column from 1; the parser counts columns from 0.
fn position(at: Marker) -> (u32, u32) {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (narrow(at.line()), narrow(at.col()).saturating_add(1))
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
        let block: String = (0..300)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect();
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
