//! The tool of a step that is being granted: asked of the registry with its secrets, told in one
//! answer, never stored here. One that an outside consumer serves is told without its secrets.

use std::collections::HashMap;

use contracts::message::{Caller, ServedTool};
use contracts::registry::tools_client::ToolsClient;
use contracts::registry::{ResolveToolRequest, ToolRef};
use contracts::tool::is_outside;
use runtime::{Kind, Route};
use steps::{Context, Invocation, connector, plan};

use crate::record::from_json;
use crate::{Error, news};

/// What the registry said.
pub(crate) enum Resolved {
    /// The tool, as an executor reads it.
    Tool {
        /// 24 hex digits.
        id: String,
        /// All of it, with its secrets.
        json: Vec<u8>,
    },
    /// An outside consumer serves it; nothing of it is secret.
    Served(ServedTool),
    /// It can't be had, and asking again would not help; in words.
    Refused(String),
}

/// Who needs which tool.
pub(crate) struct Need<'a> {
    pub(crate) account: &'a str,
    /// Who started the run, as its row has it: they must have the right to use the tool.
    pub(crate) started_by: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) step_id: &'a str,
    /// An id, a number or a name.
    pub(crate) tool: &'a str,
    /// The connector's, where the step says one.
    pub(crate) kind: &'a str,
}

/// Asks for a step's tool.
pub(crate) async fn resolve(registry: &Route, need: Need<'_>) -> Result<Resolved, Error> {
    let request = ResolveToolRequest {
        caller: Some(Caller {
            actor: Some(news::actor_message(&from_json(need.started_by)?)),
            account: need.account.to_owned(),
            ..Caller::default()
        }),
        tool: Some(ToolRef {
            text: need.tool.to_owned(),
        }),
        run_id: need.run_id.to_owned(),
        step_id: need.step_id.to_owned(),
        connector: known(need.kind).to_owned(),
    };
    let answered = ToolsClient::new(registry.clone())
        .resolve_tool(request)
        .await;
    let answer = match answered {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            return match Kind::of_code(status.code()) {
                Kind::NotFound | Kind::Invalid | Kind::Conflict | Kind::Denied => {
                    Ok(Resolved::Refused(status.message().to_owned()))
                }
                Kind::Unauthenticated
                | Kind::Exists
                | Kind::Busy
                | Kind::Unavailable
                | Kind::Late
                | Kind::Internal => Err(Error::Registry(status.message().to_owned())),
            };
        }
    };
    if is_outside(&answer.connector) {
        return Ok(Resolved::Served(ServedTool {
            id: answer.id,
            name: answer.name,
            tool_identifier: answer.tool_identifier,
            configuration_json: answer.configuration_json,
        }));
    }
    let configuration = serde_json::from_str(&answer.configuration_json).unwrap_or_default();
    let kind = match known(&answer.connector) {
        "" => answer.tool_identifier,
        connector => connector.to_owned(),
    };
    let tool = connector::Tool {
        id: answer.id,
        name: answer.name,
        kind,
        configuration,
        secrets: answer.secrets,
    };
    let json = serde_json::to_vec(&tool).map_err(|error| Error::Registry(error.to_string()))?;
    let id = tool.id;
    Ok(Resolved::Tool { id, json })
}

/// A kind of connector; none if it isn't known, which then counts for nothing.
fn known(kind: &str) -> &str {
    if is_outside(kind) || connector::named(kind).is_some() {
        kind
    } else {
        ""
    }
}

/// The operation that a step of a served tool asks for, and its parameters as JSON; or why it asks
/// for none.
pub(crate) fn call(
    step: &plan::Step,
    parameters: &HashMap<String, String>,
    outputs: &HashMap<String, String>,
) -> Result<(String, String), String> {
    let context = Context {
        parameters,
        outputs,
        secrets: &HashMap::new(),
    };
    let invocation = step
        .invocation(&context)
        .map_err(|error| error.to_string())?;
    let Invocation::Tool(call) = invocation else {
        return Err(format!("step {} is no operation of a tool", step.id));
    };
    let operation = call.operation.as_str().ok_or(
        "an operation of a tool that is served by an outside consumer is a name; what it takes \
         stands under `with`",
    )?;
    let parameters = serde_json::Value::Object(call.with);
    Ok((operation.to_owned(), parameters.to_string()))
}
