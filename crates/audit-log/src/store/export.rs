//! Reading chains link by link, for who verifies them.

use std::collections::BTreeMap;

use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult as _,
    QueryFilter as _, QueryOrder as _, Value,
};

use super::{Store, statement, unsigned};
use crate::Error;
use crate::entity::{checkpoint, link, token_use, user_action};
use crate::ledger::chain::Link;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::{Action, Book, TokenUse};

/// Links a read: each may have an action of 128 KiB or a batch of uses.
const LINKS: usize = 32;

/// The part of a chain that is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// What it begins behind; none if it begins with the first link.
    pub(crate) base: Option<Checkpoint>,
    /// Its last link; the same as the base if there is none.
    pub(crate) through: i64,
}

impl Span {
    /// The position behind which it begins.
    pub(crate) fn after(&self) -> i64 {
        self.base
            .as_ref()
            .map_or(0, |it| super::signed(it.position))
    }
}

impl Store {
    /// The part of a chain that has what was kept from `from_ms` and before `to_ms`, widened to
    /// checkpoints, as far as there are some.
    pub(crate) async fn span(
        &self,
        account: &str,
        book: Book,
        (from_ms, to_ms): (Option<i64>, Option<i64>),
    ) -> Result<Span, Error> {
        let chain = Chain {
            db: self.database.reader(),
            account,
            book,
        };
        let mut base = chain.base().await?;
        let mut through = chain
            .number("SELECT position FROM audit_head", "", None)
            .await?;
        if let Some(to_ms) = to_ms {
            let last = chain
                .number(LAST_LINK, "AND stored_ms < $3", Some(to_ms))
                .await?;
            through = match last {
                Some(last) => chain
                    .number(FIRST_CHECKPOINT, "AND position >= $3", Some(last))
                    .await?
                    .or(through),
                None => None,
            };
        }
        if let Some(from_ms) = from_ms {
            let first = chain
                .number(FIRST_LINK, "AND stored_ms >= $3", Some(from_ms))
                .await?;
            let first = first.or(through.map(|it| it + 1)).unwrap_or(1);
            let before = chain
                .checkpoint("AND position < $3 ORDER BY position DESC", first)
                .await?;
            base = before.or(base);
        }
        let span = Span { base, through: 0 };
        let through = through.unwrap_or_default().max(span.after());
        Ok(Span { through, ..span })
    }

    /// The next links of a chain behind `after`, up to `through`.
    pub(crate) async fn links(
        &self,
        chain: (&str, Book),
        after: i64,
        through: i64,
    ) -> Result<Vec<Link>, Error> {
        links_after(self.database.reader(), chain, after, through).await
    }

    /// The checkpoints of a chain at these positions.
    pub(crate) async fn checkpoints(
        &self,
        (account, book): (&str, Book),
        first: i64,
        last: i64,
    ) -> Result<BTreeMap<u64, Checkpoint>, Error> {
        let rows = checkpoint::Entity::find()
            .filter(checkpoint::Column::Account.eq(account))
            .filter(checkpoint::Column::Book.eq(book.name()))
            .filter(checkpoint::Column::Position.between(first, last))
            .all(self.database.reader())
            .await?;
        let told = |row| checkpoint_of(row).map(|it| (it.position, it));
        Ok(rows.into_iter().filter_map(told).collect())
    }
}

const FIRST_LINK: &str = "SELECT MIN(position) AS position FROM audit_link";
const LAST_LINK: &str = "SELECT MAX(position) AS position FROM audit_link";
const FIRST_CHECKPOINT: &str = "SELECT MIN(position) AS position FROM audit_checkpoint";

struct Chain<'a, C> {
    db: &'a C,
    account: &'a str,
    book: Book,
}

impl<C: ConnectionTrait> Chain<'_, C> {
    /// The checkpoint that what remains of the chain begins with; none if it has its first link.
    ///
    /// Pruning may have taken a part of what is before a checkpoint: what is left of that is passed
    /// over.
    async fn base(&self) -> Result<Option<Checkpoint>, Error> {
        let first = self.number(FIRST_LINK, "", None).await?;
        match first {
            Some(1) => Ok(None),
            Some(first) => {
                self.checkpoint("AND position >= $3 ORDER BY position", first - 1)
                    .await
            }
            None => {
                self.checkpoint("AND position >= $3 ORDER BY position DESC", 0)
                    .await
            }
        }
    }

    async fn number(
        &self,
        sql: &str,
        which: &str,
        value: Option<i64>,
    ) -> Result<Option<i64>, DbErr> {
        let sql = format!("{sql} WHERE account = $1 AND book = $2 {which}");
        let row = self.db.query_one_raw(self.statement(&sql, value)).await?;
        row.map_or(Ok(None), |row| row.try_get("", "position"))
    }

    async fn checkpoint(&self, which: &str, position: i64) -> Result<Option<Checkpoint>, Error> {
        let sql = format!(
            "SELECT * FROM audit_checkpoint WHERE account = $1 AND book = $2 {which} LIMIT 1"
        );
        let row = self
            .db
            .query_one_raw(self.statement(&sql, Some(position)))
            .await?;
        let row = row
            .map(|it| checkpoint::Model::from_query_result(&it, ""))
            .transpose()?;
        Ok(row.and_then(checkpoint_of))
    }

    fn statement(&self, sql: &str, value: Option<i64>) -> sea_orm::Statement {
        let mut values: Vec<Value> = vec![self.account.into(), self.book.name().into()];
        values.extend(value.map(Into::into));
        statement(self.db, sql, values)
    }
}

/// The next links of a chain behind `after`, up to `through`, with their records.
pub(super) async fn links_after(
    db: &impl ConnectionTrait,
    (account, book): (&str, Book),
    after: i64,
    through: i64,
) -> Result<Vec<Link>, Error> {
    let sql = format!(
        "SELECT * FROM audit_link WHERE account = $1 AND book = $2 AND position > $3 \
         AND position <= $4 ORDER BY position LIMIT {LINKS}"
    );
    let values = [
        account.into(),
        book.name().into(),
        after.into(),
        through.into(),
    ];
    let rows = db.query_all_raw(statement(db, sql, values)).await?;
    let mut links = BTreeMap::new();
    for row in &rows {
        let row = link::Model::from_query_result(row, "")?;
        let link = Link {
            account: row.account,
            book,
            position: unsigned(row.position),
            stored_ms: row.stored_ms,
            hash: row.hash,
            actions: Vec::new(),
            uses: Vec::new(),
        };
        links.insert(row.position, link);
    }
    let (Some(first), Some(last)) = (links.keys().next(), links.keys().last()) else {
        return Ok(Vec::new());
    };
    let (first, last) = (*first, *last);
    fill(db, (account, book), (first, last), &mut links).await?;
    // Links and records were read one after the other: pruning in between would look like a change.
    let chain = Chain { db, account, book };
    match chain.number(FIRST_LINK, "", None).await? {
        Some(kept) if kept <= after + 1 => Ok(links.into_values().collect()),
        _ => Err(Error::Removed),
    }
}

/// Puts their records into the links at these positions.
async fn fill(
    db: &impl ConnectionTrait,
    (account, book): (&str, Book),
    (first, last): (i64, i64),
    links: &mut BTreeMap<i64, Link>,
) -> Result<(), DbErr> {
    match book {
        Book::Actions => {
            let rows = user_action::Entity::find()
                .filter(user_action::Column::Account.eq(account))
                .filter(user_action::Column::Position.between(first, last))
                .order_by_asc(user_action::Column::Position);
            for row in rows.all(db).await? {
                if let Some(link) = links.get_mut(&row.position) {
                    link.actions.push(row.into());
                }
            }
        }
        Book::Uses => {
            let rows = token_use::Entity::find()
                .filter(token_use::Column::Account.eq(account))
                .filter(token_use::Column::Position.between(first, last))
                .order_by_asc(token_use::Column::Position)
                .order_by_asc(token_use::Column::Number);
            for row in rows.all(db).await? {
                if let Some(link) = links.get_mut(&row.position) {
                    link.uses.push(row.into());
                }
            }
        }
    }
    Ok(())
}

fn checkpoint_of(row: checkpoint::Model) -> Option<Checkpoint> {
    Some(Checkpoint {
        account: row.account,
        book: Book::of_name(&row.book)?,
        position: unsigned(row.position),
        hash: row.hash,
        stored_ms: row.stored_ms,
        at_ms: row.at_ms,
        key_id: row.key_id,
        signature: row.signature,
    })
}

impl From<user_action::Model> for Action {
    fn from(row: user_action::Model) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            user_name: row.user_name,
            user_email: row.user_email,
            token_id: row.token_id,
            kind: row.kind,
            action: row.action,
            target_id: row.target_id,
            target_name: row.target_name,
            before_json: row.before_json,
            after_json: row.after_json,
            at_ms: row.at_ms,
            use_id: row.use_id,
        }
    }
}

impl From<token_use::Model> for TokenUse {
    fn from(row: token_use::Model) -> Self {
        Self {
            id: row.id,
            token_id: row.token_id,
            user_id: row.user_id,
            scope: row.scope,
            target: row.target,
            outcome: row.outcome,
            ip: row.ip,
            user_agent: row.user_agent,
            http_status: u32::try_from(row.http_status).unwrap_or_default(),
            at_ms: row.at_ms,
        }
    }
}
