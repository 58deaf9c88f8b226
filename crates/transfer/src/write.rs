//! Writes a pipeline as UnifiedViews exports one.
//!
//! Properties stand in the order of their names. A node's body is where it occurs first, which is in an edge if there is
//! one, and everywhere else is a reference to it; each object knows its graph, as there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use crate::export::{PIPELINE, TEMPLATES, USED};
use crate::jar::JarName;
use crate::model::{Node, Pipeline, PluginType, Template, Visibility};

const CLASS: &str = "cz.cuni.mff.xrg.odcs.commons.app.pipeline.Pipeline";
const EDGE: &str = "cz.cuni.mff.xrg.odcs.commons.app.pipeline.graph.Edge";
const NODE: &str = "cz.cuni.mff.xrg.odcs.commons.app.pipeline.graph.Node";

/// Writes the ZIP of a pipeline, which was last changed at `changed` (`2014-06-20 12:46:09.0 UTC`).
pub fn write(pipeline: &Pipeline, changed: &str) -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let entries = [
        (PIPELINE, pipeline_xml(pipeline, changed)),
        (USED, used_xml(pipeline)),
        (TEMPLATES, templates_xml(pipeline)),
    ];
    for (name, text) in entries {
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

fn pipeline_xml(pipeline: &Pipeline, changed: &str) -> String {
    let mut xml = Writer::default();
    xml.open(CLASS);
    xml.leaf("description", &pipeline.description);
    Graph::new(pipeline).write(&mut xml);
    xml.leaf("lastChange", changed);
    xml.leaf("name", &pipeline.name);
    let visibility = pipeline.visibility.unwrap_or(Visibility::Private);
    xml.leaf("shareType", visibility.name());
    xml.close();
    xml.text
}

struct Graph<'a> {
    pipeline: &'a Pipeline,
    /// Where the body of a node is.
    places: HashMap<usize, Vec<String>>,
}

impl<'a> Graph<'a> {
    fn new(pipeline: &'a Pipeline) -> Self {
        Self {
            pipeline,
            places: HashMap::new(),
        }
    }

    fn write(mut self, xml: &mut Writer) {
        xml.open("graph");
        xml.open("edges");
        for edge in &self.pipeline.edges {
            xml.open(EDGE);
            self.node(xml, "from", edge.from);
            xml.reference("graph", "../../..");
            xml.leaf("script", &edge.script);
            self.node(xml, "to", edge.to);
            xml.close();
        }
        xml.close();
        xml.open("nodes");
        for at in 0..self.pipeline.nodes.len() {
            self.node(xml, NODE, at);
        }
        xml.close();
        xml.reference("pipeline", "../..");
        xml.close();
    }

    /// Writes a node, or a reference to where it is.
    fn node(&mut self, xml: &mut Writer, name: &str, at: usize) {
        xml.open(name);
        if let Some(place) = self.places.get(&at) {
            let path = relative(&xml.path(), place);
            xml.close_as_reference(&path);
            return;
        }
        let path = xml.path();
        instance(xml, &self.pipeline.nodes[at]);
        // Up to the list that the node or its edge is in, and one more.
        let up = vec![".."; path.len() - 1].join("/");
        xml.reference("graph", &up);
        xml.open("position");
        xml.leaf("x", &self.pipeline.nodes[at].x.to_string());
        xml.leaf("y", &self.pipeline.nodes[at].y.to_string());
        xml.close();
        xml.close();
        self.places.insert(at, path);
    }
}

fn instance(xml: &mut Writer, node: &Node) {
    xml.open("dpuInstance");
    xml.leaf("description", &node.description);
    let menu_name = Some(&node.menu_name).filter(|it| !it.is_empty());
    xml.leaf("menuName", menu_name.unwrap_or(&node.name));
    xml.leaf("name", &node.name);
    xml.reference("node", "../..");
    xml.leaf_if("rawConf", node.configuration.as_deref());
    let template = &node.template;
    xml.open("template");
    xml.leaf("description", &template.description);
    xml.leaf("jarName", &template.jar);
    xml.leaf("menuName", &template.name);
    xml.leaf("name", &template.name);
    xml.leaf_if("rawConf", template.configuration.as_deref());
    xml.leaf("useDPUDescription", "false");
    xml.close();
    xml.leaf("useDPUDescription", "false");
    xml.leaf(
        "useTemplateConfig",
        if node.uses_template { "true" } else { "false" },
    );
    xml.close();
}

fn templates_xml(pipeline: &Pipeline) -> String {
    let mut xml = Writer::default();
    xml.open("list");
    let mut known = HashSet::new();
    for template in pipeline.nodes.iter().map(|node| &node.template) {
        if known.insert((&template.jar, &template.name)) {
            one_template(&mut xml, template);
        }
    }
    xml.close();
    xml.text
}

fn one_template(xml: &mut Writer, template: &Template) {
    let directory = template.directory.clone();
    let directory = directory.or_else(|| JarName::of(&template.jar).map(|it| it.name));
    let directory = directory.unwrap_or_default();
    let kind = template
        .kind
        .unwrap_or_else(|| PluginType::by_custom(&directory));
    xml.open("template");
    xml.leaf("description", &template.description);
    xml.leaf("jarDescription", &template.jar_description);
    xml.leaf("jarDirectory", &directory);
    xml.leaf("jarName", &template.jar);
    xml.leaf("menuName", &template.name);
    xml.leaf("name", &template.name);
    xml.leaf_if("rawConf", template.configuration.as_deref());
    xml.leaf(
        "shareType",
        template.visibility.unwrap_or(Visibility::PublicRo).name(),
    );
    xml.leaf("type", kind.name());
    xml.leaf("useDPUDescription", "false");
    xml.close();
}

fn used_xml(pipeline: &Pipeline) -> String {
    let mut xml = Writer::default();
    xml.open("dpus");
    let mut known = HashSet::new();
    for node in &pipeline.nodes {
        if !known.insert(node.name.to_lowercase()) {
            continue;
        }
        let version = JarName::of(&node.template.jar).map(|it| it.version);
        xml.open("dpu");
        xml.leaf("dpuName", &node.name);
        xml.leaf("jarName", &node.template.jar);
        xml.leaf("version", version.as_deref().unwrap_or("unknown"));
        xml.close();
    }
    xml.close();
    xml.text
}

/// The way from an element to another, both as names from the root.
fn relative(from: &[String], to: &[String]) -> String {
    let same = from
        .iter()
        .zip(to)
        .take_while(|(from, to)| from == to)
        .count();
    let up = std::iter::repeat_n("..", from.len() - same);
    let down = to[same..].iter().map(String::as_str);
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// Writes elements, two spaces a level.
#[derive(Default)]
struct Writer {
    text: String,
    open: Vec<Open>,
}

struct Open {
    name: String,
    /// The name, with a number if it isn't the first of its name.
    step: String,
    counts: BTreeMap<String, usize>,
    /// Where its first tag begins.
    begin: usize,
    is_empty: bool,
}

impl Writer {
    fn line(&mut self) {
        if let Some(open) = self.open.last_mut() {
            if open.is_empty {
                self.text.push('>');
            }
            open.is_empty = false;
            self.text.push('\n');
        }
        self.text
            .extend(std::iter::repeat_n(' ', 2 * self.open.len()));
    }

    fn open(&mut self, name: &str) {
        self.line();
        let step = match self.open.last_mut() {
            None => name.to_owned(),
            Some(parent) => {
                let count = parent.counts.entry(name.to_owned()).or_default();
                *count += 1;
                if *count == 1 {
                    name.to_owned()
                } else {
                    format!("{name}[{count}]")
                }
            }
        };
        let begin = self.text.len();
        self.text.push('<');
        self.text.push_str(name);
        self.open.push(Open {
            name: name.to_owned(),
            step,
            counts: BTreeMap::new(),
            begin,
            is_empty: true,
        });
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if open.is_empty {
            self.text.push_str("/>");
            return;
        }
        self.text.push('\n');
        self.text
            .extend(std::iter::repeat_n(' ', 2 * self.open.len()));
        self.end(&open.name);
    }

    fn end(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Makes the element that was just opened a reference.
    fn close_as_reference(&mut self, path: &str) {
        if let Some(open) = self.open.pop() {
            self.text.truncate(open.begin);
            self.tag_of_reference(&open.name, path);
        }
    }

    fn reference(&mut self, name: &str, path: &str) {
        self.line();
        self.tag_of_reference(name, path);
    }

    fn tag_of_reference(&mut self, name: &str, path: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" reference=\"");
        escape(&mut self.text, path);
        self.text.push_str("\"/>");
    }

    fn leaf(&mut self, name: &str, value: &str) {
        self.line();
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
        escape(&mut self.text, value);
        self.end(name);
    }

    fn leaf_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    /// The names from the root to the element that is open.
    fn path(&self) -> Vec<String> {
        self.open.iter().map(|open| open.step.clone()).collect()
    }
}

fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            // A reader makes line feeds of carriage returns.
            '\r' => text.push_str("&#xd;"),
            '\n' | '\t' => text.push(character),
            '\0' => {}
            _ if character.is_control() => {
                let _ = write!(text, "&#x{:x};", u32::from(character));
            }
            _ => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::export::Export;
    use crate::model::Edge;

    fn node(name: &str) -> Node {
        Node {
            name: name.into(),
            menu_name: name.into(),
            configuration: Some("<a>\r\n\"&'\u{e4}</a>".into()),
            template: Template {
                name: "T".into(),
                jar: "t-1.0.jar".into(),
                ..Template::default()
            },
            ..Node::default()
        }
    }

    #[test]
    fn bodies_stand_where_nodes_occur_first() {
        let edge = |from, to| Edge {
            from,
            to,
            script: "a -> b;".into(),
        };
        let pipeline = Pipeline {
            name: "p".into(),
            nodes: vec![node("A"), node("B"), node("C")],
            edges: vec![edge(1, 0), edge(1, 0)],
            ..Pipeline::default()
        };
        let xml = pipeline_xml(&pipeline, "2014-06-20 12:46:09.0 UTC");
        assert!(
            xml.contains(&format!("<from reference=\"../../{EDGE}/from\"/>")),
            "{xml}"
        );
        assert!(
            xml.contains(&format!("<{NODE} reference=\"../../edges/{EDGE}/to\"/>")),
            "{xml}"
        );
        assert!(
            xml.contains("<graph reference=\"../../../..\"/>\n          <position>"),
            "{xml}"
        );
        assert!(
            xml.contains("<graph reference=\"../../..\"/>\n        <position>"),
            "{xml}"
        );
        assert!(
            xml.contains("  <description></description>\n  <graph>\n    <edges>\n"),
            "{xml}"
        );
        let used = used_xml(&pipeline);
        assert_eq!(used.matches("<version>1.0</version>").count(), 3);
        assert_eq!(
            templates_xml(&pipeline)
                .matches("<jarDirectory>t</jarDirectory>")
                .count(),
            1
        );
    }

    fn any_pipeline() -> impl Strategy<Value = Pipeline> {
        let text = "[ -~\u{e4}\n\r\t]{0,20}";
        let parts = (
            "[a-z<&\"]{1,8}",
            proptest::option::of("[ -~\r\n]{1,30}x"),
            any::<(i16, i16)>(),
        );
        let node = parts.prop_map(|(name, configuration, (x, y))| Node {
            menu_name: name.clone(),
            configuration,
            x: x.into(),
            y: y.into(),
            ..node(&name)
        });
        (
            text,
            text,
            proptest::collection::vec(node, 1..6),
            any::<Vec<(u8, u8)>>(),
        )
            .prop_map(|(name, description, nodes, edges)| {
                let count = nodes.len();
                let edge = |(from, to): (u8, u8)| Edge {
                    from: usize::from(from) % count,
                    to: usize::from(to) % count,
                    script: "a -> b;".into(),
                };
                Pipeline {
                    name,
                    description,
                    visibility: Some(Visibility::PublicRo),
                    edges: edges.into_iter().map(edge).collect(),
                    nodes,
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(pipeline in any_pipeline()) {
            let zip = write(&pipeline, "2014-06-20 12:46:09.0 UTC").unwrap();
            let read = Export::read(&zip, true).unwrap();
            prop_assert_eq!(read.pipeline.nodes.len(), pipeline.nodes.len());
            // Nodes come in the order of their list, whatever edges say.
            prop_assert_eq!(read.pipeline, pipeline);
        }
    }
}
