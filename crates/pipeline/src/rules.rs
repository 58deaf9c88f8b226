//! A pipeline's access rules, and which rights a change to a pipeline takes.

use std::collections::{BTreeMap, BTreeSet};

use contracts::access::{Item, Right, Rule, Standing, Visibility};
use contracts::message::Caller;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;
use crate::entity::pipeline;
use crate::record::from_json;

/// What of a definition says who may do what. Its row holds it again, so that asking takes no
/// further look into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    visibility: Visibility,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Rule>,
}

impl Rules {
    /// Those of a stored definition.
    pub(crate) fn of_definition(json: &str) -> Result<Self, Error> {
        from_json(json)
    }

    /// Those of a pipeline's current version.
    pub(crate) fn of_row(row: &pipeline::Model) -> Result<Self, Error> {
        from_json(&row.access)
    }

    /// What a caller is to the pipeline.
    pub(crate) fn standing(&self, caller: &Caller, row: &pipeline::Model) -> Standing {
        let item = Item {
            account: &row.account,
            owner: &row.owner,
            rules: &self.roles,
            visibility: self.visibility,
        };
        Standing::of(caller, &item)
    }
}

/// Keys of a step that say where it is in the workflow.
const STRUCTURE: [&str; 4] = ["id", "needs", "always", "enabled"];
/// Keys of every step that say how it goes about its work. All others are what the step does.
const DETAILS: [&str; 7] = [
    "name",
    "env",
    "secrets",
    "timeout",
    "retry",
    "onLost",
    "annotations",
];

/// The rights that it takes to change a definition into another one. To store the same again takes
/// the least of them.
pub(crate) fn rights_to_change(before: &str, after: &str) -> Result<BTreeSet<Right>, Error> {
    let (before, after): (Map<_, _>, Map<_, _>) = (from_json(before)?, from_json(after)?);
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    let rights = changed.map(|key| match key.as_str() {
        "roles" | "visibility" => Right::EditRules,
        "steps" if structure(&before) == structure(&after) => Right::EditSteps,
        _ => Right::EditWorkflow,
    });
    Ok(rights.chain([Right::EditSteps]).collect())
}

/// Which steps there are, where they are, and what kind each is.
fn structure(definition: &Map<String, Value>) -> Vec<BTreeMap<&str, &Value>> {
    steps(definition).iter().map(placed).collect()
}

fn placed(step: &Value) -> BTreeMap<&str, &Value> {
    let Value::Object(step) = step else {
        return BTreeMap::new();
    };
    let keys = step
        .iter()
        .filter(|(key, _)| !DETAILS.contains(&key.as_str()));
    keys.map(|(key, value)| {
        let is_place = STRUCTURE.contains(&key.as_str());
        (key.as_str(), if is_place { value } else { &Value::Null })
    })
    .collect()
}

fn steps(definition: &Map<String, Value>) -> &[Value] {
    let steps = definition.get("steps").and_then(Value::as_array);
    steps.map(Vec::as_slice).unwrap_or_default()
}

/// A definition without what its steps are told to do, for those who may not see it. What kind of
/// step each is stays.
pub(crate) fn without_step_details(definition: &str) -> Result<String, Error> {
    let mut definition: Map<String, Value> = from_json(definition)?;
    let steps = definition.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten().filter_map(Value::as_object_mut) {
        step.retain(|key, _| key == "name" || !DETAILS.contains(&key.as_str()));
        for (key, value) in step.iter_mut() {
            if key != "name" && !STRUCTURE.contains(&key.as_str()) {
                *value = emptied(value);
            }
        }
    }
    Ok(Value::Object(definition).to_string())
}

/// The empty value of the same type.
fn emptied(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => Value::Bool(false),
        Value::Number(_) => Value::from(0),
        Value::String(_) => Value::String(String::new()),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) => Value::Object(Map::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition() -> Value {
        json!({
            "name": "p",
            "visibility": "public_rw",
            "concurrency": 1,
            "steps": [
                {"id": "a", "run": "echo", "env": {"A": "1"}, "needs": []},
                {"id": "b", "name": "Go?", "approval": {"message": "ok?"}},
            ],
        })
    }

    #[test]
    fn a_change_takes_the_rights_of_what_it_changes() {
        use Right::{EditRules, EditSteps, EditWorkflow};
        for (place, value, expected) in [
            ("", json!(null), vec![EditSteps]),
            ("/steps/0/run", json!("echo 2"), vec![EditSteps]),
            ("/steps/0/env/A", json!("2"), vec![EditSteps]),
            ("/steps/1/name", json!("Stop?"), vec![EditSteps]),
            (
                "/steps/1/approval",
                json!({"contact": "ops"}),
                vec![EditSteps],
            ),
            (
                "/steps/0",
                json!({"id": "a", "needs": [], "run": "x", "timeout": "5m"}),
                vec![EditSteps],
            ),
            (
                "/steps/0",
                json!({"id": "a", "needs": [], "command": ["x"]}),
                vec![EditSteps, EditWorkflow],
            ),
            (
                "/steps/0",
                json!({"id": "a", "needs": [], "run": "x", "enabled": false}),
                vec![EditSteps, EditWorkflow],
            ),
            ("/steps/0/id", json!("c"), vec![EditSteps, EditWorkflow]),
            (
                "/steps/0/needs",
                json!(["b"]),
                vec![EditSteps, EditWorkflow],
            ),
            ("/steps", json!([]), vec![EditSteps, EditWorkflow]),
            ("/concurrency", json!(2), vec![EditSteps, EditWorkflow]),
            ("/name", json!("q"), vec![EditSteps, EditWorkflow]),
            ("/visibility", json!("private"), vec![EditSteps, EditRules]),
        ] {
            let (before, mut after) = (definition(), definition());
            if !place.is_empty() {
                *after.pointer_mut(place).unwrap() = value;
            }
            let rights = rights_to_change(&before.to_string(), &after.to_string()).unwrap();
            assert_eq!(rights, expected.into_iter().collect(), "{place}: {after}");
        }
        for (key, value, expected) in [
            ("roles", json!([{"role": "user", "group": "g"}]), EditRules),
            ("tags", json!([{"type": "a", "value": "b"}]), EditWorkflow),
            ("parameters", json!({"a": {"type": "string"}}), EditWorkflow),
        ] {
            let (with, without) = (definition().to_string(), definition());
            let mut changed = without;
            changed[key] = value;
            for (before, after) in [(&with, &changed.to_string()), (&changed.to_string(), &with)] {
                let rights = rights_to_change(before, after).unwrap();
                assert_eq!(rights, [EditSteps, expected].into(), "{key}");
            }
        }
    }

    #[test]
    fn who_may_not_see_the_steps_sees_which_there_are() {
        let shown = without_step_details(&definition().to_string()).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let expected = json!([
            {"id": "a", "run": "", "needs": []},
            {"id": "b", "name": "Go?", "approval": {}},
        ]);
        assert_eq!(shown["steps"], expected);
        assert_eq!(shown["name"], "p");
    }

    #[test]
    fn rules_are_those_of_the_definition() {
        let mut definition = definition();
        definition["visibility"] = json!("public_ro");
        definition["roles"] = json!([{"role": "secops", "siteRole": "Auditors"}]);
        let rules = Rules::of_definition(&definition.to_string()).unwrap();
        assert_eq!(
            (rules.visibility, rules.roles.len()),
            (Visibility::PublicRo, 1)
        );
    }
}
