//! The site roles of a user: what it may do over its whole account.

use contracts::access::SiteRole;

use crate::Error;

/// The site roles of a user, each once and in the order of [`SiteRole::ALL`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Roles(Vec<SiteRole>);

impl Roles {
    /// These roles.
    pub(crate) fn of(roles: &[SiteRole]) -> Self {
        let all = SiteRole::ALL.into_iter();
        Self(all.filter(|role| roles.contains(role)).collect())
    }

    /// Reads roles that somebody wants to give.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Error> {
        let unknown = |name: &&String| SiteRole::of_name(name).is_none();
        match names.iter().find(unknown) {
            None => Ok(Self::known(names)),
            Some(name) => Err(Error::Field {
                field: "roles",
                why: format!(
                    "\"{}\" is no site role: use {}",
                    crate::shown(name),
                    SiteRole::ALL.map(SiteRole::name).join(", ")
                ),
            }),
        }
    }

    /// Reads roles that somebody has; what this version doesn't know gives no rights.
    pub(crate) fn known(names: &[String]) -> Self {
        let known = names.iter().filter_map(|name| SiteRole::of_name(name));
        Self::of(&known.collect::<Vec<_>>())
    }

    /// Their names.
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
        let names = SiteRole::ALL.map(|role| role.name().to_owned());
        let roles = Roles::parse(&names).unwrap();
        assert_eq!(roles, Roles::of(&SiteRole::ALL));
        assert_eq!(roles.names(), names);
        let twice = ["auditor", "site_user", "auditor"].map(str::to_owned);
        assert_eq!(Roles::known(&twice).names(), ["site_user", "auditor"]);
    }

    #[test]
    fn an_unknown_role_can_not_be_given_and_gives_nothing() {
        let names = ["root".to_owned(), "auditor".to_owned()];
        let refused = Roles::parse(&names).unwrap_err().to_string();
        assert!(refused.contains("\"root\"") && refused.contains("site_power_user"));
        assert_eq!(Roles::known(&names), Roles::of(&[SiteRole::Auditor]));
    }
}
