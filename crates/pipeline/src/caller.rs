//! Who asks, and what they may do with a pipeline.
//!
//! **Invariant:** to whom a pipeline is hidden it isn't there: they are told the same as of one that
//! was never made.

use contracts::access::{Right, SiteRole, Standing};
use contracts::message::{self, UserActed};

use crate::Error;
use crate::entity::pipeline;
use crate::rules::Rules;
use crate::run::Actor;

/// What kind of object a pipeline is in the record of users' actions.
const KIND: &str = "pipeline";

/// Who asks, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    told: message::Caller,
    actor: Actor,
}

impl Caller {
    /// Fails if it isn't said who asks.
    pub(crate) fn of(told: Option<message::Caller>) -> Result<Self, Error> {
        let missing = || Error::Invalid("a call must say who calls".into());
        let told = told.filter(|it| !it.account.is_empty());
        let told = told.ok_or_else(missing)?;
        let actor = told.actor.clone().ok_or_else(missing)?;
        Ok(Self {
            told,
            actor: Actor {
                user_id: actor.user_id,
                name: actor.name,
                token_id: actor.token_id,
                email: actor.email,
            },
        })
    }

    /// Penstock itself, in an account.
    pub(crate) fn system(account: &str) -> Self {
        let told = message::Caller {
            account: account.to_owned(),
            actor: Some(message::Actor::system()),
            ..message::Caller::default()
        };
        let actor = Actor {
            user_id: message::Actor::system().user_id,
            name: message::Actor::system().name,
            ..Actor::default()
        };
        Self { told, actor }
    }

    /// As it was told, to act for them later; without the use of a token that it was.
    pub(crate) fn kept(&self) -> message::Caller {
        message::Caller {
            r#use: None,
            ..self.told.clone()
        }
    }

    /// The tenant.
    pub(crate) fn account(&self) -> &str {
        &self.told.account
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Whether nothing of the account is hidden from them.
    pub(crate) fn sees_everything(&self) -> bool {
        self.told.sees_everything()
    }

    /// What they are to a pipeline.
    pub(crate) fn standing(&self, row: &pipeline::Model) -> Result<Standing, Error> {
        Ok(Rules::of_row(row)?.standing(&self.told, row))
    }

    /// Whether a pipeline is there for them.
    pub(crate) fn sees(&self, row: &pipeline::Model) -> Result<bool, Error> {
        Ok(Right::View.is_of(self.standing(row)?))
    }

    /// Refuses who may not; `named` is how they named the pipeline.
    pub(crate) fn must(
        &self,
        right: Right,
        row: &pipeline::Model,
        named: &str,
    ) -> Result<(), Error> {
        let standing = self.standing(row)?;
        if right.is_of(standing) {
            return Ok(());
        }
        if !Right::View.is_of(standing) {
            return Err(Error::NoPipeline(named.to_owned()));
        }
        Err(Error::Denied {
            pipeline: row.name.clone(),
            right,
        })
    }

    /// Refuses guests of the account, who make nothing.
    pub(crate) fn must_make(&self) -> Result<(), Error> {
        if self.told.has_any(SiteRole::USERS) {
            Ok(())
        } else {
            Err(Error::MayNotMake)
        }
    }

    /// What is told of an accepted change; nothing of what Penstock does itself.
    pub(crate) fn acted(
        &self,
        action: &str,
        row: &pipeline::Model,
        now_ms: i64,
    ) -> Option<UserActed> {
        UserActed::of(&self.told, KIND, action, (&row.id, &row.name), now_ms)
    }
}
