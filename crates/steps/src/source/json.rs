//! A text as plain JSON, for documents that have no definition of their own.
//!
//! Plain scalars mean what YAML's core schema says: nothing, truths, numbers; all else is text.

use serde_json::{Map, Number, Value as Json};

use super::{Node, Scalar, Value, parse};
use crate::fault::Fault;

/// Reads YAML, or the JSON that it is, as a JSON value.
pub fn json_of(text: &str) -> Result<Json, Fault> {
    json(&*parse(text)?)
}

fn json(node: &Node) -> Result<Json, Fault> {
    if node.is_null() {
        return Ok(Json::Null);
    }
    match &node.value {
        Value::Scalar(scalar) => Ok(of_scalar(scalar)),
        Value::List(list) => list.iter().map(|it| json(it)).collect(),
        Value::Map(entries) => {
            let mut map = Map::new();
            for entry in entries {
                if map.insert(entry.key.clone(), json(&entry.value)?).is_some() {
                    return Err(Fault {
                        place: entry.key.clone(),
                        line: Some(entry.line),
                        column: Some(entry.column),
                        message: "is there twice".into(),
                    });
                }
            }
            Ok(Json::Object(map))
        }
    }
}

fn of_scalar(scalar: &Scalar) -> Json {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return text.into();
    }
    match text {
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        _ => number(text).map_or_else(|| text.into(), Json::Number),
    }
}

/// A number as JSON writes it; what begins with a 0 is a text, as a postal code is.
fn number(text: &str) -> Option<Number> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_means_what_json_says() {
        let text = "a: 1\nb: [true, ~, 1.5, '7', 007, x]\nc: {d: \"\"}\n";
        let expected = json!({"a": 1, "b": [true, null, 1.5, "7", "007", "x"], "c": {"d": ""}});
        assert_eq!(json_of(text).unwrap(), expected);
        assert_eq!(json_of(&expected.to_string()).unwrap(), expected);
        for wrong in ["", "a: 1\na: 2\n", "{", "a: b: c"] {
            assert!(json_of(wrong).is_err(), "{wrong}");
        }
    }
}
