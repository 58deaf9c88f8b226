//! Who sets and removes the secrets of an account.

use contracts::access::SiteRole;
use contracts::message::{Actor, Caller, SecretChanged, UserActed};
use sea_orm::DatabaseTransaction;

use crate::Error;
use crate::secret::Place;

/// Somebody who may, or Penstock itself.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    actor: Option<Actor>,
    caller: Caller,
}

impl Keeper {
    /// Refuses callers of other accounts, and those who don't see to secrets.
    pub(crate) fn of(
        place: &Place,
        actor: Option<Actor>,
        caller: Option<Caller>,
    ) -> Result<Self, Error> {
        let Some(caller) = caller else {
            let caller = Caller::default();
            return Ok(Self { actor, caller });
        };
        let may = caller.has_any(SiteRole::SECRET_KEEPERS) && caller.account == place.account();
        if !may {
            return Err(Error::Denied(
                "is for those who see to the account's secrets",
            ));
        }
        Ok(Self {
            actor: caller.actor.clone().or(actor),
            caller,
        })
    }

    /// Announces what was done with a secret; never its value.
    pub(crate) async fn tell(
        &self,
        tx: &DatabaseTransaction,
        place: &Place,
        action: &str,
        now_ms: i64,
    ) -> Result<(), Error> {
        let changed = SecretChanged {
            name: place.name().into(),
            removed: action == "delete",
            actor: self.actor.clone(),
        };
        outbox::announce(tx, &changed, now_ms).await?;
        let target = (place.name(), place.name());
        if let Some(acted) = UserActed::of(&self.caller, "secret", action, target, now_ms) {
            outbox::announce(tx, &acted, now_ms).await?;
        }
        Ok(())
    }
}
