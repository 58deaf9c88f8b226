//! What is shown of messages that carry secrets: everything but the values.
//!
//! **Invariant:** no `{:?}` of a message prints a token, a password or a secret's value.

use std::fmt;

use crate::pipeline::Grant;
use crate::registry::{
    AuthenticateRequest, CreateTokenResponse, CreateToolRequest, CreateUserRequest,
    PutSecretRequest, ResolveToolResponse, RevealSecretsResponse, RotateTokenResponse,
    UpdateToolRequest, UpdateUserRequest, VerifyPasswordRequest,
};

const HIDDEN: &str = "(hidden)";

impl fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateRequest")
            .field("token", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for CreateUserRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateUserRequest")
            .field("caller", &self.caller)
            .field("name", &self.name)
            .field("email", &self.email)
            .field("kind", &self.kind)
            .field("roles", &self.roles)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UpdateUserRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateUserRequest")
            .field("caller", &self.caller)
            .field("user", &self.user)
            .field("name", &self.name)
            .field("email", &self.email)
            .field("active", &self.active)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifyPasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyPasswordRequest")
            .field("login", &self.login)
            .field("account", &self.account)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateTokenResponse")
            .field("token", &self.token)
            .field("text", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for RotateTokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateTokenResponse")
            .field("token", &self.token)
            .field("text", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for PutSecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutSecretRequest")
            .field("account", &self.account)
            .field("name", &self.name)
            .field("value", &HIDDEN)
            .field("actor", &self.actor)
            .field("caller", &self.caller)
            .finish()
    }
}

impl fmt::Debug for RevealSecretsResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().map(|name| (name, HIDDEN));
        f.debug_map().entries(names).finish()
    }
}

impl fmt::Debug for CreateToolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateToolRequest")
            .field("caller", &self.caller)
            .field("document_json", &HIDDEN)
            .finish()
    }
}

impl fmt::Debug for UpdateToolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateToolRequest")
            .field("caller", &self.caller)
            .field("tool", &self.tool)
            .field("changes_json", &HIDDEN)
            .field("replace", &self.replace)
            .finish()
    }
}

impl fmt::Debug for ResolveToolResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolveToolResponse")
            .field("id", &self.id)
            .field("tool_identifier", &self.tool_identifier)
            .field("configuration_json", &HIDDEN)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("step_id", &self.step_id)
            .field("try", &self.r#try)
            .field("secrets", &self.secrets.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> String {
        let text = || "hunter2".to_owned();
        let create = CreateToolRequest {
            document_json: text(),
            ..Default::default()
        };
        let update = UpdateToolRequest {
            changes_json: text(),
            ..Default::default()
        };
        let resolved = ResolveToolResponse {
            configuration_json: text(),
            secrets: vec![text()],
            ..Default::default()
        };
        format!("{create:?} {update:?} {resolved:?}")
    }

    #[test]
    fn no_password_and_no_new_token_is_printed() {
        let text = || "hunter2".to_owned();
        let shown = [
            format!(
                "{:?}",
                CreateUserRequest {
                    password: text(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                UpdateUserRequest {
                    password: Some(text()),
                    current_password: text(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                VerifyPasswordRequest {
                    password: text(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                CreateTokenResponse {
                    text: text(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                RotateTokenResponse {
                    text: text(),
                    ..Default::default()
                }
            ),
        ]
        .join("\n");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("(hidden)"));
    }

    #[test]
    fn no_value_is_printed() {
        let value = b"hunter2".to_vec();
        let values = || [("PASSWORD".to_owned(), value.clone())].into();
        let shown = [
            format!(
                "{:?}",
                AuthenticateRequest {
                    token: "hunter2".into()
                }
            ),
            format!(
                "{:?}",
                PutSecretRequest {
                    value: value.clone(),
                    ..Default::default()
                }
            ),
            format!("{:?}", RevealSecretsResponse { values: values() }),
            tools(),
            format!(
                "{:?}",
                Grant {
                    secrets: values(),
                    tool_json: value.clone(),
                    ..Default::default()
                }
            ),
        ]
        .join("\n");
        assert!(
            !shown.contains("hunter2") && !shown.contains("104, 117"),
            "{shown}"
        );
        assert!(shown.contains("PASSWORD"));
    }
}
