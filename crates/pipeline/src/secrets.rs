//! The secrets of a step that is being granted: asked of the registry, told in one answer, never
//! stored here.

use std::collections::HashMap;

use contracts::registry::RevealSecretsRequest;
use contracts::registry::registry_client::RegistryClient;
use runtime::{Kind, Route};

use crate::record::from_json;
use crate::{Error, news};

/// What the registry said.
pub(crate) enum Revealed {
    /// Values by the names of the step's environment.
    Values(HashMap<String, Vec<u8>>),
    /// They can't be had, and asking again would not help; in words.
    Refused(String),
}

/// Whose secrets are asked for.
pub(crate) struct Need<'a> {
    pub(crate) account: &'a str,
    pub(crate) run_id: &'a str,
    pub(crate) step_id: &'a str,
    /// Who started the run, as its row has it.
    pub(crate) started_by: &'a str,
    /// Environment name to secret name.
    pub(crate) secrets: &'a std::collections::BTreeMap<String, String>,
}

/// Asks for a step's secrets. A step that names none costs no call.
pub(crate) async fn reveal(registry: &Route, need: Need<'_>) -> Result<Revealed, Error> {
    if need.secrets.is_empty() {
        return Ok(Revealed::Values(HashMap::new()));
    }
    let request = RevealSecretsRequest {
        account: need.account.to_owned(),
        names: need.secrets.values().cloned().collect(),
        run_id: need.run_id.to_owned(),
        step_id: need.step_id.to_owned(),
        actor: Some(news::actor_message(&from_json(need.started_by)?)),
    };
    match RegistryClient::new(registry.clone())
        .reveal_secrets(request)
        .await
    {
        Ok(answer) => {
            let values = answer.into_inner().values;
            let by_environment = |(name, secret): (&String, &String)| {
                values
                    .get(secret)
                    .map(|value| (name.clone(), value.clone()))
            };
            Ok(Revealed::Values(
                need.secrets.iter().filter_map(by_environment).collect(),
            ))
        }
        Err(status) => match Kind::of_code(status.code()) {
            Kind::NotFound | Kind::Invalid | Kind::Conflict => {
                Ok(Revealed::Refused(status.message().to_owned()))
            }
            Kind::Unauthenticated
            | Kind::Denied
            | Kind::Exists
            | Kind::Busy
            | Kind::Unavailable
            | Kind::Late
            | Kind::Internal => Err(Error::Registry(status.message().to_owned())),
        },
    }
}
