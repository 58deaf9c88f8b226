//! Making chains longer: who did what is kept once, each record in its place.
//!
//! **Invariant:** who appends holds the rows of the heads, in the order of their keys, so that two
//! instances which hear the same at once neither keep it twice nor fork a chain.

mod rows;

use std::collections::{BTreeMap, HashSet};

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DatabaseTransaction, DbErr, EntityTrait as _,
    FromQueryResult as _, IntoActiveModel as _, Value,
};

use super::{ROWS, Store, placeholders, statement, unsigned};
use crate::Error;
use crate::entity::head;
use crate::ledger::chain::{GENESIS, Link};
use crate::ledger::{Action, Book, TokenUse};

pub(super) use rows::path;

/// The tables of records and chains, to which rows are only added.
pub(crate) const LEDGER_TABLES: [&str; 5] = [
    "user_action",
    "token_use",
    "audit_link",
    "audit_checkpoint",
    "audit_key",
];

/// What was heard, with whose it is.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) actions: Vec<(String, Action)>,
    pub(crate) uses: Vec<(String, TokenUse)>,
}

/// A chain: whose, and of what.
type Key = (String, Book);

impl Records {
    fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.uses.is_empty()
    }

    fn keys(&self) -> Vec<Key> {
        let actions = self.actions.iter().map(|it| (it.0.clone(), Book::Actions));
        let uses = self.uses.iter().map(|it| (it.0.clone(), Book::Uses));
        let mut keys: Vec<Key> = actions.chain(uses).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn ids(&self, (account, book): &Key) -> Vec<&str> {
        match book {
            Book::Actions => ids(&self.actions, account, |it| &it.id),
            Book::Uses => ids(&self.uses, account, |it| &it.id),
        }
    }
}

fn ids<'a, T>(all: &'a [(String, T)], account: &str, id: fn(&T) -> &String) -> Vec<&'a str> {
    let its = all.iter().filter(|it| it.0 == account);
    its.map(|it| id(&it.1).as_str()).collect()
}

impl Store {
    /// What is new of these records is kept in the chains of their accounts. Answers how many.
    pub(crate) async fn append(
        &self,
        tx: &DatabaseTransaction,
        records: Records,
        now_ms: i64,
    ) -> Result<usize, Error> {
        if records.is_empty() {
            return Ok(0);
        }
        let keys = records.keys();
        let mut heads = locked(tx, &keys, now_ms).await?;
        let mut known: BTreeMap<Key, HashSet<String>> = BTreeMap::new();
        for key in &keys {
            let found = known_ids(tx, key, &records.ids(key)).await?;
            known.insert(key.clone(), found);
        }
        let links = links(records, &mut heads, known, now_ms);
        let count = links.iter().map(|it| it.ids().count()).sum();
        rows::insert(tx, links).await?;
        save(tx, heads.into_values()).await?;
        Ok(count)
    }
}

/// Links of what isn't known, behind the heads, which go on with them.
fn links(
    records: Records,
    heads: &mut BTreeMap<Key, head::Model>,
    mut known: BTreeMap<Key, HashSet<String>>,
    now_ms: i64,
) -> Vec<Link> {
    let mut links = Vec::new();
    let mut is_new = |key: Key, id: &str| known.entry(key).or_default().insert(id.to_owned());
    for (account, action) in records.actions {
        let key = (account, Book::Actions);
        if is_new(key.clone(), &action.id) {
            links.extend(next(heads, key, (vec![action], Vec::new()), now_ms));
        }
    }
    let mut batches: BTreeMap<String, Vec<TokenUse>> = BTreeMap::new();
    for (account, token_use) in records.uses {
        if is_new((account.clone(), Book::Uses), &token_use.id) {
            batches.entry(account).or_default().push(token_use);
        }
    }
    for (account, uses) in batches {
        links.extend(next(
            heads,
            (account, Book::Uses),
            (Vec::new(), uses),
            now_ms,
        ));
    }
    links
}

/// The next link of a chain.
fn next(
    heads: &mut BTreeMap<Key, head::Model>,
    key: Key,
    (actions, uses): (Vec<Action>, Vec<TokenUse>),
    now_ms: i64,
) -> Option<Link> {
    let head = heads.get_mut(&key)?;
    let (account, book) = key;
    // Clocks may go back; a chain doesn't.
    head.stored_ms = head.stored_ms.max(now_ms);
    head.position += 1;
    if head.unsigned_records == 0 {
        head.unsigned_since_ms = head.stored_ms;
    }
    head.unsigned_records += i64::try_from(actions.len() + uses.len()).unwrap_or(i64::MAX);
    let link = Link {
        account,
        book,
        position: unsigned(head.position),
        stored_ms: head.stored_ms,
        hash: String::new(),
        actions,
        uses,
    };
    let link = link.after(&head.hash);
    head.hash.clone_from(&link.hash);
    Some(link)
}

/// The heads of these chains, made if need be and locked until the end of the transaction.
async fn locked(
    tx: &DatabaseTransaction,
    keys: &[Key],
    now_ms: i64,
) -> Result<BTreeMap<Key, head::Model>, Error> {
    let mut locked = BTreeMap::new();
    for keys in keys.chunks(ROWS) {
        let sql = format!(
            "INSERT INTO audit_head (account, book, position, hash, stored_ms, unsigned_records, \
             unsigned_since_ms, touched_ms) VALUES {} ON CONFLICT (account, book) \
             DO UPDATE SET touched_ms = excluded.touched_ms RETURNING *",
            placeholders(keys.len(), 8)
        );
        let values = keys.iter().flat_map(|(account, book)| -> [Value; 8] {
            let zero = || 0_i64.into();
            [
                account.as_str().into(),
                book.name().into(),
                zero(),
                GENESIS.into(),
                zero(),
                zero(),
                zero(),
                now_ms.into(),
            ]
        });
        for row in tx.query_all_raw(statement(tx, sql, values)).await? {
            let row = head::Model::from_query_result(&row, "")?;
            if let Some(book) = Book::of_name(&row.book) {
                locked.insert((row.account.clone(), book), row);
            }
        }
    }
    Ok(locked)
}

/// Those of these ids that the chain has already.
async fn known_ids(
    tx: &DatabaseTransaction,
    (account, book): &Key,
    ids: &[&str],
) -> Result<HashSet<String>, DbErr> {
    let table = records_of(*book);
    let mut known = HashSet::new();
    for ids in ids.chunks(ROWS) {
        let places: Vec<String> = (2..2 + ids.len()).map(|it| format!("${it}")).collect();
        let sql = format!(
            "SELECT id FROM {table} WHERE account = $1 AND id IN ({})",
            places.join(", ")
        );
        let mut values: Vec<Value> = vec![account.as_str().into()];
        values.extend(ids.iter().map(|it| Value::from(*it)));
        for row in tx.query_all_raw(statement(tx, sql, values)).await? {
            known.insert(row.try_get("", "id")?);
        }
    }
    Ok(known)
}

/// The table of a book's records.
pub(super) const fn records_of(book: Book) -> &'static str {
    match book {
        Book::Actions => "user_action",
        Book::Uses => "token_use",
    }
}

async fn save(
    tx: &DatabaseTransaction,
    rows: impl Iterator<Item = head::Model>,
) -> Result<(), DbErr> {
    use head::Column as C;
    let rows: Vec<_> = rows
        .map(|row| row.into_active_model().reset_all())
        .collect();
    for rows in rows.chunks(ROWS) {
        let columns = [
            C::Position,
            C::Hash,
            C::StoredMs,
            C::UnsignedRecords,
            C::UnsignedSinceMs,
        ];
        let update = OnConflict::columns([C::Account, C::Book])
            .update_columns(columns)
            .to_owned();
        let insert = head::Entity::insert_many(rows.to_vec()).on_conflict(update);
        insert.exec_without_returning(tx).await?;
    }
    Ok(())
}
