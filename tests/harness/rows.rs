//! The services' databases, read directly.

use sea_orm::{
    ConnectOptions, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, FromQueryResult,
    Statement,
};

use crate::world::World;

/// The services that have a store.
pub const SERVICES: [&str; 4] = ["pipeline", "scheduler", "registry", "audit-log"];

/// The store of a service.
#[derive(Debug)]
pub struct Rows(DatabaseConnection);

impl Rows {
    /// Opens the store of a service, to read only.
    pub async fn of(world: &World, service: &str) -> Self {
        let opened = open(world, service).await;
        Self(opened.unwrap_or_else(|error| panic!("the {service} store can't be read: {error}")))
    }

    /// Reads.
    pub async fn all<T: FromQueryResult>(&self, sql: &str) -> Vec<T> {
        let found = self.try_all(sql).await;
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Reads, from a store that may be away.
    pub async fn try_all<T: FromQueryResult>(&self, sql: &str) -> Result<Vec<T>, DbErr> {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        T::find_by_statement(statement).all(&self.0).await
    }

    /// A number.
    pub async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        let row = self.0.query_one_raw(statement).await;
        let row = row.unwrap_or_else(|error| panic!("{sql}: {error}"));
        row.and_then(|row| row.try_get_by_index(0).ok())
            .unwrap_or_default()
    }

    /// Every column of every table: the table's name and the column's.
    pub async fn columns(&self) -> Vec<(String, String)> {
        let sql = if self.is_sqlite() {
            "SELECT m.name AS place, c.name AS name FROM sqlite_master m, \
             pragma_table_info(m.name) c WHERE m.type = 'table'"
        } else {
            "SELECT table_name::text AS place, column_name::text AS name \
             FROM information_schema.columns WHERE table_schema = current_schema()"
        };
        let found: Vec<Column> = self.all(sql).await;
        found.into_iter().map(|it| (it.place, it.name)).collect()
    }

    /// The values of a column, as the bytes that they are or read as.
    pub async fn values(&self, table: &str, column: &str) -> Vec<Vec<u8>> {
        let sql = if self.is_sqlite() {
            format!(
                "SELECT hex(CAST(\"{column}\" AS BLOB)) AS value FROM \"{table}\" \
                 WHERE \"{column}\" IS NOT NULL"
            )
        } else {
            format!(
                "SELECT CASE WHEN pg_typeof(\"{column}\") = 'bytea'::regtype \
                 THEN substr(\"{column}\"::text, 3) \
                 ELSE encode(convert_to(\"{column}\"::text, 'UTF8'), 'hex') END AS value \
                 FROM \"{table}\" WHERE \"{column}\" IS NOT NULL"
            )
        };
        let found: Vec<Value> = self.all(&sql).await;
        let bytes = |it: Value| hex::decode(it.value).unwrap_or_default();
        found.into_iter().map(bytes).collect()
    }

    fn is_sqlite(&self) -> bool {
        self.0.get_database_backend() == DbBackend::Sqlite
    }

    /// Closes it.
    pub async fn close(self) {
        let _ = self.0.close().await;
    }
}

#[derive(Debug, FromQueryResult)]
struct Column {
    place: String,
    name: String,
}

/// In hexadecimal.
#[derive(Debug, FromQueryResult)]
struct Value {
    value: String,
}

#[derive(Debug, FromQueryResult)]
struct Executor {
    executor: String,
}

/// The executors that any attempt of a world had.
pub async fn executors_of_attempts(world: &World) -> Vec<String> {
    let rows = Rows::of(world, "pipeline").await;
    let found: Vec<Executor> = rows.all("SELECT DISTINCT executor FROM attempt").await;
    rows.close().await;
    found.into_iter().map(|it| it.executor).collect()
}

/// Writes into the embedded store of a service, whose process has ended, that a later version of it
/// has been there.
pub async fn pretend_newer(world: &World, service: &str) {
    let file = world.place().data.join(format!("{service}.db"));
    let database = connect(ConnectOptions::new(format!("sqlite://{}", file.display()))).await;
    let database = database.expect("the store opens");
    let later = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)";
    database
        .execute_unprepared(later)
        .await
        .expect("it can be written");
    database.close().await.expect("it can be closed");
}

async fn open(world: &World, service: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = if let Some(url) = &world.place().postgres {
        let mut options = ConnectOptions::new(url);
        options.set_schema_search_path(service.replace('-', "_"));
        options
    } else {
        let file = world.place().data.join(format!("{service}.db"));
        ConnectOptions::new(format!("sqlite://{}?mode=ro", file.display()))
    };
    options.max_connections(1).sqlx_logging(false);
    connect(options).await
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test's own connection, besides the program's"
)]
async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    sea_orm::Database::connect(options).await
}
