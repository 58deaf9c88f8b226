//! Dynamic settings: what a start says of a branch and of steps, as parameters of the run. Pure.
//!
//! A pipeline takes them only if its source says so (`dynamicSettings`), as its document was given.

use serde_json::{Map, Value};

use super::document::KEPT;

/// Why a pipeline takes no settings.
pub(super) const NOT_DYNAMIC: &str = "its source does not allow dynamic settings";

/// Whether the source of a definition allows settings.
pub(super) fn are_allowed(definition: &Value) -> bool {
    match &definition["annotations"][KEPT]["source"]["dynamicSettings"] {
        Value::Bool(flag) => *flag,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Parameters of a run: `branch`, and what each step is given by name. What comes twice is said by
/// the last one.
pub(super) fn parameters(settings: &Map<String, Value>) -> Map<String, Value> {
    let mut parameters = Map::new();
    if let Some(branch @ Value::String(_)) = settings.get("branch") {
        parameters.insert("branch".into(), branch.clone());
    }
    let steps = settings.get("steps").and_then(Value::as_array);
    for step in steps.into_iter().flatten() {
        match &step["stepParameters"] {
            Value::Array(list) => parameters.extend(list.iter().filter_map(named)),
            Value::Object(fields) => parameters.extend(fields.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    parameters
}

/// A parameter as an element of a list says it.
fn named(said: &Value) -> Option<(String, Value)> {
    let names = ["name", "parameterName", "key"];
    let name = names.iter().find_map(|key| said[key].as_str())?;
    let value = said.get("value").filter(|it| !it.is_null())?;
    Some((name.to_owned(), value.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_become_parameters() {
        let settings = json!({"branch": "dev", "steps": [
            {"name": "Build", "stepParameters": [{"name": "TARGET", "value": "all"}, {"value": 1}]},
            {"stepParameters": [{"parameterName": "N", "value": 3}, {"name": "nothing", "value": null}]},
            {"stepParameters": {"TARGET": "some"}}, {}, 7,
        ]});
        let settings = settings.as_object().unwrap();
        let expected = json!({"branch": "dev", "TARGET": "some", "N": 3});
        assert_eq!(Value::Object(parameters(settings)), expected);
    }

    #[test]
    fn only_a_source_that_says_so_allows_them() {
        for (said, allowed) in [
            (json!(true), true),
            (json!("True"), true),
            (json!(1), false),
        ] {
            let source = json!({"dynamicSettings": said});
            let definition = json!({"annotations": {"opsera": {"source": source}}});
            assert_eq!(are_allowed(&definition), allowed);
        }
        assert!(!are_allowed(&json!({})));
    }
}
