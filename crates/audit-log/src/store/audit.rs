//! Reading who did what, newest first, in pages that go on from a key.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait as _, FromQueryResult as _, QueryResult, Value};

use super::ledger::path;
use super::{Store, statement};
use crate::Error;
use crate::entity::{token_use, user_action};
use crate::ledger::{Action, TokenUse};
use crate::record::Mark;

/// Bytes of objects before and after edits that a page has, about.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Rows with such objects that are read at once.
const ROWS_WITH_CHANGES: usize = 32;

/// Which records; empty is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sieve {
    pub(crate) account: String,
    /// From this time on, and before that one.
    pub(crate) from_ms: Option<i64>,
    pub(crate) to_ms: Option<i64>,
    /// Older than this one.
    pub(crate) before: Option<Mark>,
    /// An id, or an address with an @.
    pub(crate) user: String,
    pub(crate) kind: String,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) scope: String,
    pub(crate) token: String,
    pub(crate) outcome: String,
    /// 1 to 1000.
    pub(crate) limit: usize,
}

/// A page, and where the next one begins if there is more.
#[derive(Debug)]
pub(crate) struct Slice<T> {
    pub(crate) records: Vec<T>,
    pub(crate) next: Option<Mark>,
}

const ACTION: &str = "account, position, id, user_id, user_name, user_email, token_id, kind, \
                      action, target_id, target_name, at_ms, use_id";

impl Store {
    /// User actions; `with_changes`, what their objects were like before and after.
    pub(crate) async fn actions(
        &self,
        sieve: &Sieve,
        with_changes: bool,
    ) -> Result<Slice<Action>, Error> {
        let changes = if with_changes {
            "before_json, after_json"
        } else {
            "'' AS before_json, '' AS after_json"
        };
        let select = format!("SELECT {ACTION}, {changes} FROM user_action");
        let mut which = Which::of(sieve);
        which.user(&sieve.user);
        which.equals("kind", &sieve.kind);
        which.equals("action", &sieve.action);
        which.equals("target_id", &sieve.target);
        let at_once = if with_changes {
            ROWS_WITH_CHANGES
        } else {
            sieve.limit
        };
        let mut records: Vec<Action> = Vec::new();
        let (mut bytes, mut is_over) = (0, false);
        let mut before = sieve.before.clone();
        while !is_over && records.len() < sieve.limit && bytes < MOST_BYTES {
            let wanted = at_once.min(sieve.limit - records.len());
            let rows = self
                .rows(&select, which.clone(), before.as_ref(), wanted)
                .await?;
            is_over = rows.len() < wanted;
            for row in &rows {
                let action = Action::from(user_action::Model::from_query_result(row, "")?);
                bytes += action.before_json.len() + action.after_json.len();
                before = Some(mark(action.at_ms, &action.id));
                records.push(action);
            }
        }
        let next = before.filter(|_| !is_over);
        Ok(Slice { records, next })
    }

    /// Uses of tokens.
    pub(crate) async fn token_uses(&self, sieve: &Sieve) -> Result<Slice<TokenUse>, Error> {
        let mut which = Which::of(sieve);
        which.equals("user_id", &sieve.user);
        which.equals("token_id", &sieve.token);
        which.equals("scope", &sieve.scope);
        which.equals("path", path(&sieve.target));
        match sieve.outcome.parse::<i64>() {
            Ok(status) => which.compare("http_status =", status),
            Err(_) => which.equals("outcome", &sieve.outcome),
        }
        let before = sieve.before.as_ref();
        let rows = self
            .rows("SELECT * FROM token_use", which, before, sieve.limit)
            .await?;
        let mut records: Vec<TokenUse> = Vec::with_capacity(rows.len());
        for row in &rows {
            records.push(token_use::Model::from_query_result(row, "")?.into());
        }
        let is_full = records.len() == sieve.limit;
        let next = records
            .last()
            .filter(|_| is_full)
            .map(|it| mark(it.at_ms, &it.id));
        Ok(Slice { records, next })
    }

    async fn rows(
        &self,
        select: &str,
        mut which: Which,
        before: Option<&Mark>,
        limit: usize,
    ) -> Result<Vec<QueryResult>, Error> {
        if let Some(before) = before {
            which.before(before);
        }
        let Which { sql, values } = which;
        let reader = self.database.reader();
        let sql = format!("{select} WHERE {sql} ORDER BY at_ms DESC, id DESC LIMIT {limit}");
        Ok(reader.query_all_raw(statement(reader, sql, values)).await?)
    }
}

fn mark(time_ms: i64, id: &str) -> Mark {
    let id = id.to_owned();
    Mark { time_ms, id }
}

/// A condition and its values.
#[derive(Debug, Clone)]
struct Which {
    sql: String,
    values: Vec<Value>,
}

impl Which {
    fn of(sieve: &Sieve) -> Self {
        let mut which = Self {
            sql: "account = $1".into(),
            values: vec![sieve.account.as_str().into()],
        };
        if let Some(from_ms) = sieve.from_ms {
            which.compare("at_ms >=", from_ms);
        }
        if let Some(to_ms) = sieve.to_ms {
            which.compare("at_ms <", to_ms);
        }
        which
    }

    /// Both stores use an index for such a pair.
    fn before(&mut self, mark: &Mark) {
        let number = self.values.len() + 1;
        let _ = write!(self.sql, " AND (at_ms, id) < (${number}, ${})", number + 1);
        self.values.push(mark.time_ms.into());
        self.values.push(mark.id.as_str().into());
    }

    fn user(&mut self, user: &str) {
        let column = if user.contains('@') {
            "user_email"
        } else {
            "user_id"
        };
        self.equals(column, user);
    }

    /// Passes over what isn't asked for.
    fn equals(&mut self, column: &str, text: &str) {
        if !text.is_empty() {
            self.compare(&format!("{column} ="), text);
        }
    }

    fn compare(&mut self, column: &str, value: impl Into<Value>) {
        let _ = write!(self.sql, " AND {column} ${}", self.values.len() + 1);
        self.values.push(value.into());
    }
}
