//! Who asks: the caller of a gRPC call, as the gateway has found it out.

use contracts::message::{Actor, Caller as Wire, Use};

use crate::Error;
use crate::administrator;
use crate::authority::{Person, Verdict, Wish, judge};
use crate::role::Roles;

/// Who asks, in which account, and with which use of a token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) person: Person,
    pub(crate) account: String,
    pub(crate) actor: Actor,
    pub(crate) usage: Option<Use>,
}

impl Caller {
    /// Reads who calls.
    pub(crate) fn of(wire: Option<Wire>) -> Result<Self, Error> {
        let wire = wire.ok_or(Error::NoCaller)?;
        let actor = wire.actor.ok_or(Error::NoCaller)?;
        if actor.user_id.is_empty() || wire.account.is_empty() {
            return Err(Error::NoCaller);
        }
        Ok(Self {
            person: Person {
                id: actor.user_id.clone(),
                roles: Roles::known(&wire.roles),
                installed: actor.user_id == administrator::ID,
            },
            account: wire.account,
            actor,
            usage: wire.r#use,
        })
    }

    /// The id of the user.
    pub(crate) fn id(&self) -> &str {
        &self.person.id
    }

    /// Refuses what the caller may not do; `hidden` says that there is no such thing.
    pub(crate) fn may(&self, wish: &Wish<'_>, hidden: impl FnOnce() -> Error) -> Result<(), Error> {
        match judge(&self.person, wish) {
            Verdict::Allowed => Ok(()),
            Verdict::Hidden => Err(hidden()),
            Verdict::Denied(why) => Err(Error::Denied(why)),
        }
    }

    /// The account to work in: the caller's, or the one that is named, where the caller may.
    pub(crate) fn account_or(&self, named: String) -> Result<String, Error> {
        if named.is_empty() || named == self.account {
            return Ok(self.account.clone());
        }
        self.may(&Wish::Cross, || Error::Account)?;
        crate::secret::checked_account(named)
    }
}
