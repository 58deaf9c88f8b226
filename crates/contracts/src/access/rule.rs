//! An item's rules, and the role that they give to a caller.

use serde::{Deserialize, Serialize};

use super::site;
use crate::message::Caller;

/// What a rule makes of somebody; the order is that of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Views it.
    Guest,
    /// Uses it.
    User,
    /// Sees to its daily business.
    Manager,
    /// Sees to its security.
    Secops,
    /// May do everything with it.
    Administrator,
}

impl Role {
    /// Every role, the weakest first.
    pub const ALL: [Self; 5] = [
        Self::Guest,
        Self::User,
        Self::Manager,
        Self::Secops,
        Self::Administrator,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::User => "user",
            Self::Manager => "manager",
            Self::Secops => "secops",
            Self::Administrator => "administrator",
        }
    }
}

/// A rule that gives a role to somebody: `{"role": "user", "group": "developers"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What they are to the item.
    pub role: Role,
    /// Who they are.
    #[serde(flatten)]
    pub subject: Subject,
}

/// Who a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A user, by e-mail address in any case.
    User(String),
    /// A group, by name.
    Group(String),
    /// All who have a role in the whole site, such as `Auditors`.
    #[serde(alias = "site_role")]
    SiteRole(String),
}

/// The role that rules give to a caller: that of the first about the user, else the strongest of
/// those about the user's groups and site roles.
pub(super) fn role_of(caller: &Caller, rules: &[Rule]) -> Option<Role> {
    let email = caller.email().trim().to_lowercase();
    let is_user = |rule: &&Rule| match &rule.subject {
        Subject::User(user) => !email.is_empty() && user.trim().to_lowercase() == email,
        Subject::Group(_) | Subject::SiteRole(_) => false,
    };
    let is_theirs = |rule: &&Rule| match &rule.subject {
        Subject::User(_) => false,
        Subject::Group(group) => caller.groups.iter().any(|it| it == group),
        Subject::SiteRole(role) => caller.roles.iter().any(|it| site::means(role, it)),
    };
    let direct = rules.iter().find(is_user).map(|rule| rule.role);
    direct.or_else(|| rules.iter().filter(is_theirs).map(|rule| rule.role).max())
}
