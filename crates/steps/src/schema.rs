//! The JSON Schema (draft 2020-12) of a definition, for editors and for `/api/v2/schemas/pipeline.json`.
//!
//! It names exactly the keys that the reader takes; what spans several values (needs, cycles, expressions) only the
//! reader can tell.

use serde_json::{Value, json};

use crate::definition::{
    MAX_CONCURRENCY, MAX_DESCRIPTION, MAX_ENTRIES, MAX_ID, MAX_NAME, MAX_STEPS,
};
use crate::kinds::CATALOG;
use crate::parameters::{MAX_PARAMETERS, MAX_VALUE};
use crate::retry::MAX_ATTEMPTS;

const NAME: &str = "^[A-Za-z_][A-Za-z0-9_-]{0,127}$";
const VARIABLE: &str = "^(?!PENSTOCK_|TRACEPARENT$)[A-Za-z_][A-Za-z0-9_]{0,255}$";

/// The schema of a pipeline's definition.
pub fn pipeline() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Penstock pipeline",
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "steps"],
        "properties": {
            "name": title("The pipeline's name."),
            "description": {"type": "string", "maxLength": MAX_DESCRIPTION},
            "visibility": {
                "description": "What others of the account may do where there are no roles: nothing, view, or view and run.",
                "enum": ["private", "public_ro", "public_rw"],
                "default": "public_rw",
            },
            "roles": list(&role()),
            "tags": list(&tag()),
            "concurrency": {
                "description": "Runs of this pipeline at a time, the others queue; 0 for no limit.",
                "type": "integer", "minimum": 0, "maximum": MAX_CONCURRENCY, "default": 1,
            },
            "conflicts": described(list(&json!({"$ref": "#/$defs/text", "maxLength": MAX_NAME})),
                "Pipelines (id, number or name) that must not run at the same time as this one, whichever of them says so. They are kept by their ids."),
            "parameters": {
                "type": "object",
                "maxProperties": MAX_PARAMETERS,
                "propertyNames": {"pattern": NAME},
                "additionalProperties": parameter(),
            },
            "annotations": annotations(),
            "steps": {"type": "array", "maxItems": MAX_STEPS, "items": {"$ref": "#/$defs/step"}},
        },
        "$defs": {
            "step": step(),
            "text": {"type": ["string", "number", "boolean"]},
            "duration": {
                "type": "string",
                "pattern": "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
                "examples": ["500ms", "5m", "1h30m"],
            },
        },
    })
}

fn step() -> Value {
    let mut properties = json!({
        "id": {"description": "Unique in the pipeline.", "type": "string",
            "pattern": format!("^[a-z0-9-]{{1,{MAX_ID}}}$")},
        "name": title("The step's name; its id serves where there is none."),
        "needs": {
            "description": "Steps that must end well before this one starts. Without any in the pipeline, steps come \
                            one after the other.",
            "type": "array", "items": {"type": "string"}, "uniqueItems": true, "maxItems": MAX_STEPS,
        },
        "env": variables(&json!({"type": ["string", "number", "boolean", "null"]}),
            "Variables of the process; expressions may stand in the values."),
        "secrets": variables(&title("The secret's name in the registry."),
            "Secrets by the name of the variable that holds them."),
        "timeout": duration("How long one try may take; without limit for steps that wait for what is outside.", "24h"),
        "retry": retry(),
        "onLost": {
            "description": "Whether a step whose executor was lost runs again or has failed.",
            "enum": ["rerun", "fail"], "default": "rerun",
        },
        "always": {
            "description": "A finalizer: runs after all other steps, however they ended, unless the run is killed.",
            "type": "boolean", "default": false,
        },
        "enabled": {"type": "boolean", "default": true},
        "annotations": annotations(),
    });
    let mut kinds = Vec::new();
    for kind in &CATALOG {
        properties[kind.key] = (kind.schema)();
        kinds.push(json!({"required": [kind.key]}));
    }
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id"],
        "oneOf": kinds,
        "properties": properties,
    })
}

fn annotations() -> Value {
    json!({
        "description": "Anything that is to be kept with it and given back, 16 KiB at most. Nothing comes of it, and \
                        whoever sees the definition sees it.",
        "type": "object", "maxProperties": MAX_ENTRIES,
    })
}

fn retry() -> Value {
    json!({
        "description": "Tries the step again after a failure.",
        "type": "object",
        "additionalProperties": false,
        "required": ["attempts"],
        "properties": {
            "attempts": {"description": "Tries in all, the first included.",
                "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS},
            "delay": duration("Before the second try.", "1s"),
            "backoff": {"description": "How much longer each delay is than the one before.",
                "type": "number", "minimum": 1, "maximum": 100, "default": 2},
            "jitter": {"description": "Which part of a delay is left to chance.",
                "type": "number", "minimum": 0, "maximum": 1, "default": 0.1},
            "maxDelay": duration("No delay is longer.", "1h"),
        },
    })
}

fn parameter() -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "type": {"enum": ["string", "number", "boolean"], "default": "string"},
            "default": {"$ref": "#/$defs/text"},
            "description": {"type": "string", "maxLength": MAX_VALUE},
            "required": {"description": "A run must be given a value where there is no default.",
                "type": "boolean", "default": false},
        },
    })
}

fn role() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["role"],
        "oneOf": [{"required": ["user"]}, {"required": ["group"]}, {"required": ["siteRole"]}],
        "properties": {
            "role": {"enum": ["administrator", "manager", "secops", "user", "guest"]},
            "user": title("An e-mail address."),
            "group": title("A group's name."),
            "siteRole": title("A role in the whole site."),
        },
    })
}

fn tag() -> Value {
    let text = json!({"$ref": "#/$defs/text", "maxLength": MAX_NAME});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["type", "value"],
        "properties": {"type": text, "value": text},
    })
}

fn list(items: &Value) -> Value {
    json!({"type": "array", "maxItems": MAX_ENTRIES, "items": items})
}

fn variables(value: &Value, description: &str) -> Value {
    json!({
        "description": description,
        "type": "object",
        "maxProperties": MAX_ENTRIES,
        "propertyNames": {"pattern": VARIABLE},
        "additionalProperties": value,
    })
}

fn title(description: &str) -> Value {
    json!({"description": description, "type": "string", "minLength": 1, "maxLength": MAX_NAME})
}

fn duration(description: &str, default: &str) -> Value {
    json!({"$ref": "#/$defs/duration", "description": description, "default": default})
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = description.into();
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{definition, kinds, parameters};

    fn keys<'a>(schema: &'a Value, at: &str) -> BTreeSet<&'a str> {
        let properties = schema
            .pointer(&format!("{at}/properties"))
            .and_then(Value::as_object);
        properties
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect()
    }

    #[test]
    fn the_schema_has_the_keys_that_the_reader_takes() {
        let schema = pipeline();
        let kinds = CATALOG.iter().map(|kind| kind.key);
        let step: Vec<_> = definition::STEP_KEYS.into_iter().chain(kinds).collect();
        for (at, expected) in [
            ("", &definition::KEYS[..]),
            ("/$defs/step", &step),
            ("/$defs/step/properties/retry", &definition::RETRY_KEYS),
            ("/$defs/step/properties/http", &kinds::http::KEYS),
            ("/$defs/step/properties/tool", &kinds::tool::KEYS),
            ("/$defs/step/properties/plugin", &kinds::plugin::KEYS),
            ("/$defs/step/properties/approval", &kinds::approval::KEYS),
            (
                "/$defs/step/properties/userAction",
                &kinds::user_action::KEYS,
            ),
            ("/$defs/step/properties/pipeline", &kinds::pipeline::KEYS),
            ("/properties/roles/items", &definition::ROLE_KEYS),
            ("/properties/tags/items", &definition::TAG_KEYS),
            (
                "/properties/parameters/additionalProperties",
                &parameters::KEYS,
            ),
        ] {
            assert_eq!(
                keys(&schema, at),
                expected.iter().copied().collect(),
                "{at}"
            );
        }
    }

    #[test]
    fn every_object_of_the_schema_is_closed() {
        fn check(schema: &Value) {
            if let Some(object) = schema.as_object() {
                let closed =
                    !object.contains_key("properties") || object["additionalProperties"] == false;
                assert!(closed || !object["properties"].is_object(), "{schema:#}");
                object.values().for_each(check);
            } else if let Some(items) = schema.as_array() {
                items.iter().for_each(check);
            }
        }
        check(&pipeline());
    }
}
