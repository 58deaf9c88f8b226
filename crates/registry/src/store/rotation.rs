//! Sealing again, under the key that seals now, what an earlier one sealed.
//!
//! It goes in batches, each a transaction that leaves rows alone which changed meanwhile, and it can
//! end after any of them: what is sealed says by which key, so whoever goes on knows what is left.
//!
//! **Invariant:** an earlier key is forgotten in a transaction that found nothing of it left, while
//! no other could seal.

use contracts::access::SiteRole;
use contracts::message::{Caller, UserActed};
use runtime::Progress;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, DatabaseTransaction};

use super::{Store, execute, installation, sealed, vaulted};
use crate::Error;
use crate::secret::Place;
use crate::vault::Sealed;

/// Values that are sealed again at a time.
const BATCH: i64 = 100;

/// How far a rotation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) current: String,
    pub(crate) earlier: Vec<String>,
    /// Values that an earlier key sealed.
    pub(crate) left: u64,
}

/// A table of sealed values, and the two columns that a row of it is known by.
struct Table {
    name: &'static str,
    columns: (&'static str, &'static str),
    /// What a row's value is bound to.
    binding: fn(String, String) -> Result<Vec<u8>, Error>,
}

const TABLES: [Table; 3] = [
    Table {
        name: "secrets",
        columns: ("account", "name"),
        binding: |account, name| Ok(Place::new(account, name)?.binding()),
    },
    Table {
        name: "tool_secrets",
        columns: ("tool_id", "vault_key"),
        binding: |tool_id, key| Ok(vaulted::binding(&tool_id, &key)),
    },
    Table {
        name: "installed_token",
        columns: ("user_id", "user_id"),
        binding: |_, _| Ok(installation::PLACE.to_vec()),
    },
];

/// Where a pass over all tables is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pass {
    table: usize,
    after: (String, String),
}

impl Store {
    /// A new key seals from now on. Nothing happens while there is an earlier one. Only a store that
    /// one registry has to itself can do so: others would not know the key.
    pub(crate) async fn renew_key(&self, caller: &Caller, now_ms: i64) -> Result<(), Error> {
        check(caller, SiteRole::ADMINISTRATORS)?;
        let (before, earlier) = self.vault.key_ids();
        if !earlier.is_empty() {
            return Ok(());
        }
        let tx = self.database.begin().await?;
        if tx.get_database_backend() != DatabaseBackend::Sqlite {
            return Err(Error::KeyGiven);
        }
        self.vault.renew()?;
        let (current, _) = self.vault.key_ids();
        let target = (current.as_str(), "key of the secrets");
        if let Some(told) = UserActed::of(caller, "secret", "rotate-key", target, now_ms) {
            let key = |id: &str| serde_json::json!({"keyId": id}).to_string();
            let told = told.with_change(key(&before), key(&current));
            outbox::announce(&tx, &told, now_ms).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Which keys there are, and how much the earlier ones sealed.
    pub(crate) async fn keys(&self, caller: &Caller) -> Result<Keys, Error> {
        check(caller, SiteRole::SECRET_KEEPERS)?;
        let (current, earlier) = self.vault.key_ids();
        let tx = self.database.begin().await?;
        let left = left(&tx, &current).await?;
        Ok(Keys {
            current,
            earlier,
            left,
        })
    }

    /// Seals the next batch again. A value that does not open is left, and its key with it.
    pub(crate) async fn seal_again(&self, pass: &mut Pass) -> Result<Progress, Error> {
        let Some(table) = TABLES.get(pass.table) else {
            return Ok(Progress::Idle);
        };
        let tx = self.database.begin().await?;
        let rows = batch(&tx, table, &self.vault.key_ids().0, &pass.after).await?;
        for (row, old) in &rows {
            self.seal_row_again(&tx, table, row, old).await?;
        }
        tx.commit().await?;
        if !rows.is_empty() {
            runtime::fault_point::pass("secrets.sealed");
        }
        match rows.into_iter().next_back() {
            Some((last, _)) => pass.after = last,
            None => {
                *pass = Pass {
                    table: pass.table + 1,
                    ..Pass::default()
                }
            }
        }
        Ok(Progress::More)
    }

    async fn seal_row_again(
        &self,
        tx: &DatabaseTransaction,
        table: &Table,
        row: &(String, String),
        old: &Sealed,
    ) -> Result<(), Error> {
        let binding = (table.binding)(row.0.clone(), row.1.clone())?;
        let opened = self.vault.reveal(old, &binding);
        let Some(new) = opened.and_then(|value| self.vault.seal(&value, &binding)) else {
            tracing::error!(
                table = table.name,
                "the secret {} is damaged or its key is not here: set it again",
                row.1
            );
            return Ok(());
        };
        let (a, b) = table.columns;
        let sql = format!(
            "UPDATE {} SET sealed = $1, key_id = $2 WHERE {a} = $3 AND {b} = $4 AND sealed = $5",
            table.name
        );
        let values = [
            new.bytes.into(),
            new.key_id.into(),
            row.0.as_str().into(),
            row.1.as_str().into(),
            old.bytes.clone().into(),
        ];
        execute(tx, &sql, values).await?;
        Ok(())
    }

    /// Forgets earlier keys when nothing of theirs is left. The keys of a store that several
    /// registries share are not theirs to forget.
    pub(crate) async fn forget_earlier_keys(&self) -> Result<(), Error> {
        let (current, earlier) = self.vault.key_ids();
        if earlier.is_empty() {
            return Ok(());
        }
        let tx = self.database.begin().await?;
        let is_own = tx.get_database_backend() == DatabaseBackend::Sqlite;
        let left = left(&tx, &current).await?;
        // What was seen is certain only now: transactions share commits.
        tx.commit().await?;
        if is_own && left == 0 {
            self.vault.forget_earlier()?;
            tracing::info!(key.id = current, "every secret is sealed under the new key");
        }
        Ok(())
    }
}

fn check(caller: &Caller, roles: &[SiteRole]) -> Result<(), Error> {
    if caller.has_any(roles) {
        Ok(())
    } else {
        Err(Error::Denied("is for those who look after the site"))
    }
}

/// Rows after `after` that `current` did not seal, in the order of their columns.
async fn batch(
    tx: &DatabaseTransaction,
    table: &Table,
    current: &str,
    after: &(String, String),
) -> Result<Vec<((String, String), Sealed)>, Error> {
    let (a, b) = table.columns;
    let is_shared = tx.get_database_backend() == DatabaseBackend::Postgres;
    let lock = if is_shared { "FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT {a} AS a, {b} AS b, sealed, key_id FROM {} \
         WHERE key_id <> $1 AND ({a}, {b}) > ($2, $3) ORDER BY {a}, {b} LIMIT $4 {lock}",
        table.name
    );
    let values = [
        current.into(),
        after.0.as_str().into(),
        after.1.as_str().into(),
        BATCH.into(),
    ];
    let mut found = Vec::new();
    for row in execute(tx, &sql, values).await? {
        let key = (row.try_get("", "a")?, row.try_get("", "b")?);
        found.push((key, sealed(&row)?));
    }
    Ok(found)
}

async fn left(tx: &DatabaseTransaction, current: &str) -> Result<u64, Error> {
    let mut left = 0;
    for Table { name, .. } in &TABLES {
        let sql = format!("SELECT count(*) AS number FROM {name} WHERE key_id <> $1");
        for row in execute(tx, &sql, [current.into()]).await? {
            let number: i64 = row.try_get("", "number")?;
            left += number.unsigned_abs();
        }
    }
    Ok(left)
}
