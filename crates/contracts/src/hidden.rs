//! What is shown of messages that carry secrets: everything but the values.
//!
//! **Invariant:** no `{:?}` of a message prints a token's or a secret's value.

use std::fmt;

use crate::pipeline::Grant;
use crate::registry::{AuthenticateRequest, PutSecretRequest, RevealSecretsResponse};

const HIDDEN: &str = "(hidden)";

impl fmt::Debug for AuthenticateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticateRequest")
            .field("token", &HIDDEN)
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
            .finish()
    }
}

impl fmt::Debug for RevealSecretsResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.keys().map(|name| (name, HIDDEN));
        f.debug_map().entries(names).finish()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("step_id", &self.step_id)
            .field("try", &self.r#try)
            .field("secrets", &self.secrets.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            format!(
                "{:?}",
                Grant {
                    secrets: values(),
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
