//! Connections to the two kinds of store, with their limits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{ConnectOptions, DatabaseConnection, DbErr};

/// Readers of a `SQLite` file.
pub(super) const SQLITE_READERS: u32 = 4;
/// Connections of a service to `PostgreSQL`, at most, besides the one that watches it.
pub(super) const POSTGRES_CONNECTIONS: u32 = 12;

pub(super) fn sqlite_file(directory: &str, service: &str) -> Result<PathBuf, DbErr> {
    std::fs::create_dir_all(directory)
        .map_err(|error| DbErr::Custom(format!("{directory} can't be made: {error}")))?;
    Ok(Path::new(directory).join(format!("{service}.db")))
}

#[allow(clippy::disallowed_methods, reason = "this is the place that connects")]
pub(super) async fn connect(options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    sea_orm::Database::connect(options).await
}

pub(super) fn sqlite(file: &Path, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", file.display()));
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(30))
        .map_sqlx_sqlite_opts(|options| {
            options
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("busy_timeout", "10000")
                .pragma("foreign_keys", "ON")
                .pragma("cache_size", "-1024")
                .pragma("journal_size_limit", "16777216")
        });
    options
}

pub(super) fn postgres(url: &str, service: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .test_before_acquire(false)
        .connect_timeout(Duration::from_secs(5))
        .acquire_timeout(Duration::from_secs(10))
        .set_schema_search_path(schema(service));
    options
}

pub(super) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

pub(super) fn schema(service: &str) -> String {
    service.replace('-', "_")
}
