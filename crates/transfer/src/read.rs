//! From the elements of `pipeline.xml` and `dpu.xml` to what they mean.
//!
//! A reader relies on no order and on nothing being there that it doesn't need; what it doesn't know it passes over. Any
//! object may be written where it occurs first and be a reference anywhere else; the bodies of nodes are in edges, as a
//! rule.

use std::cell::Cell;
use std::collections::HashMap;

use crate::model::{Edge, Node, Pipeline, PluginType, Template, Visibility};
use crate::xml::{Error as Xml, Id, Tree};

/// Nodes of a pipeline, at most: as many as a definition can have steps.
const MAX_NODES: usize = 1000;
/// Edges, at most.
const MAX_EDGES: usize = 10_000;
/// Templates in a list, at most.
const MAX_TEMPLATES: usize = 1000;
/// Bytes of all texts that are read, at most. Those of an object that is referred to count each time.
const MAX_TEXTS: usize = 32 * 1024 * 1024;
/// What a missing configuration may look like.
const NO_CONFIGURATION: &str = "<null configuration/>";

/// Why an XML text is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No tree of elements.
    #[error(transparent)]
    Xml(#[from] Xml),
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something is there that can't be so.
    #[error("{0}")]
    Wrong(String),
}

/// Reads `pipeline.xml`.
pub(crate) fn pipeline(bytes: &[u8]) -> Result<Pipeline, Error> {
    let tree = Tree::of(bytes)?;
    let source = Source::new(&tree);
    let root = tree.body(tree.root())?;
    if class(&tree, root) != "Pipeline" {
        let name: String = tree.name(root).chars().take(200).collect();
        return Err(Error::Wrong(format!("\"{name}\" is no pipeline")));
    }
    let graph = tree.child(root, "graph")?;
    let graph = graph.ok_or(Error::Missing("the pipeline's graph"))?;
    let mut nodes = Nodes::default();
    for node in source.items(graph, "nodes")? {
        nodes.index(&source, *node)?;
    }
    let edges = source.items(graph, "edges")?;
    if edges.len() > MAX_EDGES {
        return Err(Error::Wrong(format!(
            "there are more than {MAX_EDGES} edges"
        )));
    }
    let edges = edges.iter().map(|edge| nodes.edge(&source, *edge));
    let edges = edges.collect::<Result<_, _>>()?;
    Ok(Pipeline {
        name: source
            .text(root, "name")?
            .ok_or(Error::Missing("the pipeline's name"))?,
        description: source.text_or_empty(root, "description")?,
        visibility: Visibility::of(source.word(root, "shareType")?),
        nodes: nodes.nodes,
        edges,
    })
}

/// Reads `dpu.xml`.
pub(crate) fn templates(bytes: &[u8]) -> Result<Vec<Template>, Error> {
    let tree = Tree::of(bytes)?;
    let source = Source::new(&tree);
    let items = source.list("the list of templates")?;
    if items.len() > MAX_TEMPLATES {
        return Err(Error::Wrong(format!(
            "there are more than {MAX_TEMPLATES} templates"
        )));
    }
    let items = items.iter().map(|at| template(&source, tree.body(*at)?));
    items.collect()
}

/// The last part of a class's name, as the name of an element has it.
fn class(tree: &Tree, at: Id) -> &str {
    let name = tree.name(at);
    name.rsplit('.').next().unwrap_or(name)
}

/// A tree of which texts are taken, as long as they are not too much.
pub(crate) struct Source<'t> {
    pub(crate) tree: &'t Tree,
    /// Bytes that may still be taken.
    left: Cell<usize>,
}

impl<'t> Source<'t> {
    pub(crate) fn new(tree: &'t Tree) -> Self {
        Self {
            tree,
            left: Cell::new(MAX_TEXTS),
        }
    }

    /// The items of a text that is a list.
    pub(crate) fn list(&self, what: &'static str) -> Result<&'t [Id], Error> {
        let root = self.tree.root();
        if self.tree.name(root) != "list" {
            return Err(Error::Missing(what));
        }
        Ok(self.tree.children(root))
    }

    /// The elements in a child, as they stand there.
    pub(crate) fn items(&self, at: Id, name: &str) -> Result<&'t [Id], Error> {
        let list = self.tree.child(at, name)?;
        Ok(list.map_or(&[], |list| self.tree.children(list)))
    }

    /// A copy of the text of a child.
    pub(crate) fn text(&self, at: Id, name: &str) -> Result<Option<String>, Error> {
        let Some(text) = self.tree.text_of(at, name)? else {
            return Ok(None);
        };
        let left = self.left.get().checked_sub(text.len());
        let left = left.ok_or_else(|| Error::Wrong("the texts are too long together".into()))?;
        self.left.set(left);
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn text_or_empty(&self, at: Id, name: &str) -> Result<String, Error> {
        Ok(self.text(at, name)?.unwrap_or_default())
    }

    /// The text of a child without white space around it; empty if there is no such child.
    pub(crate) fn word(&self, at: Id, name: &str) -> Result<&'t str, Error> {
        Ok(self.tree.text_of(at, name)?.unwrap_or_default().trim())
    }

    pub(crate) fn flag(&self, at: Id, name: &str) -> Result<bool, Error> {
        Ok(self.word(at, name)?.eq_ignore_ascii_case("true"))
    }

    fn configuration(&self, at: Id) -> Result<Option<String>, Error> {
        let raw = self.word(at, "rawConf")?;
        if raw.is_empty() || raw == NO_CONFIGURATION {
            return Ok(None);
        }
        self.text(at, "rawConf")
    }
}

#[derive(Default)]
struct Nodes {
    nodes: Vec<Node>,
    /// Where each was read.
    known: HashMap<Id, usize>,
}

impl Nodes {
    /// The index of a node, which is read the first time.
    fn index(&mut self, source: &Source<'_>, at: Id) -> Result<usize, Error> {
        let body = source.tree.body(at)?;
        if let Some(known) = self.known.get(&body) {
            return Ok(*known);
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(Error::Wrong(format!(
                "there are more than {MAX_NODES} nodes"
            )));
        }
        self.nodes.push(node(source, body)?);
        self.known.insert(body, self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn edge(&mut self, source: &Source<'_>, at: Id) -> Result<Edge, Error> {
        let at = source.tree.body(at)?;
        let mut end = |name: &'static str, missing| {
            let end = source
                .tree
                .child(at, name)?
                .ok_or(Error::Missing(missing))?;
            self.index(source, end)
        };
        Ok(Edge {
            from: end("from", "the beginning of an edge")?,
            to: end("to", "the end of an edge")?,
            script: source.text_or_empty(at, "script")?,
        })
    }
}

fn node(source: &Source<'_>, at: Id) -> Result<Node, Error> {
    let instance = source.tree.child(at, "dpuInstance")?;
    let instance = instance.ok_or(Error::Missing("a node's dpuInstance"))?;
    let made_of = source.tree.child(instance, "template")?;
    let made_of = made_of.ok_or(Error::Missing("a node's template"))?;
    let position = source.tree.child(at, "position")?;
    let coordinate = |name| -> Result<i32, Error> {
        let word = position.map(|at| source.word(at, name)).transpose()?;
        Ok(word.unwrap_or_default().parse().unwrap_or_default())
    };
    let template = template(source, made_of)?;
    let name = source.text(instance, "name")?;
    let name = name.filter(|it| !it.trim().is_empty());
    Ok(Node {
        name: name.unwrap_or_else(|| template.name.clone()),
        menu_name: source.text_or_empty(instance, "menuName")?,
        description: source.text_or_empty(instance, "description")?,
        configuration: source.configuration(instance)?,
        uses_template: source.flag(instance, "useTemplateConfig")?,
        template,
        x: coordinate("x")?,
        y: coordinate("y")?,
    })
}

fn template(source: &Source<'_>, at: Id) -> Result<Template, Error> {
    let directory = source.text(at, "jarDirectory")?;
    Ok(Template {
        name: source.text_or_empty(at, "name")?,
        description: source.text_or_empty(at, "description")?,
        jar: source.text_or_empty(at, "jarName")?,
        directory: directory.filter(|it| !it.is_empty()),
        jar_description: source.text_or_empty(at, "jarDescription")?,
        configuration: source.configuration(at)?,
        visibility: Visibility::of(source.word(at, "shareType")?),
        kind: PluginType::of(source.word(at, "type")?),
        is_child: source.tree.child(at, "parent")?.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, jar: &str) -> String {
        format!(
            "<dpuInstance><name>{name}</name><rawConf>&lt;object-stream/&gt;</rawConf>\
             <template><name>T</name><jarName>{jar}</jarName></template></dpuInstance>\
             <position><x>10</x><y>-20</y></position>"
        )
    }

    fn whole(edges: &str, nodes: &str) -> String {
        format!(
            "<x.Pipeline><name>p</name><graph><edges>{edges}</edges><nodes>{nodes}</nodes>\
             </graph><shareType>PUBLIC_RW</shareType></x.Pipeline>"
        )
    }

    #[test]
    fn bodies_are_found_in_edges_and_isolated_nodes_in_their_list() {
        let edges = format!(
            "<x.Edge><from>{}</from><script>a -&gt; b;</script><to>{}</to></x.Edge>\
             <x.Edge><from reference=\"../../x.Edge/from\"/><to reference=\"../../x.Edge/to\"/></x.Edge>",
            instance("A", "a-1.0.jar"),
            instance("B", "b-1.0.jar"),
        );
        let nodes = format!(
            "<x.Node reference=\"../../edges/x.Edge/to\"/><x.Node>{}</x.Node>\
             <x.Node reference=\"../../edges/x.Edge[2]/from\"/>",
            instance("C", "c-1.0.jar")
        );
        let read = pipeline(whole(&edges, &nodes).as_bytes()).unwrap();
        let names: Vec<_> = read.nodes.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["B", "C", "A"]);
        let edges: Vec<_> = read.edges.iter().map(|it| (it.from, it.to)).collect();
        assert_eq!(edges, [(2, 0), (2, 0)]);
        assert_eq!(read.edges[0].script, "a -> b;");
        assert_eq!((read.nodes[0].x, read.nodes[0].y), (10, -20));
        assert_eq!(
            read.nodes[0].configuration.as_deref(),
            Some("<object-stream/>")
        );
        assert_eq!(read.visibility, Some(Visibility::PublicRw));
    }

    #[test]
    fn a_template_may_be_a_reference_and_its_configuration_may_count() {
        let first = "<x.Node><dpuInstance><name>A</name><template><name>T</name><jarName>t-1.0.jar</jarName>\
                     <rawConf>theirs</rawConf></template><rawConf>mine</rawConf></dpuInstance></x.Node>";
        let second = "<x.Node><dpuInstance><name>B</name><useTemplateConfig>true</useTemplateConfig><template \
                      reference=\"../../../x.Node/dpuInstance/template\"/></dpuInstance></x.Node>";
        let read = pipeline(whole("", &format!("{first}{second}")).as_bytes()).unwrap();
        assert_eq!(read.nodes[0].used_configuration(), Some("mine"));
        assert_eq!(read.nodes[1].used_configuration(), Some("theirs"));
        assert_eq!(read.nodes[1].template, read.nodes[0].template);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, expected) in [
            ("<list/>", "\"list\" is no pipeline"),
            (
                "<x.Pipeline><name>p</name></x.Pipeline>",
                "the pipeline's graph is missing",
            ),
            (
                "<x.Pipeline><graph/></x.Pipeline>",
                "the pipeline's name is missing",
            ),
            (
                &whole("<x.Edge/>", ""),
                "the beginning of an edge is missing",
            ),
            (&whole("", "<x.Node/>"), "a node's dpuInstance is missing"),
            (
                &whole("", "<x.Node><dpuInstance/></x.Node>"),
                "a node's template is missing",
            ),
            (
                &whole("", "<x.Node reference=\"../../../..\"/>"),
                "leads to no element",
            ),
            ("nothing", "one element"),
        ] {
            let error = pipeline(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn an_object_that_is_referred_to_often_counts_each_time() {
        let long = "x".repeat(1024 * 1024);
        let first = format!(
            "<x.Node><dpuInstance><template><jarName>t-1.0.jar</jarName><rawConf>{long}</rawConf></template>\
             </dpuInstance></x.Node>"
        );
        let other = "<x.Node><dpuInstance reference=\"../../x.Node/dpuInstance\"/></x.Node>";
        let twenty = whole("", &format!("{first}{}", other.repeat(19)));
        assert_eq!(pipeline(twenty.as_bytes()).unwrap().nodes.len(), 20);
        let fifty = whole("", &format!("{first}{}", other.repeat(49)));
        let error = pipeline(fifty.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("too long together"), "{error}");
    }

    #[test]
    fn templates_tell_whether_they_are_children() {
        let list = "<list><template><name>a</name><jarDirectory>d</jarDirectory><jarName>d-1.0.jar</jarName>\
                    <type>LOADER</type><shareType>PRIVATE</shareType></template><template><name>b</name>\
                    <jarName>d-1.0.jar</jarName><parent reference=\"../../template\"/>\
                    <rawConf>&lt;null configuration/&gt;</rawConf></template></list>";
        let read = templates(list.as_bytes()).unwrap();
        assert_eq!(read[0].kind, Some(PluginType::Loader));
        assert_eq!(read[0].visibility, Some(Visibility::Private));
        assert_eq!((read[0].is_child, read[1].is_child), (false, true));
        assert_eq!(read[1].configuration, None);
        assert!(templates(b"<template/>").is_err());
    }
}
