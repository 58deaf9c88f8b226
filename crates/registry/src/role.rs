//! Site roles: what a user may do over its whole account.

use std::collections::BTreeSet;

use crate::Error;

/// A site role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SiteRole {
    /// Looks after the installation, and starts accounts.
    OpseraAdministrator,
    /// May do everything in its account.
    SiteAdministrator,
    /// Works with everything in its account.
    SitePowerUser,
    /// Works with what rules let it.
    SiteUser,
    /// Reads everything in its account.
    Auditor,
    /// Reads everything and writes what security owns.
    SecurityManager,
}

impl SiteRole {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::OpseraAdministrator,
        Self::SiteAdministrator,
        Self::SitePowerUser,
        Self::SiteUser,
        Self::Auditor,
        Self::SecurityManager,
    ];

    /// Its name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpseraAdministrator => "opsera_administrator",
            Self::SiteAdministrator => "site_administrator",
            Self::SitePowerUser => "site_power_user",
            Self::SiteUser => "site_user",
            Self::Auditor => "auditor",
            Self::SecurityManager => "security_manager",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// The site roles of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roles(BTreeSet<SiteRole>);

impl Roles {
    /// These roles.
    pub(crate) fn of(roles: &[SiteRole]) -> Self {
        Self(roles.iter().copied().collect())
    }

    /// Reads roles that somebody wants to give.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Error> {
        let role = |name: &String| {
            SiteRole::of_name(name).ok_or_else(|| Error::Field {
                field: "roles",
                why: format!(
                    "\"{}\" is no site role: use {}",
                    crate::shown(name),
                    SiteRole::ALL.map(SiteRole::name).join(", ")
                ),
            })
        };
        Ok(Self(names.iter().map(role).collect::<Result<_, _>>()?))
    }

    /// Reads roles that somebody has; what this version doesn't know gives no rights.
    pub(crate) fn known(names: &[String]) -> Self {
        let known = names.iter().filter_map(|name| SiteRole::of_name(name));
        Self(known.collect())
    }

    /// Their names, in the order of [`SiteRole::ALL`].
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.iter().map(|role| role.name().to_owned()).collect()
    }

    pub(crate) fn has(&self, role: SiteRole) -> bool {
        self.0.contains(&role)
    }

    pub(crate) fn has_any(&self, roles: &[SiteRole]) -> bool {
        roles.iter().any(|role| self.has(*role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for role in SiteRole::ALL {
            let roles = Roles::parse(&[role.name().into()]).unwrap();
            assert_eq!(roles, Roles::of(&[role]));
            assert_eq!(roles.names(), [role.name()]);
        }
    }

    #[test]
    fn an_unknown_role_can_not_be_given_and_gives_nothing() {
        let names = ["root".to_owned(), "auditor".to_owned()];
        let refused = Roles::parse(&names).unwrap_err().to_string();
        assert!(refused.contains("\"root\"") && refused.contains("site_power_user"));
        assert_eq!(Roles::known(&names), Roles::of(&[SiteRole::Auditor]));
    }
}
