//! The registry's transactions, named by what becomes true.
//!
//! **Invariant:** a value enters the database sealed, a token as its hash (and the administrator's
//! installed one sealed beside it).

use std::collections::{BTreeSet, HashMap};

use contracts::message::{Actor, SecretChanged};
use runtime::Database;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement,
};

use crate::Error;
use crate::entity::{secret, user};
use crate::secret::{MOST, MOST_AT_ONCE, MOST_BYTES_AT_ONCE, Place, check_value};
use crate::vault::Vault;

mod groups;
mod installation;
mod tokens;
mod users;

pub(crate) use groups::Whole;
pub(crate) use tokens::{NewToken, Owned, Presented, standing};
pub(crate) use users::{NewUser, UserChange};

/// Whom a token belongs to, or who has signed in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) token_id: String,
    pub(crate) token_name: String,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    pub(crate) user_email: Option<String>,
    pub(crate) account: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) cidrs: Vec<String>,
    pub(crate) expires_at_ms: Option<i64>,
    pub(crate) last_used_at_ms: Option<i64>,
}

impl Bearer {
    /// A user that has shown no token.
    pub(crate) fn of(user: user::Model, groups: Vec<String>) -> Result<Self, Error> {
        Ok(Self {
            roles: names(&user.roles)?,
            user_id: user.id,
            user_name: user.name,
            user_email: user.email,
            account: user.account,
            groups,
            ..Self::default()
        })
    }
}

/// The registry's rows.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
    vault: Vault,
}

impl Store {
    /// The store in `database`, whose values `vault` seals.
    pub(crate) fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// Sets a secret and announces it; answers whether it is new.
    pub(crate) async fn set_secret(
        &self,
        place: &Place,
        value: &[u8],
        actor: Option<Actor>,
        now_ms: i64,
    ) -> Result<bool, Error> {
        check_value(value)?;
        let sealed = self
            .vault
            .seal(value, &place.binding())
            .ok_or(Error::TooLong(value.len()))?;
        let tx = self.database.begin().await?;
        let version = upsert(&tx, place, sealed, now_ms).await?;
        let created = version == 1;
        if created && count(&tx, place.account()).await? > MOST {
            return Err(Error::TooMany(place.account().into()));
        }
        let news = SecretChanged {
            name: place.name().into(),
            removed: false,
            actor,
        };
        outbox::announce(&tx, &news, now_ms).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Removes a secret and announces it.
    pub(crate) async fn remove_secret(
        &self,
        place: &Place,
        actor: Option<Actor>,
        now_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let key = (place.account().to_owned(), place.name().to_owned());
        let removed = secret::Entity::delete_by_id(key).exec(&*tx).await?;
        if removed.rows_affected == 0 {
            return Err(unknown(place.account(), vec![place.name().into()]));
        }
        let news = SecretChanged {
            name: place.name().into(),
            removed: true,
            actor,
        };
        outbox::announce(&tx, &news, now_ms).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Up to `limit` secrets of an account by name, after `after`. Names only.
    pub(crate) async fn listed(
        &self,
        account: &str,
        after: &str,
        limit: u64,
    ) -> Result<Vec<Listed>, Error> {
        let rows = secret::Entity::find()
            .select_only()
            .columns([
                secret::Column::Name,
                secret::Column::CreatedAtMs,
                secret::Column::UpdatedAtMs,
            ])
            .filter(secret::Column::Account.eq(account))
            .filter(secret::Column::Name.gt(after))
            .order_by_asc(secret::Column::Name)
            .limit(limit)
            .into_tuple::<(String, i64, i64)>()
            .all(self.database.reader())
            .await?;
        let listed = |(name, created_at_ms, updated_at_ms)| Listed {
            name,
            created_at_ms,
            updated_at_ms,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// The values of these secrets of an account, all or none.
    pub(crate) async fn revealed(
        &self,
        account: &str,
        names: BTreeSet<String>,
    ) -> Result<HashMap<String, Vec<u8>>, Error> {
        if names.len() > MOST_AT_ONCE {
            return Err(Error::TooMuchAtOnce);
        }
        let rows = secret::Entity::find()
            .filter(secret::Column::Account.eq(account))
            .filter(secret::Column::Name.is_in(&names))
            .all(self.database.reader())
            .await?;
        let mut values = HashMap::with_capacity(rows.len());
        for row in rows {
            let place = Place::new(row.account, row.name)?;
            let value = self.vault.reveal(&row.sealed, &place.binding());
            let value = value.ok_or_else(|| Error::Damaged(place.name().into()))?;
            values.insert(place.name().to_owned(), value);
        }
        let missing: Vec<String> = names
            .into_iter()
            .filter(|name| !values.contains_key(name))
            .collect();
        if !missing.is_empty() {
            return Err(unknown(account, missing));
        }
        if values.values().map(Vec::len).sum::<usize>() > MOST_BYTES_AT_ONCE {
            return Err(Error::TooMuchAtOnce);
        }
        Ok(values)
    }
}

/// What a list says of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) created_at_ms: i64,
    pub(crate) updated_at_ms: i64,
}

/// Answers how often the secret has been set.
async fn upsert(
    tx: &DatabaseTransaction,
    place: &Place,
    sealed: Vec<u8>,
    now_ms: i64,
) -> Result<i64, Error> {
    let sql = "INSERT INTO secrets (account, name, sealed, version, created_at_ms, updated_at_ms) \
               VALUES ($1, $2, $3, 1, $4, $4) \
               ON CONFLICT (account, name) DO UPDATE SET sealed = excluded.sealed, \
               version = secrets.version + 1, updated_at_ms = excluded.updated_at_ms \
               RETURNING version";
    let values = [
        place.account().into(),
        place.name().into(),
        sealed.into(),
        now_ms.into(),
    ];
    let rows = execute(tx, sql, values).await?;
    let row = rows.first().ok_or_else(|| Error::Row("secrets".into()))?;
    Ok(row.try_get("", "version")?)
}

async fn count(tx: &DatabaseTransaction, account: &str) -> Result<u64, Error> {
    Ok(secret::Entity::find()
        .filter(secret::Column::Account.eq(account))
        .count(tx)
        .await?)
}

fn unknown(account: &str, names: Vec<String>) -> Error {
    Error::Unknown {
        account: account.into(),
        names,
    }
}

/// Reads a column that holds a list of texts.
pub(crate) fn names(json: &str) -> Result<Vec<String>, Error> {
    serde_json::from_str(json).map_err(|error| Error::Row(error.to_string()))
}

fn list(names: &[&str]) -> String {
    serde_json::Value::from(names.to_vec()).to_string()
}

async fn execute(
    tx: &DatabaseTransaction,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<Vec<sea_orm::QueryResult>, Error> {
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), sql, values);
    Ok(tx.query_all_raw(statement).await?)
}
