//! The audit log's transactions and reads, named by what becomes true or what they answer.
//!
//! **Invariants:** who stores output or notes an end holds the attempt's row, so that two instances
//! which hear the same at once don't both store it; rows are locked in the order of their keys, runs
//! before attempts.

use std::fmt::Write as _;
use std::time::Duration;

use runtime::Database;
use runtime::clock::millis;
use sea_orm::{ConnectionTrait, Statement, Value};

mod activity;
mod audit;
mod checkpoints;
mod days;
mod events;
mod export;
mod latest;
mod ledger;
mod pages;
mod prune;
mod roles;

pub(crate) use activity::{Key, Log};
pub(crate) use audit::{Sieve, Slice};
pub(crate) use checkpoints::Due;
pub(crate) use events::News;
pub(crate) use export::Span;
pub(crate) use latest::{Which, Whose};
pub(crate) use ledger::{LEDGER_TABLES, Records};
pub(crate) use pages::Ask;
pub use roles::Stores;

/// Rows an `INSERT`, at most.
const ROWS: usize = 500;

/// The audit log's rows.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
    /// The same as another role, or just the same: makes and removes what the other may not.
    owner: Database,
    retention_ms: i64,
    ledger_retention_ms: i64,
}

impl Store {
    /// The store in `stores`, which keeps activity for `retention`, and who did what for
    /// `ledger_retention`.
    pub(crate) fn new(stores: Stores, retention: Duration, ledger_retention: Duration) -> Self {
        let Stores { database, owner } = stores;
        Self {
            database,
            owner,
            retention_ms: millis(retention),
            ledger_retention_ms: millis(ledger_retention),
        }
    }
}

fn statement(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

/// `($1, $2), ($3, $4)`: placeholders for so many rows of so many columns.
fn placeholders(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for number in 0..rows * columns {
        let before = match (number % columns, number) {
            (0, 0) => "(",
            (0, _) => "), (",
            _ => ", ",
        };
        let _ = write!(text, "{before}${}", number + 1);
    }
    text.push(')');
    text
}

/// A row's number as an unsigned one; none of ours is negative.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A number as a row's; what is heard was checked to fit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An attempt's number in a row.
fn ordinal(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(super::placeholders(1, 3), "($1, $2, $3)");
        assert_eq!(super::placeholders(2, 2), "($1, $2), ($3, $4)");
    }
}
