//! Rows of values for an `UPDATE … FROM (VALUES …)`, which changes many rows in one statement.
//!
//! Both dialects call the columns of such rows `column1`, `column2` and so on.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait as _, DatabaseTransaction, DbErr, Statement, Value};

/// Rows of so many values.
#[derive(Debug)]
pub(super) struct Values {
    columns: usize,
    values: Vec<Value>,
}

impl Values {
    pub(super) fn of(columns: usize) -> Self {
        Self {
            columns,
            values: Vec::new(),
        }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [Value; N]) {
        self.values.extend(row);
    }

    /// Runs a statement with the rows in the place of `{values}`.
    pub(super) async fn run(self, tx: &DatabaseTransaction, sql: &str) -> Result<(), DbErr> {
        if self.values.is_empty() {
            return Ok(());
        }
        let sql = sql.replace("{values}", &self.placeholders());
        let backend = tx.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, self.values);
        tx.execute_raw(statement).await?;
        Ok(())
    }

    fn placeholders(&self) -> String {
        let mut text = String::new();
        for number in 1..=self.values.len() {
            let before = match (number, number % self.columns) {
                (1, _) => "(",
                (_, 1) => "), (",
                (_, _) => ", ",
            };
            let _ = write!(text, "{before}${number}");
        }
        text + ")"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_numbered_through() {
        let mut values = Values::of(2);
        values.push([1.into(), 2.into()]);
        values.push([3.into(), 4.into()]);
        assert_eq!(values.placeholders(), "($1, $2), ($3, $4)");
    }
}
