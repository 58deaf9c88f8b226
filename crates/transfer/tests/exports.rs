//! Real exports, if there are any: `PENSTOCK_EXPORTS` names a folder of them with an `expected.json` that says what a
//! correct reader finds.

#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use steps::plugins::config::Master;
use transfer::definition::{self, Shape};
use transfer::export::Export;
use transfer::{Node, Pipeline};

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("PENSTOCK_EXPORTS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../uv-exports");
    named.or_else(|| beside.join("expected.json").is_file().then_some(beside))
}

#[test]
fn real_exports_read_as_expected() {
    let Some(folder) = folder() else {
        return;
    };
    let expected = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Map<String, Value> = serde_json::from_str(&expected).unwrap();
    assert!(!expected.is_empty());
    for (file, expected) in expected {
        let bytes = std::fs::read(folder.join(&file)).unwrap();
        let pipeline = Export::read(&bytes, true).unwrap().pipeline;
        for (key, found) in found(&pipeline) {
            compare(&format!("{file} {key}"), &expected[&key], &found);
        }
        imports(&file, &pipeline);
    }
}

fn found(pipeline: &Pipeline) -> Vec<(String, Value)> {
    let mut nodes: Vec<_> = pipeline.nodes.iter().map(node).collect();
    nodes.sort_by_key(|it| it["instance"].as_str().map(str::to_owned));
    let name = |at: usize| &pipeline.nodes[at].name;
    let mut edges: Vec<_> = pipeline.edges.iter().collect();
    edges.sort_by_key(|edge| (name(edge.from), name(edge.to)));
    let edges: Vec<_> = edges
        .into_iter()
        .map(|edge| json!({"src": name(edge.from), "dst": name(edge.to), "script": edge.script}))
        .collect();
    [
        ("name", json!(pipeline.name)),
        ("description", json!(pipeline.description)),
        (
            "shareTypeInFile",
            json!(pipeline.visibility.map(transfer::Visibility::name)),
        ),
        ("nodeCount", json!(nodes.len())),
        ("edgeCount", json!(edges.len())),
        ("nodes", json!(nodes)),
        ("edges", json!(edges)),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .to_vec()
}

fn node(node: &Node) -> Value {
    let read = Master::read(node.used_configuration().unwrap()).unwrap();
    let own = read.own;
    let keys = match read.keys.as_slice() {
        [] => json!(["(legacy)"]),
        keys => json!(keys),
    };
    let fields = own.fields().map(|(name, field)| {
        let value = match field.children.len() {
            0 if field.text.is_empty() => Value::Null,
            0 => json!(field.text),
            count => json!(format!("<{count} children>")),
        };
        (name, value)
    });
    let fields: Map<String, Value> = fields.collect();
    json!({
        "instance": node.name, "template": node.template.name, "jar": node.template.jar,
        "x": node.x, "y": node.y, "useTemplateConfig": node.uses_template,
        "configClass": own.class, "configKeys": keys, "config": fields,
    })
}

/// Compares values; a digest stands for a long text.
fn compare(place: &str, expected: &Value, found: &Value) {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) if expected.starts_with("sha256:") => {
            let digest = hex::encode(Sha256::digest(found.as_bytes()));
            let found = format!("sha256:{digest}:{} bytes", found.len());
            assert_eq!(*expected, found, "{place}");
        }
        (Value::Object(expected), Value::Object(found)) => {
            let keys = |map: &Map<String, Value>| {
                let mut keys: Vec<_> = map.keys().cloned().collect();
                keys.sort();
                keys
            };
            assert_eq!(keys(expected), keys(found), "{place}");
            for (key, expected) in expected {
                compare(&format!("{place}.{key}"), expected, &found[key]);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            assert_eq!(expected.len(), found.len(), "{place}");
            for (at, expected) in expected.iter().enumerate() {
                compare(&format!("{place}[{at}]"), expected, &found[at]);
            }
        }
        _ => assert_eq!(expected, found, "{place}"),
    }
}

/// What is made of an export leads to the same again, also over a ZIP of our own.
fn imports(file: &str, pipeline: &Pipeline) {
    let shape = Shape {
        visibility: "private",
        concurrency: 0,
    };
    let made = definition::of(pipeline, shape).unwrap();
    let again = definition::to_pipeline(&made).unwrap();
    let zip = transfer::write(&again, "2026-01-01 00:00:00.0 UTC").unwrap();
    let read = Export::read(&zip, true).unwrap();
    assert_eq!(
        definition::of(&read.pipeline, shape).unwrap(),
        made,
        "{file}"
    );
    assert_eq!(read.templates.len(), {
        let mut jars: Vec<_> = pipeline.nodes.iter().map(|it| &it.template.jar).collect();
        jars.sort();
        jars.dedup();
        jars.len()
    });
}
