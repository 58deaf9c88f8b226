//! `users/create`: what another system says of a user, who is made if they aren't there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contracts::registry::PutIdentityRequest;
use serde::Serialize;
use serde_json::Value;

use super::config::Attributes;
use super::fault::Fault;
use super::lenient::Fields;
use super::messages::Message;
use crate::Gateway;
use crate::auth::Who;
use crate::problem::Problem;

/// That it was done.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    success: bool,
}

/// Makes a user, or gives the one that is there new roles.
pub(crate) async fn create(
    State(gateway): State<Arc<Gateway>>,
    who: Who,
    fields: Fields,
) -> Result<Json<Done>, Fault> {
    let said = Said::of(&fields, &gateway.config.unifiedviews.attributes)?;
    let request = PutIdentityRequest {
        caller: Some(who.caller()),
        external_id: said.user_name,
        full_name: said.full_name,
        roles: said.roles,
        actor_external_id: said.actor_id,
        actor_name: said.actor_name,
    };
    match gateway.peers.identities().put_identity(request).await {
        Ok(_) => Ok(Json(Done { success: true })),
        Err(status) => Err(refused(&Problem::from(status))),
    }
}

fn refused(problem: &Problem) -> Fault {
    let message = if problem.status().as_u16() == 400 {
        Message::Data
    } else {
        Message::General
    };
    Fault::failed(message, problem)
}

/// What was said, every part of it.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    roles: Vec<String>,
    actor_id: String,
    actor_name: String,
    full_name: String,
    user_name: String,
}

impl Said {
    fn of(fields: &Fields, names: &Attributes) -> Result<Self, Fault> {
        let mut missing = Vec::new();
        let mut texts = |name: &str| {
            let texts = fields.texts(name);
            if texts.is_empty() {
                missing.push(name.to_owned());
            }
            texts
        };
        let roles = texts(&names.role);
        let mut first = |name: &str| texts(name).into_iter().next().unwrap_or_default();
        let said = Self {
            roles,
            actor_id: first(&names.actor_id),
            actor_name: first(&names.actor_name),
            full_name: first(&names.full_name),
            user_name: first(&names.user_name),
        };
        if missing.is_empty() {
            return Ok(said);
        }
        let missing = missing.join(", ");
        let technical = format!("Missing attribute/s: '{missing}'.");
        Err(Fault::bad(Message::MissingAttributes(missing), technical))
    }
}

impl Fields {
    /// The texts of a property: one, or those of a list. What is no text is written as one, null
    /// included; none if it isn't there.
    fn texts(&self, name: &str) -> Vec<String> {
        match self.raw(name) {
            None => Vec::new(),
            Some(Value::Array(values)) => values.iter().map(text).collect(),
            Some(value) => vec![text(value)],
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Result<Said, Fault> {
        Said::of(
            &Fields::read(json.as_bytes()).unwrap(),
            &Attributes::default(),
        )
    }

    #[test]
    fn attributes_are_texts_or_lists_of_them() {
        let user = said(
            r#"{"Subject.UPVSIdentityID":"1AE84104","Subject.FormattedName":["NASES","x"],
                "Actor.UPVSIdentityID":12,"Actor.FormattedName":null,
                "SPR.Roles":["User","MOD-R-TRANSA"]}"#,
        );
        let expected = Said {
            roles: vec!["User".into(), "MOD-R-TRANSA".into()],
            actor_id: "12".into(),
            actor_name: "null".into(),
            full_name: "NASES".into(),
            user_name: "1AE84104".into(),
        };
        assert_eq!(user, Ok(expected));
    }

    #[test]
    fn what_is_missing_is_named_in_its_order() {
        let refused = said(r#"{"Subject.FormattedName":"x","Actor.UPVSIdentityID":[]}"#);
        let missing =
            "SPR.Roles, Actor.UPVSIdentityID, Actor.FormattedName, Subject.UPVSIdentityID";
        let expected = Fault::bad(
            Message::MissingAttributes(missing.into()),
            format!("Missing attribute/s: '{missing}'."),
        );
        assert_eq!(refused, Err(expected));
    }
}
