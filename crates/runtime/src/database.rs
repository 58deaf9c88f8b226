//! One type for the services' stores: `sqlite://<directory>` and `postgres://…`.
//!
//! Each service has a database of its own: a file in the directory, or a schema. It migrates it at
//! start, under a lock. Writes go through [`Database::begin`]; reads that need no transaction
//! through [`Database::reader`].
//!
//! On `SQLite` there is one writer, with group commit: transactions that wait for it are committed
//! together with one fsync ([`group`]). What [`Tx::commit`] acknowledged survives power loss.
//! A server of `PostgreSQL` may go away and come back; [`mod@watch`] tells of it.
//!
//! **Invariant:** inside a transaction nothing asks the pool; helpers take `&DatabaseTransaction`.

use std::ops::Deref;
use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, Statement,
    TransactionTrait as _,
};
pub use sea_orm_migration::MigratorTrait;

use crate::Readiness;

mod away;
mod connect;
mod group;
mod watch;

use away::is_broken;
pub use away::{Disk, full, is_away};
use connect::{
    POSTGRES_CONNECTIONS, SQLITE_READERS, connect, is_postgres, postgres, schema, sqlite,
    sqlite_file,
};
pub use watch::watch;

/// How often `begin` tries again with a fresh connection when a pooled one turns out to be dead.
const DEAD_CONNECTIONS: u32 = POSTGRES_CONNECTIONS + 1;

/// A service's own database.
#[derive(Debug, Clone)]
pub struct Database {
    reader: DatabaseConnection,
    writer: Writer,
}

#[derive(Debug, Clone)]
enum Writer {
    Pool,
    Group(group::Writer),
}

/// Why a store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL has a scheme that no store has.
    #[error("\"{0}\" is not a store: write sqlite://<directory> or postgres://user@host/database")]
    Url(String),
    /// Written by a newer version of Penstock.
    #[error(
        "the {service} store was written by a newer version of penstock ({detail}): start that \
         version again, or restore a backup from before the upgrade"
    )]
    Newer {
        /// Whose store.
        service: String,
        /// What is unknown here.
        detail: String,
    },
    /// Anything that the database said.
    #[error("the {service} store failed")]
    Store {
        /// Whose store.
        service: String,
        /// What it said.
        source: DbErr,
    },
}

impl Database {
    /// Opens the database of `service` and migrates it. Waits, without limit, while it is away;
    /// `ready` says so meanwhile.
    pub async fn open<M: MigratorTrait>(
        url: &str,
        service: &'static str,
        ready: &Readiness,
    ) -> Result<Self, Error> {
        waited_for(service, ready, || Self::open_once::<M>(url, service)).await
    }

    /// The same as a role that may not migrate it: somebody else has. Only on `PostgreSQL`.
    pub async fn attach(
        url: &str,
        service: &'static str,
        ready: &Readiness,
    ) -> Result<Self, Error> {
        waited_for(service, ready, || Self::attach_once(url, service)).await
    }

    async fn attach_once(url: &str, service: &str) -> Result<Self, Error> {
        if !is_postgres(url) {
            return Err(Error::Url(scheme(url)));
        }
        let reader = connect(postgres(url, service, POSTGRES_CONNECTIONS)).await;
        let reader = reader.map_err(|source| Error::Store {
            service: service.into(),
            source,
        })?;
        Ok(Self {
            reader,
            writer: Writer::Pool,
        })
    }

    async fn open_once<M: MigratorTrait>(url: &str, service: &str) -> Result<Self, Error> {
        let store = |source| Error::Store {
            service: service.into(),
            source,
        };
        if let Some(directory) = url.strip_prefix("sqlite://") {
            let file = sqlite_file(directory, service).map_err(store)?;
            let writer = connect(sqlite(&file, 1)).await.map_err(store)?;
            migrate::<M>(&writer, service).await?;
            let reader = connect(sqlite(&file, SQLITE_READERS))
                .await
                .map_err(store)?;
            Ok(Self {
                reader,
                writer: Writer::Group(group::Writer::new(&file, writer)),
            })
        } else if is_postgres(url) {
            let first = connect(postgres(url, service, 1)).await.map_err(store)?;
            migrate_under_lock::<M>(&first, service).await?;
            first.close().await.map_err(store)?;
            let reader = connect(postgres(url, service, POSTGRES_CONNECTIONS))
                .await
                .map_err(store)?;
            Ok(Self {
                reader,
                writer: Writer::Pool,
            })
        } else {
            Err(Error::Url(scheme(url)))
        }
    }

    /// A pool for reads outside a transaction.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// Which dialect it speaks.
    pub fn backend(&self) -> DatabaseBackend {
        self.reader.get_database_backend()
    }

    /// Begins a transaction that writes. Dropped without [`Tx::commit`] it leaves no trace.
    pub async fn begin(&self) -> Result<Tx, DbErr> {
        match &self.writer {
            Writer::Group(writer) => Ok(Tx(Inner::Group(writer.begin().await?))),
            Writer::Pool => {
                let mut tries = 0;
                loop {
                    match self.reader.begin().await {
                        Err(error) if tries < DEAD_CONNECTIONS && is_broken(&error) => tries += 1,
                        outcome => return outcome.map(|tx| Tx(Inner::Pool(tx))),
                    }
                }
            }
        }
    }
}

/// What may be told of a URL that may have a password.
fn scheme(url: &str) -> String {
    url.split("://").next().unwrap_or_default().to_owned()
}

/// Opens, again and again while the store is away; `ready` says so meanwhile.
async fn waited_for<F: Future<Output = Result<Database, Error>>>(
    service: &str,
    ready: &Readiness,
    open: impl Fn() -> F,
) -> Result<Database, Error> {
    let seam = seam(service);
    ready.missing(&seam, "it is being opened");
    let mut pause = Duration::from_millis(100);
    loop {
        match open().await {
            Err(Error::Store { source, .. }) if is_away(&source) => {
                tracing::warn!(store = service, "the {seam} is away: {source}");
                ready.missing(&seam, source.to_string());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            outcome => {
                ready.present(&seam);
                return outcome;
            }
        }
    }
}

/// A transaction that writes.
#[derive(Debug)]
pub struct Tx(Inner);

#[derive(Debug)]
enum Inner {
    Pool(DatabaseTransaction),
    Group(group::Turn),
}

impl Tx {
    /// Makes everything done in it true and durable, or answers why it isn't.
    pub async fn commit(self) -> Result<(), DbErr> {
        match self.0 {
            Inner::Pool(tx) => tx.commit().await,
            Inner::Group(turn) => turn.commit().await,
        }
    }
}

impl Deref for Tx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        match &self.0 {
            Inner::Pool(tx) => tx,
            Inner::Group(turn) => turn.transaction(),
        }
    }
}

/// Milliseconds since 1970-01-01 UTC by the store's own clock.
pub async fn store_now_ms(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sql = format!("SELECT {} AS now", clock_sql(db));
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the clock".into()))?
        .try_get("", "now")
}

/// The same as an expression, for a condition that is judged where the rows are.
pub fn store_clock(db: &impl ConnectionTrait) -> Expr {
    Expr::cust(clock_sql(db))
}

fn clock_sql(db: &impl ConnectionTrait) -> &'static str {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    } else {
        "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    }
}

/// What `/readyz` calls the store of a service.
fn seam(service: &str) -> String {
    format!("{service} store")
}

/// Two processes that start at once migrate one after the other.
async fn migrate_under_lock<M: MigratorTrait>(
    connection: &DatabaseConnection,
    service: &str,
) -> Result<(), Error> {
    let name = schema(service);
    let make = format!(
        "SELECT pg_advisory_lock(hashtext('penstock-{name}')); CREATE SCHEMA IF NOT EXISTS {name}"
    );
    connection
        .execute_unprepared(&make)
        .await
        .map_err(|source| Error::Store {
            service: service.into(),
            source,
        })?;
    migrate::<M>(connection, service).await
}

async fn migrate<M: MigratorTrait>(
    connection: &DatabaseConnection,
    service: &str,
) -> Result<(), Error> {
    M::up(connection, None).await.map_err(|error| {
        if error
            .to_string()
            .contains("is missing, this migration has been applied")
        {
            Error::Newer {
                service: service.into(),
                detail: error.to_string(),
            }
        } else {
            Error::Store {
                service: service.into(),
                source: error,
            }
        }
    })
}

#[cfg(test)]
mod tests;
