//! A value of a [`source`](crate::source) tree and the path that leads to it.

use std::fmt::{self, Display, Write as _};

use crate::expression;
use crate::fault::Fault;
use crate::source::{Entry, Node, Value};

/// A value on its path from the root. A cursor can name a value that isn't there, so that its absence has a place.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    node: Option<&'a Node>,
    /// Where a key of a map begins, which is where a reader would look for its fault.
    key_at: Option<(u32, u32)>,
    part: Part<'a>,
    up: Option<&'a Cursor<'a>>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Cursor<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self {
            node: Some(node),
            key_at: None,
            part: Part::Root,
            up: None,
        }
    }

    pub(crate) fn key<'b>(&'b self, key: &'b str) -> Cursor<'b> {
        let entry = match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries.iter().find(|entry| entry.key == key),
            Some(Value::List(_) | Value::Scalar(_)) | None => None,
        };
        Cursor {
            node: entry.map(|entry| &*entry.value),
            key_at: entry.map(|entry| (entry.line, entry.column)),
            part: Part::Key(key),
            up: Some(self),
        }
    }

    /// The value of an entry of this map.
    pub(crate) fn entry<'b>(&'b self, entry: &'b Entry) -> Cursor<'b> {
        Cursor {
            node: Some(&entry.value),
            key_at: Some((entry.line, entry.column)),
            part: Part::Key(&entry.key),
            up: Some(self),
        }
    }

    pub(crate) fn index(&self, index: usize) -> Cursor<'_> {
        let node = match self.node.map(|node| &node.value) {
            Some(Value::List(items)) => items.get(index).map(|item| &**item),
            Some(Value::Map(_) | Value::Scalar(_)) | None => None,
        };
        Cursor {
            node,
            key_at: None,
            part: Part::Index(index),
            up: Some(self),
        }
    }

    /// What was written for it; nothing if that is null.
    pub(crate) fn written(&self) -> Option<&'a Node> {
        self.node.filter(|node| !node.is_null())
    }

    pub(crate) fn is_present(&self) -> bool {
        self.written().is_some()
    }

    /// Whether a list or map was written.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.written().map(|node| &node.value), Some(Value::List(_)))
    }

    /// Whether a map was written.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.written().map(|node| &node.value), Some(Value::Map(_)))
    }

    /// A fault of this value, at its text or at the nearest text around it.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        let position = self.position();
        Fault {
            place: self.to_string(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            message: message.into(),
        }
    }

    /// The same place, but pointing at the key instead of at the value.
    pub(crate) fn at_key(&self) -> Self {
        Self {
            node: None,
            ..*self
        }
    }

    fn position(&self) -> Option<(u32, u32)> {
        match (self.written(), self.key_at) {
            (Some(node), _) => Some((node.line, node.column)),
            (None, Some(key_at)) => Some(key_at),
            (None, None) => self.up.and_then(Cursor::position),
        }
    }
}

impl Display for Cursor<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            up.fmt(out)?;
        }
        match self.part {
            Part::Root => Ok(()),
            Part::Index(index) => write!(out, "[{index}]"),
            Part::Key(key) if key.is_empty() || !expression::is_name(key) => {
                write!(out, "[{}]", quoted(key))
            }
            Part::Key(key) => {
                if self.up.is_some_and(|up| up.up.is_some()) {
                    out.write_char('.')?;
                }
                out.write_str(key)
            }
        }
    }
}

/// The text in quotes, escaped and cut to what a message can bear.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
