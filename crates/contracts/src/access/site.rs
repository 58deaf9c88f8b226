//! Roles in the whole site of an account.

/// A role in the whole site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SiteRole {
    /// The vendor's administrator, within the account it is in.
    OpseraAdministrator,
    /// May do everything.
    SiteAdministrator,
    /// Supersedes the rules of items as the tables say.
    PowerUser,
    /// May make items, and use those without rules.
    User,
    /// Reads everything.
    Auditor,
    /// Reads everything and sees to secrets.
    SecurityManager,
}

impl SiteRole {
    /// Every role, the strongest first.
    pub const ALL: [Self; 6] = [
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::PowerUser,
        Self::User,
        Self::Auditor,
        Self::SecurityManager,
    ];
    /// Those who look after the whole site.
    pub const ADMINISTRATORS: &[Self] = &[Self::OpseraAdministrator, Self::SiteAdministrator];
    /// Power users and those above them.
    pub const POWER_USERS: &[Self] = &[
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::PowerUser,
    ];
    /// Those who may make items. Without one of these a user is a guest of the account.
    pub const USERS: &[Self] = &[
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::PowerUser,
        Self::User,
    ];
    /// Those who read everything and change nothing by it.
    pub const AUDITORS: &[Self] = &[Self::Auditor, Self::SecurityManager];
    /// Those from whom nothing of the account is hidden.
    pub const SEERS: &[Self] = &[
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::PowerUser,
        Self::Auditor,
        Self::SecurityManager,
    ];
    /// Those who set and remove the account's secrets.
    pub const SECRET_KEEPERS: &[Self] = &[
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::SecurityManager,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpseraAdministrator => "opsera_administrator",
            Self::SiteAdministrator => "site_administrator",
            Self::PowerUser => "site_power_user",
            Self::User => "site_user",
            Self::Auditor => "auditor",
            Self::SecurityManager => "security_manager",
        }
    }

    /// The role of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Whether a rule's subject means a site role: `Power Users` is `site_power_user`.
pub(super) fn means(subject: &str, role: &str) -> bool {
    let plain = |text: &str| {
        let letters = text.chars().filter(|it| it.is_alphanumeric());
        let letters: String = letters.flat_map(char::to_lowercase).collect();
        let of_site = letters.strip_prefix("site").unwrap_or(&letters);
        of_site.strip_suffix('s').unwrap_or(of_site).to_owned()
    };
    let subject = plain(subject);
    !subject.is_empty() && subject == plain(role)
}
