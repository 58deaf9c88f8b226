//! Revealing secrets to a step that is granted. No value is answered before the record of it is
//! committed.

use std::collections::{BTreeSet, HashMap};

use contracts::message::{Actor, UserActed};
use sea_orm::{ColumnTrait as _, DatabaseTransaction, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use super::{Store, unknown};
use crate::Error;
use crate::entity::secret;
use crate::secret::{MOST_AT_ONCE, MOST_BYTES_AT_ONCE, Place};
use crate::vault::Sealed;

/// Who is told, for the record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) account: String,
    /// Who started the run; Penstock itself when absent.
    pub(crate) actor: Option<Actor>,
    pub(crate) run_id: String,
    pub(crate) step_id: String,
}

impl Store {
    /// The values of these secrets of an account, all or none; and that they were revealed is told.
    pub(crate) async fn revealed(
        &self,
        asked: &Asked,
        names: BTreeSet<String>,
        now_ms: i64,
    ) -> Result<HashMap<String, Vec<u8>>, Error> {
        let account = &asked.account;
        let values = self.values(account, &names).await?;
        let missing: Vec<String> = names
            .iter()
            .filter(|name| !values.contains_key(*name))
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(unknown(account, missing));
        }
        if values.values().map(Vec::len).sum::<usize>() > MOST_BYTES_AT_ONCE {
            return Err(Error::TooMuchAtOnce);
        }
        let Some(first) = names.first() else {
            return Ok(values);
        };
        let tx = self.database.begin().await?;
        let target = (asked.run_id.as_str(), first.as_str());
        asked
            .tell(&tx, target, json!({"secrets": names}), now_ms)
            .await?;
        tx.commit().await?;
        Ok(values)
    }

    /// The values of those secrets that there are.
    async fn values(
        &self,
        account: &str,
        names: &BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<u8>>, Error> {
        if names.len() > MOST_AT_ONCE {
            return Err(Error::TooMuchAtOnce);
        }
        let rows = secret::Entity::find()
            .filter(secret::Column::Account.eq(account))
            .filter(secret::Column::Name.is_in(names))
            .all(self.database.reader())
            .await?;
        let mut values = HashMap::with_capacity(rows.len());
        for row in rows {
            let place = Place::new(row.account, row.name)?;
            let sealed = Sealed {
                key_id: row.key_id,
                bytes: row.sealed,
            };
            let value = self.vault.reveal(&sealed, &place.binding());
            let value = value.ok_or_else(|| Error::Damaged(place.name().into()))?;
            values.insert(place.name().to_owned(), value);
        }
        Ok(values)
    }
}

impl Asked {
    /// Tells that secrets of `target`, an id and a name, are revealed.
    pub(super) async fn tell(
        &self,
        tx: &DatabaseTransaction,
        target: (&str, &str),
        mut what: Value,
        now_ms: i64,
    ) -> Result<(), Error> {
        what["runId"] = json!(self.run_id);
        what["stepId"] = json!(self.step_id);
        let id = if target.0.is_empty() {
            "secrets"
        } else {
            target.0
        };
        let told = UserActed {
            account: self.account.clone(),
            actor: Some(self.actor.clone().unwrap_or_else(Actor::system)),
            r#type: "secret".into(),
            action: "reveal".into(),
            target_id: id.into(),
            target_name: target.1.into(),
            at_ms: now_ms,
            ..UserActed::default()
        };
        let told = told.with_change(String::new(), what.to_string());
        outbox::announce(tx, &told, now_ms).await?;
        Ok(())
    }
}
