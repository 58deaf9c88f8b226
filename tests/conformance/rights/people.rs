//! Who calls: one person a role, all of one account.

use super::tables::{Column, Tie};
use super::world::Place;

/// Somebody, and what they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    /// Before the `@` of their e-mail address.
    pub(crate) id: &'static str,
    /// The one site role, empty for none.
    pub(crate) site_role: &'static str,
    /// The column where the pipeline has rules, and where it has none. Nothing: hidden.
    pub(crate) columns: [Option<Column>; 2],
    /// Whether their site role hides nothing from them.
    pub(crate) sees_everything: bool,
}

impl Person {
    /// What they are to the pipeline of a place.
    pub(crate) fn column(&self, place: Place) -> Option<Column> {
        match place {
            Place::Rules => self.columns[0],
            Place::NoRules => self.columns[1],
            // Nothing crosses an account, and who is asked about has no columns.
            Place::OtherAccount | Place::Own | Place::Colleague => None,
        }
    }

    /// What they are to the user of a place, if it is one of the account.
    pub(crate) fn tie(&self, place: Place) -> Option<Tie> {
        match place {
            Place::Own => Some(Tie::Own),
            Place::OtherAccount => None,
            Place::Rules | Place::NoRules | Place::Colleague => Some(match self.site_role {
                "site_administrator" => Tie::Administrator,
                _ if self.sees_everything => Tie::Seer,
                _ => Tie::Colleague,
            }),
        }
    }

    pub(crate) fn has_any(&self, roles: &[&str]) -> bool {
        roles.contains(&self.site_role)
    }

    /// Who has this user id.
    pub(crate) fn of_id(id: &str) -> Option<&'static Self> {
        PEOPLE.iter().find(|person| person.id == id)
    }
}

const fn person(
    name: &'static str,
    id: &'static str,
    site_role: &'static str,
    columns: [Option<Column>; 2],
) -> Person {
    Person {
        name,
        id,
        site_role,
        columns,
        sees_everything: false,
    }
}

const fn seer(person: Person) -> Person {
    Person {
        sees_everything: true,
        ..person
    }
}

use Column::{
    Administrator, Guest, Manager, NoRules, Owner, PowerUser, Reader, Secops, SiteAdministrator,
    User,
};

const SITE_USER: &str = "site_user";

/// Everybody.
pub(crate) const PEOPLE: &[Person] = &[
    seer(person(
        "site administrator",
        "sam",
        "site_administrator",
        [Some(SiteAdministrator); 2],
    )),
    person("owner", "olga", SITE_USER, [Some(Owner); 2]),
    person(
        "item administrator",
        "adam",
        SITE_USER,
        [Some(Administrator), Some(NoRules)],
    ),
    person("manager", "mary", SITE_USER, [Some(Manager), Some(NoRules)]),
    seer(person(
        "power user",
        "paul",
        "site_power_user",
        [Some(PowerUser); 2],
    )),
    person("secops", "sonja", SITE_USER, [Some(Secops), Some(NoRules)]),
    person("user", "ute", SITE_USER, [Some(User), Some(NoRules)]),
    person("guest", "gus", SITE_USER, [Some(Guest), Some(NoRules)]),
    person(
        "member without a rule",
        "mo",
        SITE_USER,
        [None, Some(NoRules)],
    ),
    seer(person("auditor", "audrey", "auditor", [Some(Reader); 2])),
    seer(person(
        "security manager",
        "steve",
        "security_manager",
        [Some(Reader); 2],
    )),
    person("guest of the account", "nora", "", [None, Some(Guest)]),
];
