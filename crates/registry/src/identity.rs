//! What another system may say of a user: its external id, its roles, the actor. Pure.

use contracts::access::SiteRole;

use crate::Error;
use crate::role::Roles;
use crate::user::Email;

/// The longest external id, in bytes.
const LONGEST_ID: usize = 255;
/// The longest name that is kept of what was said, in characters.
const LONGEST_NAME: usize = 100;
/// Where mail of a user goes that another system has named: nowhere.
const NO_MAIL: &str = "nomail.com";

/// A user to be made if it isn't there, or given new roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provisioned {
    pub(crate) external_id: String,
    /// Of a new user.
    pub(crate) name: String,
    /// Of a new user; none if its id can't be part of an address.
    pub(crate) email: Option<Email>,
    pub(crate) roles: Roles,
    pub(crate) actor: Option<Actor>,
}

/// Somebody for whom a user acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) external_id: String,
    pub(crate) name: String,
}

impl Provisioned {
    /// Reads what was said; `full_name` may be empty.
    pub(crate) fn of(external_id: &str, full_name: &str, roles: &[String]) -> Result<Self, Error> {
        let external_id = checked_id("external id", external_id)?;
        let name = match plain(full_name) {
            name if name.is_empty() => plain(&external_id),
            name => name,
        };
        Ok(Self {
            email: Email::parse(&format!("{external_id}@{NO_MAIL}")).unwrap_or_default(),
            roles: named(roles),
            actor: None,
            external_id,
            name,
        })
    }

    /// The same with an actor, unless its id is empty.
    pub(crate) fn with_actor(self, external_id: &str, name: &str) -> Result<Self, Error> {
        if external_id.is_empty() {
            return Ok(self);
        }
        let actor = Actor {
            external_id: checked_id("actor's external id", external_id)?,
            name: plain(name),
        };
        Ok(Self {
            actor: Some(actor),
            ..self
        })
    }
}

/// Checks an id that another system gives.
fn checked_id(field: &'static str, text: &str) -> Result<String, Error> {
    let fits = (1..=LONGEST_ID).contains(&text.len());
    if fits && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Error::Field {
        field,
        why: format!("write 1 to {LONGEST_ID} bytes without control characters"),
    })
}

/// A name as it can be kept.
fn plain(text: &str) -> String {
    let plain: String = text.chars().filter(|it| !it.is_control()).collect();
    plain.trim().chars().take(LONGEST_NAME).collect()
}

/// The roles that names mean, those of other systems included. The vendor's is given to nobody from
/// outside.
fn named(names: &[String]) -> Roles {
    let role = |name: &String| match name.as_str() {
        "Administrator" => Some(SiteRole::SiteAdministrator),
        "User" => Some(SiteRole::User),
        other => SiteRole::of_name(other).filter(|it| *it != SiteRole::OpseraAdministrator),
    };
    Roles::of(&names.iter().filter_map(role).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn roles_of_other_systems_are_ours_and_unknown_ones_none() {
        let said = names(&[
            "User",
            "MOD-R-TRANSA",
            "user",
            "auditor",
            "opsera_administrator",
        ]);
        let user = Provisioned::of("u", "", &said).unwrap();
        assert_eq!(user.roles, Roles::of(&[SiteRole::User, SiteRole::Auditor]));
        let said = names(&["Administrator"]);
        let user = Provisioned::of("u", "", &said).unwrap();
        assert_eq!(user.roles, Roles::of(&[SiteRole::SiteAdministrator]));
    }

    #[test]
    fn a_user_is_called_by_its_full_name_or_else_by_its_id() {
        let user = Provisioned::of("1AE84104-6E73", " Andrej\n", &[]).unwrap();
        assert_eq!(user.name, "Andrej");
        let email = user.email.unwrap();
        assert_eq!(email.as_str(), "1AE84104-6E73@nomail.com");
        let user = Provisioned::of("http://www.johnadmin.cz", "", &[]).unwrap();
        assert_eq!(
            (user.name.as_str(), user.email),
            ("http://www.johnadmin.cz", None)
        );
        assert!(Provisioned::of("", "x", &[]).is_err());
        assert!(Provisioned::of("a\u{0}b", "x", &[]).is_err());
    }
}
