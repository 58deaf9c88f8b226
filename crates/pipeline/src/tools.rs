//! The tool of a step that is being granted: asked of the registry with its secrets, told in one
//! answer, never stored here.

use contracts::message::Caller;
use contracts::registry::tools_client::ToolsClient;
use contracts::registry::{ResolveToolRequest, ToolRef};
use runtime::{Kind, Route};
use steps::connector;

use crate::record::from_json;
use crate::{Error, news};

/// What the registry said.
pub(crate) enum Resolved {
    /// The tool, as an executor reads it.
    Tool(Vec<u8>),
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
    let configuration = serde_json::from_str(&answer.configuration_json).unwrap_or_default();
    let tool = connector::Tool {
        id: answer.id,
        name: answer.name,
        kind: answer.tool_identifier,
        configuration,
        secrets: answer.secrets,
    };
    let text = serde_json::to_vec(&tool).map_err(|error| Error::Registry(error.to_string()))?;
    Ok(Resolved::Tool(text))
}
