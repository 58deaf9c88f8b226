//! One database role or two: an owner that migrates and removes, and one that runs, which may add
//! audit records and read them and nothing else.

use runtime::config::Secret;
use runtime::{Database, Readiness};
use sea_orm::{ConnectionTrait, DbErr};

use super::{LEDGER_TABLES, statement};
use crate::{Config, Error, Migrator};

/// The service, as stores call it.
const SERVICE: &str = "audit-log";

/// The store as one role or two. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stores {
    /// What runs.
    pub(crate) database: Database,
    /// What migrates and removes.
    pub(crate) owner: Database,
}

impl Stores {
    /// Opens and migrates the store at `url`, waiting while it is away.
    ///
    /// With an owner in `config` it is that role which migrates, and gives the role of `url` its
    /// rights. Fails if that one may change audit records all the same.
    pub async fn open(config: &Config, url: &str, ready: &Readiness) -> Result<Self, Error> {
        let owner = &config.database_owner;
        if owner.is_empty() {
            let database = Database::open::<Migrator>(url, SERVICE, ready).await?;
            return Ok(Self::of(database));
        }
        Self::apart(owner, url, ready).await
    }

    /// One role for all.
    pub fn of(database: Database) -> Self {
        Self {
            owner: database.clone(),
            database,
        }
    }

    async fn apart(owner: &Secret, url: &str, ready: &Readiness) -> Result<Self, Error> {
        let owner = Database::open::<Migrator>(owner.expose(), SERVICE, ready).await?;
        let database = Database::attach(url, SERVICE, ready).await?;
        let role = current_role(database.reader()).await?;
        grant(&owner, &role).await?;
        if may_change(database.reader()).await? {
            return Err(Error::Role(role));
        }
        Ok(Self { database, owner })
    }
}

async fn current_role(db: &impl ConnectionTrait) -> Result<String, DbErr> {
    let row = db
        .query_one_raw(statement(db, "SELECT current_user::text AS role", []))
        .await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the role".into()))?
        .try_get("", "role")
}

/// All at once, so that there is no moment in which the role may do more.
async fn grant(owner: &Database, role: &str) -> Result<(), DbErr> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let tables = LEDGER_TABLES.join(", ");
    let tx = owner.begin().await?;
    for sql in [
        "SELECT pg_advisory_xact_lock(hashtext('penstock-audit_log-roles'))".to_owned(),
        format!("GRANT USAGE ON SCHEMA audit_log TO {role}"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA audit_log TO {role}"),
        format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA audit_log TO {role}"),
        format!("REVOKE UPDATE, DELETE, TRUNCATE ON {tables}, seaql_migrations FROM {role}"),
        format!("REVOKE DELETE, TRUNCATE ON audit_head FROM {role}"),
    ] {
        tx.execute_unprepared(&sql).await?;
    }
    tx.commit().await
}

async fn may_change(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    for table in LEDGER_TABLES {
        let sql = "SELECT has_table_privilege($1, 'UPDATE, DELETE, TRUNCATE') AS may";
        let row = db.query_one_raw(statement(db, sql, [table.into()])).await?;
        if row.map_or(Ok(false), |it| it.try_get("", "may"))? {
            return Ok(true);
        }
    }
    Ok(false)
}
