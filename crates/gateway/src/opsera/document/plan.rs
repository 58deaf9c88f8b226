//! The steps of a definition as elements of a document's `plan`.

use contracts::pipeline;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::KEPT;

/// An element of `plan`.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    #[serde(rename = "_id")]
    id: String,
    name: String,
    active: bool,
    #[serde(rename = "type")]
    kind: Value,
    orchestration_type: &'static str,
    tool: Tool,
    trigger: [(); 0],
    notification: Value,
    tags: Value,
}

#[derive(Debug, Serialize)]
struct Tool {
    tool_identifier: String,
    configuration: Map<String, Value>,
}

/// The plan of a definition, with the permanent ids of its steps.
pub(super) fn of(definition: &Value, ids: &[pipeline::Step]) -> Vec<Step> {
    let steps = definition["steps"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    steps.iter().map(|step| Step::of(step, ids)).collect()
}

impl Step {
    fn of(step: &Value, ids: &[pipeline::Step]) -> Self {
        let slug = step["id"].as_str().unwrap_or_default();
        let known = ids.iter().find(|known| known.slug == slug);
        let (kind, tool) = tool(step);
        let kept = |key: &str, otherwise: Value| match &step["annotations"][KEPT][key] {
            Value::Array(list) => json!(list),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => otherwise,
        };
        Self {
            id: known.map_or_else(|| slug.to_owned(), |known| known.id.clone()),
            name: step["name"].as_str().unwrap_or(slug).to_owned(),
            active: step["enabled"] != false,
            kind: kept("type", json!([kind])),
            orchestration_type: "standard",
            tool,
            trigger: [],
            notification: kept("notification", json!([])),
            tags: kept("tags", json!([])),
        }
    }
}

/// The category of a step, and what does it.
fn tool(step: &Value) -> (&'static str, Tool) {
    if let Some(tool) = step.get("tool") {
        return ("deploy", registered(tool));
    }
    let (category, identifier, mut configuration) = if let Some(script) = step.get("run") {
        ("script", "command-line", json!({"commands": script}))
    } else if let Some(argv) = step.get("command") {
        ("script", "command-line", json!({"commands": argv}))
    } else if let Some(request) = step.get("http") {
        ("api", "external_rest_api_integration", request.clone())
    } else if let Some(gate) = step.get("approval") {
        ("approval", "approval", gate.clone())
    } else if let Some(action) = step.get("userAction") {
        ("approval", "user-action", action.clone())
    } else if let Some(child) = step.get("pipeline") {
        (
            "pipeline",
            "child-pipeline",
            json!({"pipelineId": child["pipeline"]}),
        )
    } else {
        ("plugin", "plugin", step["plugin"].clone())
    };
    for (key, name) in [("env", "environment"), ("secrets", "secrets")] {
        if let (Some(value), Some(fields)) = (step.get(key), configuration.as_object_mut()) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let tool = Tool {
        tool_identifier: identifier.to_owned(),
        configuration: fields(configuration),
    };
    (category, tool)
}

/// An operation of a registered tool.
fn registered(tool: &Value) -> Tool {
    let mut configuration = fields(tool["with"].clone());
    configuration.insert("toolConfigId".into(), tool["tool"].clone());
    Tool {
        tool_identifier: tool["kind"].as_str().unwrap_or("tool").to_owned(),
        configuration,
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
