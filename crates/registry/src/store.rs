//! The registry's transactions, named by what becomes true.
//!
//! **Invariant:** a value enters the database sealed, a token as its hash (and the administrator's
//! installed one sealed beside it).

use runtime::Database;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DatabaseTransaction, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Statement,
};

use crate::Error;
use crate::entity::{secret, user};
use crate::keeper::Keeper;
use crate::secret::{MOST, Place, check_value};
use crate::vault::{Sealed, Vault};

mod groups;
mod installation;
mod plugins;
mod reveals;
mod rotation;
mod tokens;
mod tools;
mod users;
mod vaulted;

pub(crate) use reveals::Asked;
pub(crate) use rotation::Pass;
pub(crate) use tools::{Page, Seen};

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
        keeper: &Keeper,
        now_ms: i64,
    ) -> Result<bool, Error> {
        check_value(value)?;
        let tx = self.database.begin().await?;
        let sealed = self
            .vault
            .seal(value, &place.binding())
            .ok_or(Error::TooLong(value.len()))?;
        let version = upsert(&tx, place, sealed, now_ms).await?;
        let created = version == 1;
        if created && count(&tx, place.account()).await? > MOST {
            return Err(Error::TooMany(place.account().into()));
        }
        let action = if created { "create" } else { "update" };
        keeper.tell(&tx, place, action, now_ms).await?;
        tx.commit().await?;
        Ok(created)
    }

    /// Removes a secret and announces it.
    pub(crate) async fn remove_secret(
        &self,
        place: &Place,
        keeper: &Keeper,
        now_ms: i64,
    ) -> Result<(), Error> {
        let tx = self.database.begin().await?;
        let key = (place.account().to_owned(), place.name().to_owned());
        let removed = secret::Entity::delete_by_id(key).exec(&*tx).await?;
        if removed.rows_affected == 0 {
            return Err(unknown(place.account(), vec![place.name().into()]));
        }
        keeper.tell(&tx, place, "delete", now_ms).await?;
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
    sealed: Sealed,
    now_ms: i64,
) -> Result<i64, Error> {
    let sql = "INSERT INTO secrets (account, name, sealed, key_id, version, created_at_ms, \
               updated_at_ms) VALUES ($1, $2, $3, $5, 1, $4, $4) \
               ON CONFLICT (account, name) DO UPDATE SET sealed = excluded.sealed, \
               key_id = excluded.key_id, \
               version = secrets.version + 1, updated_at_ms = excluded.updated_at_ms \
               RETURNING version";
    let values = [
        place.account().into(),
        place.name().into(),
        sealed.bytes.into(),
        now_ms.into(),
        sealed.key_id.into(),
    ];
    let rows = execute(tx, sql, values).await?;
    let row = rows.first().ok_or_else(|| Error::Row("secrets".into()))?;
    Ok(row.try_get("", "version")?)
}

/// The sealed value of a row.
fn sealed(row: &sea_orm::QueryResult) -> Result<Sealed, Error> {
    Ok(Sealed {
        key_id: row.try_get("", "key_id")?,
        bytes: row.try_get("", "sealed")?,
    })
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
