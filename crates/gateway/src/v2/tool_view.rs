//! A tool, as answers show it and as it is said.

use contracts::registry::Tool;
use contracts::tool::{ATTRIBUTES, PROTECTED, attribute_of};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Person;
use crate::opsera::registry::properties;
use crate::problem::Problem;
use crate::time::Time;

/// What only the server says. A client may send it back, and nothing comes of it.
const READ_ONLY: &[&str] = &[
    "id",
    "number",
    "account",
    "owner",
    "access",
    "revision",
    "createdAt",
    "updatedAt",
];
/// Where properties are that the API has no name for.
const EXTRA: &str = "extra";

/// What can be said about a tool.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ToolProperties)]
pub(crate) struct Properties {
    /// Up to 50 characters.
    name: String,
    /// Up to 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// What kind of system it is, such as `jenkins`. It stays.
    tool_identifier: String,
    /// What sort of system; from the kind unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_type_identifier: Option<String>,
    /// Which connector works with it, if another than its kind says: `kafka` if an outside consumer
    /// serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    /// True unless said. Steps can't use a tool that is not active.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    /// Who may do what with it. Without any, everyone of the account may.
    roles: Vec<Rule>,
    /// How it is reached. A text in the place of a secret (`password`, `token`, …) goes to the vault,
    /// and a reference stands in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accounts: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projects: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applications: Option<Vec<Map<String, Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compliance: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licensing: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_reference: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<String>,
    /// Up to 25 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_center: Option<String>,
    /// Kept as it is said: every secret is in the platform's vault.
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<String>,
    /// Properties that this API has no name for.
    #[serde(skip_serializing_if = "Map::is_empty")]
    extra: Map<String, Value>,
}

/// A rule that gives a role to one of user, group and site role.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ToolRule)]
struct Rule {
    /// `guest`, `user`, `manager`, `secops` or `administrator`.
    role: String,
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// A group's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "site_role")]
    site_role: Option<String>,
}

/// A tool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tool)]
pub(crate) struct ToolView {
    /// 24 hex digits.
    id: String,
    number: i64,
    account: String,
    owner: Person,
    /// What the caller is to it: `owner`, or the role that rules or the site give.
    access: String,
    /// Counts its changes from 1.
    revision: i64,
    created_at: Time,
    updated_at: Time,
    #[serde(flatten)]
    properties: Properties,
}

impl ToolView {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn of(tool: Tool) -> Self {
        let properties = shown(properties(&tool)).unwrap_or_else(|error| {
            tracing::error!(tool.id = tool.id, "a tool can't be shown: {error}");
            Properties::default()
        });
        Self {
            id: tool.id,
            number: tool.number,
            account: tool.account,
            owner: Person {
                id: tool.owner,
                name: tool.owner_name,
            },
            access: tool.role_access_level,
            revision: tool.revision,
            created_at: Time::at(tool.created_at_ms),
            updated_at: Time::at(tool.updated_at_ms),
            properties,
        }
    }
}

fn shown(mut said: Map<String, Value>) -> serde_json::Result<Properties> {
    let mut own = Map::new();
    for attribute in ATTRIBUTES {
        if let Some(value) = said.remove(attribute.name) {
            own.insert(attribute.own_name.to_owned(), value);
        }
    }
    own.insert(EXTRA.to_owned(), Value::Object(said));
    serde_json::from_value(Value::Object(own))
}

/// What a client says of a tool, as the registry wants it.
pub(super) fn on_wire(said: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let mut wire = Map::new();
    for (name, value) in said {
        let attribute = ATTRIBUTES.iter().find(|it| it.own_name == name);
        match (attribute, name.as_str(), value) {
            (Some(attribute), _, value) => {
                wire.insert(attribute.name.to_owned(), value);
            }
            (None, EXTRA, Value::Object(extra)) => {
                if let Some(known) = extra.keys().find(|name| is_known(name)) {
                    let detail = format!("extra.{known}: the API has a name for this: use it");
                    return Err(Problem::invalid(detail));
                }
                wire.extend(extra);
            }
            (None, name, _) if READ_ONLY.contains(&name) => {}
            (None, EXTRA, _) => return Err(Problem::invalid("extra: must be an object")),
            (None, ..) => {
                let detail = format!("{name}: a tool has no such property: put it into `extra`");
                return Err(Problem::invalid(detail));
            }
        }
    }
    Ok(wire)
}

fn is_known(name: &str) -> bool {
    attribute_of(name).is_some() || PROTECTED.contains(&name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_shown_can_be_said_again() {
        let said = json!({"name": "CI", "tool_identifier": "jenkins", "active": false,
            "roles": [{"role": "user", "site_role": "Auditors"}], "external_reference": [1],
            "costCenter": "x", "configuration": {"url": "u"}, "my_own": {"a": 1}});
        let tool = Tool {
            id: "1".into(),
            document_json: said.to_string(),
            ..Default::default()
        };
        let shown = serde_json::to_value(ToolView::of(tool)).unwrap();
        assert_eq!(shown["toolIdentifier"], "jenkins");
        assert_eq!(
            shown["roles"],
            json!([{"role": "user", "siteRole": "Auditors"}])
        );
        assert_eq!(shown["extra"], json!({"my_own": {"a": 1}}));
        let mut again = on_wire(object(shown)).unwrap();
        again["roles"] = said["roles"].clone();
        assert_eq!(Value::Object(again), said);
    }

    #[test]
    fn every_attribute_is_shown_under_its_own_name() {
        use contracts::tool::Shape;
        let said = ATTRIBUTES.iter().map(|attribute| {
            let value = match attribute.shape {
                Shape::Text(_) | Shape::Id => json!("x"),
                Shape::Flag => json!(true),
                Shape::Object => json!({"a": 1}),
                Shape::Objects => json!([{"a": 1}]),
                Shape::List => json!(["a"]),
                Shape::Rules => json!([{"role": "user", "user": "a"}]),
            };
            (attribute.name.to_owned(), value)
        });
        let shown = serde_json::to_value(shown(said.collect()).unwrap()).unwrap();
        for attribute in ATTRIBUTES {
            assert!(!shown[attribute.own_name].is_null(), "{attribute:?}");
        }
    }

    #[test]
    fn what_the_api_has_no_name_for_is_said_as_extra() {
        for wrong in [
            json!({"tool_identifier": "x"}),
            json!({"unknown": 1}),
            json!({"extra": [1]}),
            json!({"extra": {"owner": "me"}}),
            json!({"extra": {"name": "n"}}),
        ] {
            assert!(on_wire(object(wrong.clone())).is_err(), "{wrong}");
        }
        let said = json!({"id": "x", "owner": {"id": "me"}, "account": "b", "number": 1,
            "createdAt": "now", "extra": {"a": 1}});
        assert_eq!(on_wire(object(said)).unwrap(), object(json!({"a": 1})));
    }
}
