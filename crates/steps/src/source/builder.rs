//! Puts the parser's events together to a tree, within the bounds of nesting and unfolding.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Marker, ScalarStyle, Span, Tag};

use super::{Entry, MAX_NESTING, MAX_UNFOLDED, Node, Scalar, Value};
use crate::fault::Fault;

/// Builds the tree from the parser's events.
#[derive(Default)]
pub(super) struct Builder {
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
    /// The document's value, if there was a document.
    pub(super) fn finish(self) -> Option<Rc<Node>> {
        self.root
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is the parser's and may grow"
    )]
    pub(super) fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
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

pub(super) fn too_deep() -> String {
    format!("lists and maps lie deeper in each other than {MAX_NESTING}")
}

pub(super) fn fault(at: Marker, message: impl Into<String>) -> Fault {
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
