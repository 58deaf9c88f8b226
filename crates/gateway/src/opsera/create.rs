//! `pipeline/create` and `pipeline/demo`: courtesies that clients' scripts use beside the contract.
//!
//! `create` takes a pipeline's document as `summary` answers it and makes a definition of it
//! ([`plan`]). What only the server can say (`_id`, `owner`, `account`, `run_count`, times) is
//! ignored, whatever it says.

mod plan;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contracts::pipeline::DefineRequest;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::document::KEPT;
use super::input;
use super::messages;
use crate::Gateway;
use crate::auth::Who;
use crate::body::Content;
use crate::problem::Problem;

/// The pipeline that was made.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Created {
    status: &'static str,
    message: String,
    new_pipeline_id: String,
}

/// Makes a pipeline of a document. 409 if there is one of the same name.
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    content: Content,
) -> Result<Json<Created>, Problem> {
    let document: Map<String, Value> = content.json()?;
    let request = DefineRequest {
        caller: Some(who.caller()),
        pipeline: None,
        source: definition(document)?.to_string(),
        upsert: false,
        ..Default::default()
    };
    let answer = gateway.peers.pipelines().define(request).await?;
    let pipeline = answer.into_inner();
    Ok(Json(Created {
        status: "success",
        message: messages::created(&pipeline.name),
        new_pipeline_id: pipeline.id,
    }))
}

/// Answers what was sent and whose token it was; a way to try a token that triggers nothing.
pub(crate) async fn demo(who: Who, content: Content) -> Result<Json<Value>, Problem> {
    let mut body = input::fields(&content.bytes)?;
    body.insert("customerId".into(), json!(who.account()));
    let identity = who.identity();
    let actor = who.actor().unwrap_or_default();
    let expires_at_s = Some(identity.expires_at_ms() / 1000).filter(|it| *it > 0);
    Ok(Json(json!({
        "status": "success",
        "message": messages::DEMO,
        "reqBody": body,
        "reqToken": {
            "owner": who.account(),
            "userName": actor.name,
            "email": actor.email,
            "userId": actor.user_id,
            "scope": identity.scopes.join(" "),
            "tokenId": actor.token_id,
            "exp": expires_at_s,
        },
    })))
}

/// The definition that a document says, as JSON.
fn definition(mut document: Map<String, Value>) -> Result<Value, Problem> {
    let mut definition = Map::new();
    for key in ["name", "description", "tags"] {
        if let Some(value) = document.remove(key).filter(|it| !it.is_null()) {
            definition.insert(key.into(), value);
        }
    }
    if let Some(Value::Array(roles)) = document.remove("roles") {
        let roles = roles.into_iter().map(rule).collect();
        definition.insert("roles".into(), Value::Array(roles));
    }
    let mut workflow = document.remove("workflow").unwrap_or_default();
    let kept = kept(document.remove("type"), workflow["source"].take());
    if !kept.is_empty() {
        definition.insert("annotations".into(), json!({KEPT: kept}));
    }
    let steps = match &workflow["plan"] {
        Value::Null => Vec::new(),
        Value::Array(plan) => plan::steps(plan)?,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(Problem::invalid("workflow.plan must be a list of steps"));
        }
    };
    definition.insert("steps".into(), Value::Array(steps));
    Ok(Value::Object(definition))
}

/// What of a document is nothing to Penstock and is given back as it came: its type, and where its
/// source is. The secret of a webhook is none of a definition's.
fn kept(kind: Option<Value>, source: Value) -> Map<String, Value> {
    let mut kept = Map::new();
    if let Some(kind @ Value::Array(_)) = kind {
        kept.insert("type".into(), kind);
    }
    if let Value::Object(mut source) = source {
        source.remove("key");
        if !source.is_empty() {
            kept.insert("source".into(), Value::Object(source));
        }
    }
    kept
}

/// A rule as the definition writes it.
fn rule(mut rule: Value) -> Value {
    if let Some(fields) = rule.as_object_mut()
        && let Some(role) = fields.remove("site_role")
    {
        fields.insert("siteRole".into(), role);
    }
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(document: Value) -> Value {
        let Value::Object(document) = document else {
            unreachable!()
        };
        definition(document).unwrap()
    }

    #[test]
    fn a_document_becomes_a_definition_and_says_nothing_of_the_servers() {
        let document = json!({
            "_id": "5fd56d90979ee048ee660624", "name": "Template", "description": "notes",
            "owner": "me", "account": "other", "createdAt": "2020-01-01T00:00:00.000Z", "__v": 7,
            "type": ["sfdc"], "tags": [{"type": "project", "value": "web"}],
            "roles": [{"role": "user", "site_role": "Auditors"}],
            "workflow": {"run_count": 12, "source": {"branch": "main", "key": "hunter2"}, "plan": [{
                "name": "Say it", "active": false, "notification": [{"type": "email"}], "tags": [],
                "tool": {"tool_identifier": "command-line", "configuration": {"commands": "echo"}},
            }]},
        });
        let expected = json!({
            "name": "Template", "description": "notes",
            "tags": [{"type": "project", "value": "web"}],
            "roles": [{"role": "user", "siteRole": "Auditors"}],
            "annotations": {"opsera": {"type": ["sfdc"], "source": {"branch": "main"}}},
            "steps": [{"id": "say-it", "name": "Say it", "enabled": false, "run": "echo",
                "annotations": {"opsera": {"notification": [{"type": "email"}]}}}],
        });
        assert_eq!(made(document), expected);
    }

    #[test]
    fn a_document_without_a_plan_has_no_steps() {
        let expected = json!({"name": "Empty", "steps": []});
        assert_eq!(made(json!({"name": "Empty"})), expected);
        let wrong = Map::from_iter([("workflow".to_owned(), json!({"plan": "x"}))]);
        assert!(definition(wrong).is_err());
    }
}
