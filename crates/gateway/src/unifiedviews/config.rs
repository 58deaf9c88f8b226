//! What can be said about the UnifiedViews face.

use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Where the face is, unless said otherwise.
pub(crate) const PREFIX: &str = "/master/api/1";

/// The section of the face.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it is served.
    pub enabled: bool,
    /// Where it is: a path without a slash at its end.
    pub prefix: String,
    /// The account that all its callers belong to.
    pub account: String,
    /// The name of the master account, an administrator that this section knows the password of.
    pub user: String,
    /// Its password. Empty: `commander` with `penstock up`; elsewhere it has to be said.
    pub password: Secret,
    /// The language of messages.
    pub locale: Locale,
    /// Be what the API's document says where its known clients rely on something else.
    pub strict_document: bool,
    /// Replace the jar of a plug-in that pipelines use, where the document wants it refused.
    pub replace_used_plugins: bool,
    /// What the attributes of users are called that other systems send.
    pub attributes: Attributes,
}

/// A language of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// Slovak.
    Sk,
}

/// What the attributes of a user are called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attributes {
    /// Its external id.
    pub user_name: String,
    /// What it is called.
    pub full_name: String,
    /// The external id of whom it acts for.
    pub actor_id: String,
    /// What that one is called.
    pub actor_name: String,
    /// Its roles.
    pub role: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            prefix: PREFIX.into(),
            account: "default".into(),
            user: "master".into(),
            password: Secret::default(),
            locale: Locale::En,
            strict_document: false,
            replace_used_plugins: false,
            attributes: Attributes::default(),
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            user_name: "Subject.UPVSIdentityID".into(),
            full_name: "Subject.FormattedName".into(),
            actor_id: "Actor.UPVSIdentityID".into(),
            actor_name: "Actor.FormattedName".into(),
            role: "SPR.Roles".into(),
        }
    }
}

impl Config {
    /// Whether a path is one of the face.
    pub(crate) fn has(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.prefix);
        self.enabled && rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
    }

    /// The path of a route that the table has under [`PREFIX`]; none if the face isn't served.
    pub(crate) fn placed(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(PREFIX)?;
        self.enabled.then(|| format!("{}{rest}", self.prefix))
    }

    /// What is wrong with the prefix, if something is.
    pub fn prefix_fault(&self) -> Option<&'static str> {
        let is_plain = |it: char| it.is_ascii_alphanumeric() || "/-_.".contains(it);
        let segments = self.prefix.split('/').skip(1);
        let fits = self.prefix.starts_with('/')
            && self.prefix.chars().all(is_plain)
            && segments.clone().all(|it| !matches!(it, "" | "." | ".."))
            && segments.clone().next() != Some("api");
        (!fits).then_some("is no path of its own: write one like /master/api/1, not below /api")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(prefix: &str) -> Config {
        Config {
            prefix: prefix.into(),
            ..Config::default()
        }
    }

    #[test]
    fn a_prefix_is_a_path_of_its_own() {
        for (prefix, fits) in [
            ("/master/api/1", true),
            ("/uv", true),
            ("", false),
            ("/", false),
            ("uv", false),
            ("/uv/", false),
            ("/a//b", false),
            ("/../x", false),
            ("/{p}", false),
            ("/api/v2", false),
        ] {
            assert_eq!(at(prefix).prefix_fault().is_none(), fits, "{prefix}");
        }
    }

    #[test]
    fn paths_are_moved_to_the_prefix() {
        let config = at("/uv");
        let placed = config.placed("/master/api/1/pipelines/{p}");
        assert_eq!(placed.as_deref(), Some("/uv/pipelines/{p}"));
        assert!(config.has("/uv/x") && config.has("/uv") && !config.has("/uvx"));
        assert_eq!(config.placed("/api/v2/pipelines"), None);
    }
}
