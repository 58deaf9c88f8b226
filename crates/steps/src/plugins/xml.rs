//! Small XML documents as trees: what `XStream` writes, read without schema, entities or references.
//!
//! **Invariant:** nothing is resolved but the five predefined entities and characters by number; a document type is
//! refused, and so is what is too deep or has too many elements.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

/// How deep elements may lie within each other.
const MAX_DEPTH: usize = 100;
/// The most elements of a document.
const MAX_NODES: usize = 200_000;

/// An element. What else there is of it (attributes, comments) says nothing here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name as it is written.
    pub name: String,
    /// Its own text, in one piece.
    pub text: String,
    /// In the order in which they are written.
    pub children: Vec<Node>,
}

/// Why a text is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed.
    #[error("the XML is not well-formed near byte {at}: {why}")]
    Malformed {
        /// Where it was noticed.
        at: u64,
        /// What is wrong.
        why: String,
    },
    /// A document type.
    #[error("the XML has a document type, which is not read")]
    DocumentType,
    /// Too deep or too many elements.
    #[error("the XML has more than {MAX_NODES} elements or {MAX_DEPTH} of them within each other")]
    TooLarge,
    /// No element.
    #[error("the XML has no element")]
    Empty,
}

impl Node {
    /// Reads a document.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Tree::default().read(Reader::from_str(text))
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|it| it.name == name)
    }
}

/// A document that is being read.
#[derive(Default)]
struct Tree {
    open: Vec<Node>,
    root: Option<Node>,
    count: usize,
}

impl Tree {
    fn read(mut self, mut reader: Reader<&[u8]>) -> Result<Node, Error> {
        loop {
            let event = reader.read_event().map_err(|error| Error::Malformed {
                at: reader.error_position(),
                why: error.to_string(),
            })?;
            let at = reader.buffer_position();
            let malformed = |why: String| Error::Malformed { at, why };
            match event {
                Event::Start(start) => self.open(&start)?,
                Event::Empty(start) => {
                    self.open(&start)?;
                    self.close();
                }
                Event::End(_) => self.close(),
                Event::Text(text) => self.say(&text),
                Event::CData(text) => self.say(&text),
                Event::GeneralRef(reference) => {
                    let text = resolved(&reference).map_err(malformed)?;
                    self.say(&text);
                }
                Event::DocType(_) => return Err(Error::DocumentType),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            return Err(Error::Malformed {
                at: reader.buffer_position(),
                why: format!("<{}> is not closed", open.name),
            });
        }
        self.root.ok_or(Error::Empty)
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Error> {
        self.count += 1;
        if self.count > MAX_NODES || self.open.len() == MAX_DEPTH {
            return Err(Error::TooLarge);
        }
        self.open.push(Node {
            name: start.name().as_ref().to_owned(),
            ..Node::default()
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(node) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(node),
            // What comes after the first element is nobody's.
            None => {
                self.root.get_or_insert(node);
            }
        }
    }

    fn say(&mut self, text: &str) {
        if let Some(node) = self.open.last_mut() {
            node.text.push_str(text);
        }
    }
}

fn resolved(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference
        .resolve_char_ref()
        .map_err(|error| error.to_string())?
    {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    let text = resolve_predefined_entity(name).ok_or_else(|| format!("&{name}; is not known"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_comes_in_one_piece_whatever_it_is_written_as() {
        let node = Node::parse(
            "<?xml version='1.0'?><a b='c'>1 &lt;&#x41;&#66;<!-- no --><![CDATA[<&]]><c/></a>",
        )
        .unwrap();
        assert_eq!(node.text, "1 <AB<&");
        assert_eq!(node.children.len(), 1);
        assert!(node.child("c").is_some());
    }

    #[test]
    fn what_is_dangerous_or_no_document_is_refused() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        for (text, expected) in [
            ("", Some(Error::Empty)),
            (
                "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
                Some(Error::DocumentType),
            ),
            (&deep, Some(Error::TooLarge)),
            ("<a>&x;</a>", None),
            ("<a><b></a>", None),
            ("<a>", None),
        ] {
            let error = Node::parse(text).unwrap_err();
            assert!(expected.is_none_or(|it| it == error), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[<>/a&;!\\[\\]CDATA# x\"'=-]{0,80}") {
            let _ = Node::parse(&text);
        }
    }
}
