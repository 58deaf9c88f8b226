//! A pipeline of UnifiedViews as a definition of Penstock, and back.
//!
//! A node is a step of the kind `plugin` whose id is made of its name. An edge is a need of the step that it leads to,
//! and its mappings are entries of that step's inputs, in the order of the edges. What a definition has no place for is
//! kept in annotations (where a node is drawn, what its jar is called), so that an exported pipeline imports again as the
//! same one.
//!
//! Definitions are JSON here, so that nothing but the text ties this to what reads them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::edge_script;
use crate::jar::JarName;
use crate::model::{Edge, Node, Pipeline, Template};

/// What annotations of ours begin with.
const PREFIX: &str = "unifiedviews/";
const POSITION: &str = "unifiedviews/position";
const JAR: &str = "unifiedviews/jar";
const TEMPLATE: &str = "unifiedviews/template";
const DESCRIPTION: &str = "unifiedviews/description";
const USES_TEMPLATE: &str = "unifiedviews/useTemplateConfig";
/// Characters of a step's id, at most.
const MAX_ID: usize = 64;
/// Characters that are left of a name for its id, so that a number fits behind it.
const MAX_ID_OF_NAME: usize = 56;
/// The version in the name of a jar that is known by no other.
const ANY_VERSION: &str = "1.0.0";

/// Why a pipeline can't become a definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The jar's name doesn't say which plug-in it is.
    #[error("the jar \"{0}\" is not called NAME-VERSION.jar, so it is unknown which plug-in it is")]
    JarName(String),
    /// A script that can't be read.
    #[error("the edge from \"{from}\" to \"{to}\": {why}")]
    Script {
        /// The node that it comes from.
        from: String,
        /// The node that it leads to.
        to: String,
        /// What is wrong with it.
        why: edge_script::Error,
    },
}

/// Why a definition can't become a pipeline of UnifiedViews.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Steps that are no plug-ins.
    #[error("UnifiedViews has plug-ins only, and these steps are something else: {}", .0.join(", "))]
    NoPlugins(Vec<String>),
    /// It isn't what a definition looks like.
    #[error("the definition can't be read: {0}")]
    Unreadable(&'static str),
}

/// What is said of a definition beside what the pipeline says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// `private`, `public_ro` or `public_rw`.
    pub visibility: &'static str,
    /// Runs at a time; 0 for no limit.
    pub concurrency: u32,
}

/// Makes a definition of a pipeline.
pub fn of(pipeline: &Pipeline, shape: Shape) -> Result<Value, Error> {
    let ids = ids(pipeline.nodes.iter().map(|node| node.name.as_str()));
    let mut steps = Vec::with_capacity(ids.len());
    for (node, id) in pipeline.nodes.iter().zip(&ids) {
        steps.push(step(node, id)?);
    }
    for edge in &pipeline.edges {
        connect(&mut steps, pipeline, &ids, edge)?;
    }
    let mut definition = json!({
        "name": pipeline.name,
        "visibility": shape.visibility,
        "concurrency": shape.concurrency,
        "steps": steps,
    });
    if !pipeline.description.is_empty() {
        definition["description"] = pipeline.description.as_str().into();
    }
    Ok(definition)
}

/// Ids for names: their letters and digits in lower case with dashes between them, and a number where that is taken.
fn ids<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut ids = Vec::new();
    for name in names {
        let base = id_of(name);
        let numbered = (2_usize..).map(|number| format!("{base}-{number}"));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let id = candidates.find(|id| !taken.contains(id)).unwrap_or(base);
        taken.insert(id.clone());
        ids.push(id);
    }
    ids
}

fn id_of(name: &str) -> String {
    let mut id = String::new();
    for character in name.chars() {
        if character.is_ascii_alphanumeric() {
            id.push(character.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
        if id.len() >= MAX_ID_OF_NAME {
            break;
        }
    }
    let id = id.trim_end_matches('-');
    if id.is_empty() { "step" } else { id }.to_owned()
}

fn step(node: &Node, id: &str) -> Result<Value, Error> {
    let template = &node.template;
    let jar = JarName::of(&template.jar);
    let jar = jar.ok_or_else(|| Error::JarName(template.jar.chars().take(255).collect()))?;
    let mut plugin = json!({"name": jar.name, "version": jar.version});
    if let Some(configuration) = node.used_configuration() {
        plugin["config"] = configuration.into();
    }
    let mut annotations = Map::new();
    annotations.insert(POSITION.into(), format!("{},{}", node.x, node.y).into());
    annotations.insert(JAR.into(), jar.file.into());
    if template.name != jar.name && !template.name.is_empty() {
        annotations.insert(TEMPLATE.into(), template.name.as_str().into());
    }
    if !node.description.is_empty() {
        annotations.insert(DESCRIPTION.into(), node.description.as_str().into());
    }
    if node.uses_template {
        annotations.insert(USES_TEMPLATE.into(), "true".into());
    }
    let mut step = json!({"id": id, "needs": [], "plugin": plugin, "annotations": annotations});
    if !node.name.trim().is_empty() {
        step["name"] = node.name.as_str().into();
    }
    Ok(step)
}

/// Says in the step that an edge leads to what comes from where.
fn connect(
    steps: &mut [Value],
    pipeline: &Pipeline,
    ids: &[String],
    edge: &Edge,
) -> Result<(), Error> {
    let name = |at: usize| pipeline.nodes[at].name.clone();
    let mappings = edge_script::read(&edge.script).map_err(|why| Error::Script {
        from: name(edge.from),
        to: name(edge.to),
        why,
    })?;
    let (from, to) = (&ids[edge.from], &mut steps[edge.to]);
    if let Some(needs) = to["needs"].as_array_mut()
        && !needs.iter().any(|it| it == from.as_str())
    {
        needs.push(from.as_str().into());
    }
    for mapping in mappings {
        let sources = &mut to["plugin"]["inputs"][&mapping.to];
        let source = Value::from(format!("{from}.{}", mapping.from));
        match sources.as_array_mut() {
            Some(sources) if sources.contains(&source) => {}
            Some(sources) => sources.push(source),
            None => *sources = json!([source]),
        }
    }
    Ok(())
}

/// Makes a pipeline of a definition. What the templates are beyond their names is left open.
pub fn to_pipeline(definition: &Value) -> Result<Pipeline, Refused> {
    let steps = definition["steps"].as_array();
    let steps = steps.ok_or(Refused::Unreadable("it has no list of steps"))?;
    let others = steps.iter().filter(|step| !step["plugin"].is_object());
    let others: Vec<String> = others.map(|step| text(&step["id"])).collect();
    if !others.is_empty() {
        return Err(Refused::NoPlugins(others));
    }
    let ids: Vec<&str> = steps
        .iter()
        .map(|it| it["id"].as_str().unwrap_or_default())
        .collect();
    let mut edges = Vec::new();
    for (to, step) in steps.iter().enumerate() {
        edges.extend(edges_to(to, step, &ids, steps)?);
    }
    Ok(Pipeline {
        name: text(&definition["name"]),
        description: text(&definition["description"]),
        visibility: None,
        nodes: steps
            .iter()
            .enumerate()
            .map(|(at, step)| node(at, step))
            .collect(),
        edges,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The edges to a step: one from each step that it needs, with the mappings of that one.
fn edges_to(to: usize, step: &Value, ids: &[&str], steps: &[Value]) -> Result<Vec<Edge>, Refused> {
    let sources = sources(step);
    let mut edges = Vec::new();
    for need in needs(to, step, steps) {
        let from = ids.iter().position(|id| *id == need);
        let from = from.ok_or(Refused::Unreadable("a step needs one that isn't there"))?;
        let mappings = sources.iter().filter(|(id, _, _)| *id == need);
        let script = edge_script::write(mappings.map(|(_, out, input)| (*out, *input)));
        edges.push(Edge { from, to, script });
    }
    Ok(edges)
}

/// What a step needs. Where no step says so, each needs the one before it.
fn needs<'a>(at: usize, step: &'a Value, steps: &'a [Value]) -> Vec<&'a str> {
    if let Some(needs) = step["needs"].as_array() {
        return needs.iter().filter_map(Value::as_str).collect();
    }
    let none_says = !steps.iter().any(|it| it["needs"].is_array());
    let before = at
        .checked_sub(1)
        .and_then(|before| steps[before]["id"].as_str());
    before.filter(|_| none_says).into_iter().collect()
}

/// Step, output and input of each entry of a step's inputs.
fn sources(step: &Value) -> Vec<(&str, &str, &str)> {
    let inputs = step["plugin"]["inputs"].as_object().into_iter().flatten();
    let each = inputs.flat_map(|(input, sources)| {
        let sources = sources.as_array().into_iter().flatten();
        sources.filter_map(move |source| {
            let (id, out) = source.as_str()?.split_once('.')?;
            Some((id, out, input.as_str()))
        })
    });
    each.collect()
}

fn node(at: usize, step: &Value) -> Node {
    let annotation = |name: &str| step["annotations"][name].as_str();
    let plugin = &step["plugin"];
    let name = step["name"]
        .as_str()
        .or(step["id"].as_str())
        .unwrap_or_default();
    let (x, y) = annotation(POSITION)
        .and_then(position)
        .unwrap_or_else(|| usual_position(at));
    let key = text(&plugin["name"]);
    let configuration = plugin["config"].as_str().map(str::to_owned);
    let uses_template = annotation(USES_TEMPLATE) == Some("true");
    Node {
        name: name.to_owned(),
        menu_name: name.to_owned(),
        description: annotation(DESCRIPTION).unwrap_or_default().to_owned(),
        uses_template,
        template: Template {
            name: annotation(TEMPLATE).unwrap_or(&key).to_owned(),
            jar: jar(&key, plugin["version"].as_str(), annotation(JAR)),
            configuration: configuration.clone().filter(|_| uses_template),
            directory: Some(key),
            ..Template::default()
        },
        configuration,
        x,
        y,
    }
}

fn position(text: &str) -> Option<(i32, i32)> {
    let (x, y) = text.split_once(',')?;
    Some((x.trim().parse().ok()?, y.trim().parse().ok()?))
}

/// Where a node is drawn that was never drawn: one below the other.
fn usual_position(at: usize) -> (i32, i32) {
    (
        200,
        i32::try_from(at)
            .unwrap_or_default()
            .saturating_mul(80)
            .saturating_add(40),
    )
}

/// The jar's name as it was, unless the step has been given another plug-in or version since.
fn jar(key: &str, version: Option<&str>, was: Option<&str>) -> String {
    let same = |it: &JarName| it.name == key && version.is_none_or(|version| it.version == version);
    if let Some(was) = was.and_then(JarName::of).filter(same) {
        return was.file;
    }
    format!("{key}-{}.jar", version.unwrap_or(ANY_VERSION))
}

/// Whether an annotation is one of those that are written here.
pub fn is_annotation(name: &str) -> bool {
    name.starts_with(PREFIX)
}

const _: () = assert!(MAX_ID_OF_NAME + "-1000".len() <= MAX_ID);

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        visibility: "private",
        concurrency: 0,
    };

    fn node(name: &str, jar: &str) -> Node {
        Node {
            name: name.into(),
            menu_name: name.into(),
            configuration: Some(format!("<{name}/>")),
            template: Template {
                name: "T".into(),
                jar: jar.into(),
                directory: JarName::of(jar).map(|it| it.name),
                ..Template::default()
            },
            x: 1,
            y: -2,
            ..Node::default()
        }
    }

    fn edge(from: usize, to: usize, script: &str) -> Edge {
        Edge {
            from,
            to,
            script: script.into(),
        }
    }

    fn pipeline() -> Pipeline {
        Pipeline {
            name: "p".into(),
            description: "d".into(),
            visibility: None,
            nodes: vec![
                node("Get it!", "uv-e-x-1.0.jar"),
                node("get it", "uv-e-x-1.0.jar"),
                node("\u{17d}", "uv-t-y-2.1.5-001.jar"),
            ],
            edges: vec![
                edge(1, 2, "o -> i;"),
                edge(0, 2, "o -> i;p -> j;"),
                edge(0, 1, ""),
            ],
        }
    }

    #[test]
    fn nodes_are_steps_and_edges_are_their_inputs() {
        let definition = of(&pipeline(), SHAPE).unwrap();
        let steps = definition["steps"].as_array().unwrap();
        let ids: Vec<_> = steps.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["get-it", "get-it-2", "step"]);
        assert_eq!(steps[0]["needs"], json!([]));
        assert_eq!(steps[1]["needs"], json!(["get-it"]));
        assert_eq!(steps[2]["needs"], json!(["get-it-2", "get-it"]));
        let plugin = json!({"name": "uv-t-y", "version": "2.1.5-001", "config": "<\u{17d}/>",
            "inputs": {"i": ["get-it-2.o", "get-it.o"], "j": ["get-it.p"]}});
        assert_eq!(steps[2]["plugin"], plugin);
        assert_eq!(definition["concurrency"], 0);
    }

    #[test]
    fn a_definition_leads_back_to_its_pipeline() {
        let mut there = pipeline();
        there.nodes[1].uses_template = true;
        there.nodes[1].template.configuration = there.nodes[1].configuration.clone();
        there.nodes[1].description = "what it is for".into();
        let definition = of(&there, SHAPE).unwrap();
        let back = to_pipeline(&definition).unwrap();
        assert_eq!(back.nodes, there.nodes);
        assert_eq!(of(&back, SHAPE).unwrap(), definition);
    }

    #[test]
    fn steps_that_are_no_plug_ins_are_named() {
        let definition = json!({"name": "p", "steps": [{"id": "a", "run": "true"},
            {"id": "b", "plugin": {"name": "x"}}, {"id": "c", "http": {}}]});
        let refused = Refused::NoPlugins(vec!["a".into(), "c".into()]);
        assert_eq!(to_pipeline(&definition), Err(refused));
    }

    #[test]
    fn a_definition_of_our_own_makes_a_pipeline() {
        let definition = json!({"name": "p", "steps": [{"id": "a", "plugin": {"name": "uv-e-x"}},
            {"id": "b", "plugin": {"name": "uv-t-y", "version": "2.0", "inputs": {"i": ["a.o"]}},
             "annotations": {"unifiedviews/jar": "uv-t-y-1.0.jar"}}]});
        let made = to_pipeline(&definition).unwrap();
        assert_eq!(made.edges, [edge(0, 1, "o -> i;")]);
        let jars: Vec<_> = made
            .nodes
            .iter()
            .map(|it| it.template.jar.as_str())
            .collect();
        assert_eq!(jars, ["uv-e-x-1.0.0.jar", "uv-t-y-2.0.jar"]);
        assert_eq!((made.nodes[1].x, made.nodes[1].y), (200, 120));
    }

    #[test]
    fn what_is_wrong_with_an_edge_or_a_jar_is_said() {
        let mut wrong = pipeline();
        wrong.edges[0].script = "o =>".into();
        let error = of(&wrong, SHAPE).unwrap_err().to_string();
        assert!(
            error.starts_with("the edge from \"get it\" to \"\u{17d}\": \"o =>\""),
            "{error}"
        );
        wrong.nodes[0].template.jar = "x.jar".into();
        assert_eq!(of(&wrong, SHAPE), Err(Error::JarName("x.jar".into())));
    }
}
