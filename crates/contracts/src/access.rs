//! Who may do what with an item: one meaning of its rules for every service that keeps items.
//!
//! An item (a pipeline, a tool) has an owner and rules. [`Standing::of`] says what a caller is to
//! it, [`Right`] and [`ToolRight`] what one of that standing may do. Site roles come first:
//! administrators of the site and power users supersede the rules, auditors and security managers
//! read everything. Without any rule the item's visibility decides within its account.
//!
//! **Invariants:** nothing crosses an account. Who is an outsider to an item may not know that it
//! is there. Pure: the service that keeps the item brings its rules.

mod rights;
mod rule;
mod site;

use crate::message::Caller;

pub use rights::{Right, ToolRight};
pub use rule::{Role, Rule, Subject};
pub use site::SiteRole;

/// What others of the account may do with an item that has no rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Nothing.
    Private,
    /// View it.
    PublicRo,
    /// What the column "no rules" of the tables says.
    #[default]
    PublicRw,
}

/// What is decided about.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The tenant that it belongs to.
    pub account: &'a str,
    /// The id of the user who owns it.
    pub owner: &'a str,
    /// Where there are some, they decide, and `visibility` doesn't.
    pub rules: &'a [Rule],
    /// Decides where there are no rules.
    pub visibility: Visibility,
}

/// What a caller is to an item. The first nine are the columns of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Looks after the whole site.
    SiteAdministrator,
    /// Owns the item.
    Owner,
    /// Its administrator by a rule.
    Administrator,
    /// Its manager by a rule.
    Manager,
    /// A power user of the site.
    PowerUser,
    /// Sees to its security, by a rule.
    Secops,
    /// Its user by a rule.
    User,
    /// Its guest by a rule, or a guest of the account where it has no rules.
    Guest,
    /// A user of the account, and the item has no rules.
    Open,
    /// Reads it with all its configuration: an auditor, a security manager, and everyone of the
    /// account where it is to be read by all.
    Reader,
    /// Nobody to it: for them it isn't there.
    Outsider,
}

impl Standing {
    /// Every standing, in the order of the tables' columns.
    pub const ALL: [Self; 11] = [
        Self::SiteAdministrator,
        Self::Owner,
        Self::Administrator,
        Self::Manager,
        Self::PowerUser,
        Self::Secops,
        Self::User,
        Self::Guest,
        Self::Open,
        Self::Reader,
        Self::Outsider,
    ];

    /// What `caller` is to `item`.
    ///
    /// A site administrator, then the owner, then a power user, whatever the rules say. Then the
    /// first rule about the user; else the strongest of those about the user's groups and site roles.
    pub fn of(caller: &Caller, item: &Item<'_>) -> Self {
        if caller.account != item.account {
            return Self::Outsider;
        }
        if caller.has_any(SiteRole::ADMINISTRATORS) {
            return Self::SiteAdministrator;
        }
        if !item.owner.is_empty() && caller.user_id() == item.owner {
            return Self::Owner;
        }
        if caller.has_any(&[SiteRole::PowerUser]) {
            return Self::PowerUser;
        }
        let by_rule = if item.rules.is_empty() {
            Self::by_visibility(caller, item.visibility)
        } else {
            rule::role_of(caller, item.rules).map(Self::by_role)
        };
        match by_rule {
            Some(standing) => standing,
            None if caller.has_any(SiteRole::AUDITORS) => Self::Reader,
            None => Self::Outsider,
        }
    }

    /// The role that a pipeline document names: one of those that rules give, or `owner`.
    pub const fn role_name(self) -> &'static str {
        match self {
            Self::SiteAdministrator | Self::Administrator => "administrator",
            Self::Owner => "owner",
            Self::Manager | Self::PowerUser => "manager",
            Self::Secops => "secops",
            Self::User | Self::Open => "user",
            Self::Guest | Self::Reader => "guest",
            Self::Outsider => "",
        }
    }

    fn by_role(role: Role) -> Self {
        match role {
            Role::Administrator => Self::Administrator,
            Role::Secops => Self::Secops,
            Role::Manager => Self::Manager,
            Role::User => Self::User,
            Role::Guest => Self::Guest,
        }
    }

    /// Without a role in the site one is a guest of it, and reads only.
    fn by_visibility(caller: &Caller, visibility: Visibility) -> Option<Self> {
        let reads_all = caller.has_any(SiteRole::AUDITORS);
        let is_user = caller.has_any(SiteRole::USERS);
        match visibility {
            Visibility::Private => None,
            Visibility::PublicRw if is_user => Some(Self::Open),
            Visibility::PublicRo if is_user => Some(Self::Reader),
            Visibility::PublicRo | Visibility::PublicRw if reads_all => Some(Self::Reader),
            Visibility::PublicRo | Visibility::PublicRw => Some(Self::Guest),
        }
    }
}

impl Caller {
    /// Whether the caller has one of these site roles.
    pub fn has_any(&self, roles: &[SiteRole]) -> bool {
        let is_one = |name: &String| roles.iter().any(|role| role.name() == name);
        self.roles.iter().any(is_one)
    }

    /// Whether nothing of the account is hidden from the caller.
    pub fn sees_everything(&self) -> bool {
        self.has_any(SiteRole::SEERS)
    }

    /// The user's id, empty when it isn't said who acts.
    pub fn user_id(&self) -> &str {
        self.actor.as_ref().map_or("", |actor| &actor.user_id)
    }

    fn email(&self) -> &str {
        self.actor.as_ref().map_or("", |actor| &actor.email)
    }
}

#[cfg(test)]
mod tests;
