//! An XML text as a tree, and the references in it.
//!
//! `XStream` writes an object that occurs again as an empty element with `reference`, the relative path to where its body
//! is. Paths are made of element names, with an index from 1 where it isn't the first of its name.
//!
//! **Invariants:** a text can declare neither a document type nor an entity. Bytes, depth, elements and the length of
//! paths are bounded, and a step of a path costs the same however wide the tree is.

use std::collections::HashMap;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The longest text, in bytes.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Levels of elements, at most.
const MAX_DEPTH: usize = 64;
/// Elements, at most.
const MAX_ELEMENTS: usize = 200_000;
/// Bytes of an element's name, at most.
const MAX_NAME: usize = 512;
/// Bytes of a reference, at most.
const MAX_PATH: usize = 4096;
/// References in a row from one to the next, at most.
const MAX_HOPS: usize = 16;

/// Why a text is none of the trees that are read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many bytes.
    #[error("the text has {0} bytes; it may have {MAX_BYTES} at most")]
    TooLong(usize),
    /// Bytes that are no text.
    #[error("the text is not UTF-8")]
    Encoding,
    /// Not well-formed.
    #[error("the text is not XML: {0}")]
    Syntax(String),
    /// It declares what it is made of.
    #[error("the text declares a document type or an entity, which is not read")]
    Declares,
    /// Too many levels.
    #[error("elements lie deeper in each other than {MAX_DEPTH} levels")]
    TooDeep,
    /// Too many elements.
    #[error("the text has more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// A name that is too long.
    #[error("an element's name is longer than {MAX_NAME} bytes")]
    Name,
    /// No one element that holds all others.
    #[error("the text has not one element that holds all others")]
    Root,
    /// A reference that leads nowhere, or round in a circle.
    #[error("the reference \"{0}\" leads to no element")]
    Reference(String),
}

/// Which element of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(u32);

#[derive(Debug)]
struct Element {
    /// Index in `names`.
    name: u32,
    parent: Option<Id>,
    children: Vec<Id>,
    /// What stands in it beside elements.
    text: String,
    /// Where its body is, if it is somewhere else.
    reference: Option<Box<str>>,
}

/// A tree of elements.
#[derive(Debug)]
pub(crate) struct Tree {
    elements: Vec<Element>,
    names: Vec<Box<str>>,
    known: HashMap<Box<str>, u32>,
    /// A child by its parent, name and place among those of the same name, from 1.
    places: HashMap<(Id, u32, u32), Id>,
}

impl Tree {
    /// Reads a text.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            return Err(Error::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::Encoding)?;
        Builder::default().read(text)
    }

    /// The element that holds all others.
    #[allow(clippy::unused_self, reason = "an id means nothing without its tree")]
    pub(crate) fn root(&self) -> Id {
        Id(0)
    }

    /// The name as it is written.
    pub(crate) fn name(&self, at: Id) -> &str {
        &self.names[self.element(at).name as usize]
    }

    /// What stands in an element that holds no others.
    pub(crate) fn text(&self, at: Id) -> &str {
        if self.element(at).children.is_empty() {
            &self.element(at).text
        } else {
            ""
        }
    }

    /// The elements in an element, as they stand there.
    pub(crate) fn children(&self, at: Id) -> &[Id] {
        &self.element(at).children
    }

    /// The first child of this name, or where it refers to.
    pub(crate) fn child(&self, at: Id, name: &str) -> Result<Option<Id>, Error> {
        let child = self.nth(at, name, 1);
        child.map(|child| self.body(child)).transpose()
    }

    /// The text of the first child of this name.
    pub(crate) fn text_of(&self, at: Id, name: &str) -> Result<Option<&str>, Error> {
        Ok(self.child(at, name)?.map(|child| self.text(child)))
    }

    /// The element itself, or where it refers to in the end.
    pub(crate) fn body(&self, at: Id) -> Result<Id, Error> {
        let mut here = at;
        for _ in 0..MAX_HOPS {
            let Some(path) = &self.element(here).reference else {
                return Ok(here);
            };
            here = self
                .walk(here, path)
                .ok_or_else(|| Error::Reference(path.chars().take(200).collect()))?;
        }
        let path = self.element(at).reference.as_deref().unwrap_or_default();
        Err(Error::Reference(path.chars().take(200).collect()))
    }

    fn walk(&self, from: Id, path: &str) -> Option<Id> {
        if path.len() > MAX_PATH {
            return None;
        }
        let mut steps = path.split('/');
        let mut here = from;
        if path.starts_with('/') {
            here = self.root();
            let root = steps.nth(1)?;
            if named(root)? != (self.name(here), 1) {
                return None;
            }
        }
        for step in steps {
            here = match step {
                ".." => self.element(here).parent?,
                "." => here,
                _ => {
                    let (name, place) = named(step)?;
                    self.nth(here, name, place)?
                }
            };
        }
        Some(here)
    }

    fn element(&self, id: Id) -> &Element {
        &self.elements[id.0 as usize]
    }

    fn nth(&self, at: Id, name: &str, place: u32) -> Option<Id> {
        let name = self.known.get(name)?;
        self.places.get(&(at, *name, place)).copied()
    }
}

/// A step of a path: the name, and which of that name.
fn named(step: &str) -> Option<(&str, u32)> {
    match step.strip_suffix(']') {
        None => Some((step, 1)),
        Some(rest) => {
            let (name, place) = rest.rsplit_once('[')?;
            Some((name, place.parse().ok()?))
        }
    }
}

#[derive(Default)]
struct Builder {
    elements: Vec<Element>,
    names: Vec<Box<str>>,
    known: HashMap<Box<str>, u32>,
    places: HashMap<(Id, u32, u32), Id>,
    /// How many children of a name an open element has had.
    counts: HashMap<(Id, u32), u32>,
    open: Vec<Id>,
}

impl Builder {
    fn read(mut self, text: &str) -> Result<Tree, Error> {
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event();
            match event.map_err(|error| Error::Syntax(error.to_string()))? {
                Event::Start(start) => {
                    let id = self.element(&start)?;
                    self.open.push(id);
                    if self.open.len() > MAX_DEPTH {
                        return Err(Error::TooDeep);
                    }
                }
                Event::Empty(start) => {
                    self.element(&start)?;
                }
                Event::End(_) => {
                    self.close();
                }
                Event::Text(text) => {
                    self.text(&text.xml10_content())?;
                }
                Event::CData(text) => {
                    self.text(&text.xml10_content())?;
                }
                Event::GeneralRef(reference) => self.text(&resolved(&reference)?)?,
                Event::DocType(_) => return Err(Error::Declares),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        self.finish()
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Id, Error> {
        if self.elements.len() >= MAX_ELEMENTS {
            return Err(Error::TooMany);
        }
        let qualified = start.name();
        let name = self.known_name(qualified.as_ref())?;
        let id = Id(u32::try_from(self.elements.len()).map_err(|_| Error::TooMany)?);
        let parent = self.open.last().copied();
        match parent {
            None if !self.elements.is_empty() => return Err(Error::Root),
            None => {}
            Some(parent) => {
                let count = self.counts.entry((parent, name)).or_default();
                *count += 1;
                self.places.insert((parent, name, *count), id);
                self.elements[parent.0 as usize].children.push(id);
            }
        }
        self.elements.push(Element {
            name,
            parent,
            children: Vec::new(),
            text: String::new(),
            reference: reference(start)?,
        });
        Ok(id)
    }

    fn known_name(&mut self, name: &str) -> Result<u32, Error> {
        if name.len() > MAX_NAME {
            return Err(Error::Name);
        }
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        let new = u32::try_from(self.names.len()).map_err(|_| Error::TooMany)?;
        self.names.push(name.into());
        self.known.insert(name.into(), new);
        Ok(new)
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        match self.open.last() {
            Some(at) => {
                self.elements[at.0 as usize].text.push_str(text);
                Ok(())
            }
            None if text.trim_start_matches('\u{feff}').trim().is_empty() => Ok(()),
            None => Err(Error::Root),
        }
    }

    /// Forgets the white space between elements.
    fn close(&mut self) {
        if let Some(id) = self.open.pop() {
            let element = &mut self.elements[id.0 as usize];
            if !element.children.is_empty() {
                element.text = String::new();
            }
        }
    }

    fn finish(self) -> Result<Tree, Error> {
        if self.elements.is_empty() || !self.open.is_empty() {
            return Err(Error::Root);
        }
        Ok(Tree {
            elements: self.elements,
            names: self.names,
            known: self.known,
            places: self.places,
        })
    }
}

fn reference(start: &BytesStart<'_>) -> Result<Option<Box<str>>, Error> {
    let syntax = |error: &dyn std::fmt::Display| Error::Syntax(error.to_string());
    let mut attributes = start.attributes();
    // Looking for an attribute that comes twice costs the square of their number.
    attributes.with_checks(false);
    for attribute in attributes {
        let attribute = attribute.map_err(|error| syntax(&error))?;
        if attribute.key.as_ref() == "reference" {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            return Ok(Some(value.map_err(|error| syntax(&error))?.into()));
        }
    }
    Ok(None)
}

/// What `&…;` stands for: one of the five that XML has itself, or a character by its number.
fn resolved(reference: &BytesRef<'_>) -> Result<String, Error> {
    let character = reference.resolve_char_ref();
    if let Some(character) = character.map_err(|error| Error::Syntax(error.to_string()))? {
        return Ok(character.into());
    }
    resolve_predefined_entity(reference)
        .map(str::to_owned)
        .ok_or(Error::Declares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::of(text.as_bytes()).unwrap()
    }

    fn fault(text: &str) -> Error {
        Tree::of(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_reference_leads_to_the_body_of_its_element() {
        let tree = tree(
            "<g><es><a.E><from><n>1</n></from></a.E><a.E><from reference='../../a.E/from'/>\
             <to><n>2</n></to></a.E></es><ns><a.N reference=\"../../es/a.E[2]/to\"/>\
             <a.N reference=\"../a.N\"/><a.N reference=\"/g/es/a.E[2]/from\"/></ns></g>",
        );
        let nodes = tree.child(tree.root(), "ns").unwrap().unwrap();
        let texts: Vec<_> = tree
            .children(nodes)
            .iter()
            .map(|node| {
                let body = tree.body(*node).unwrap();
                tree.text_of(body, "n").unwrap().unwrap()
            })
            .collect();
        assert_eq!(texts, ["2", "2", "1"]);
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_said() {
        for path in [
            "..", "../b", "../../..", "../a[2]", "../a[0]", "../a[x]", "", "/", "/c/a",
        ] {
            let tree = tree(&format!("<r><a reference=\"{path}\"/></r>"));
            let at = tree.children(tree.root())[0];
            let found = tree.body(at);
            if path == ".." {
                assert_eq!(found, Ok(tree.root()));
            } else {
                assert!(
                    matches!(found, Err(Error::Reference(_))),
                    "{path}: {found:?}"
                );
            }
        }
        let tree = tree("<r><a reference=\"../b\"/><b reference=\"../a\"/></r>");
        assert!(tree.child(tree.root(), "a").is_err());
    }

    #[test]
    fn texts_keep_what_was_written() {
        let tree = tree(
            "\u{feff}<?xml version='1.0'?><!-- c --><r>\n <a> x\r\ny &lt;&amp;&#x41;&#10;<![CDATA[<z>]]> </a>\n</r>\n",
        );
        assert_eq!(
            tree.text_of(tree.root(), "a").unwrap(),
            Some(" x\ny <&A\n<z> ")
        );
        assert_eq!(tree.text(tree.root()), "");
    }

    #[test]
    fn nothing_can_be_declared() {
        let bomb = "<!DOCTYPE l [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><r>&b;</r>";
        assert_eq!(fault(bomb), Error::Declares);
        assert_eq!(
            fault("<!DOCTYPE r SYSTEM \"file:///etc/passwd\"><r/>"),
            Error::Declares
        );
        assert_eq!(fault("<r>&xxe;</r>"), Error::Declares);
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        tree(&nested(MAX_DEPTH));
        assert_eq!(fault(&nested(MAX_DEPTH + 1)), Error::TooDeep);
        assert_eq!(
            fault(&format!("<r>{}</r>", "<a/>".repeat(MAX_ELEMENTS))),
            Error::TooMany
        );
        assert_eq!(
            fault(&format!("<{}/>", "a".repeat(MAX_NAME + 1))),
            Error::Name
        );
        assert!(matches!(
            fault(&" ".repeat(MAX_BYTES + 1)),
            Error::TooLong(_)
        ));
    }

    #[test]
    fn what_is_not_one_tree_is_refused() {
        for text in ["", "  ", "x", "<a/><b/>", "<a/>x", "<a>"] {
            assert_eq!(fault(text), Error::Root, "{text}");
        }
        for text in [
            "<a></b>",
            "</a>",
            "<a b></a>",
            "<a",
            "<a>&#0;</a>",
            "<a>&#x110000;</a>",
        ] {
            assert!(
                matches!(fault(text), Error::Syntax(_)),
                "{text}: {:?}",
                fault(text)
            );
        }
        assert_eq!(Tree::of(b"<a>\xff</a>").unwrap_err(), Error::Encoding);
    }
}
