//! SQL that both dialects read: numbered placeholders, many rows a statement.

use std::fmt::Write as _;

use runtime::Progress;
use sea_orm::{ConnectionTrait, Statement, Value};

/// A statement with its values, in the dialect of `db`.
pub(crate) fn statement(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: Vec<Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

/// `($1, $2), ($3, $4)`: placeholders for so many rows.
pub(crate) fn rows(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 5);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { "), (" });
        list(&mut text, row * columns + 1, columns);
    }
    text.push(')');
    text
}

/// `$1, $2, $3`: placeholders for so many values, from number `first`.
pub(crate) fn list(text: &mut String, first: usize, count: usize) {
    for number in first..first + count {
        let comma = if number == first { "" } else { ", " };
        let _ = write!(text, "{comma}${number}");
    }
}

/// Whether a bounded delete that took `deleted` of at most `most` rows may have left some.
pub(crate) fn progress(deleted: u64, most: u32) -> Progress {
    if deleted < u64::from(most) {
        Progress::Idle
    } else {
        Progress::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        assert_eq!(rows(1, 3), "($1, $2, $3)");
        assert_eq!(rows(2, 2), "($1, $2), ($3, $4)");
    }
}
