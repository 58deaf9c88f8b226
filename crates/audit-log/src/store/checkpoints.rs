//! Signing where chains end, and forgetting what is older than the retention.
//!
//! **Invariants:** what is signed was read from the rows again, so that a row that was changed
//! between two checkpoints is not signed but told. Pruning takes a chain's first links with their
//! records, all or none of a link, and never one behind the newest checkpoint that is too old
//! itself: what remains begins with a checkpoint.

use runtime::Progress;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ConnectionTrait as _, DbErr, EntityTrait as _, FromQueryResult as _,
    IntoActiveModel as _, QueryOrder as _,
};

use super::export::links_after;
use super::ledger::records_of;
use super::{Store, signed, statement, unsigned};
use crate::Error;
use crate::entity::{checkpoint as row, head, key};
use crate::ledger::Book;
use crate::ledger::chain::GENESIS;
use crate::ledger::checkpoint::{Checkpoint, Signer};

/// Chains that are signed or pruned in one go.
const CHAINS: usize = 100;
/// Links that are pruned in a transaction.
const PRUNED_LINKS: i64 = 50;

/// When a chain is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    /// Records behind the last checkpoint.
    pub(crate) records: i64,
    /// Their age, in milliseconds.
    pub(crate) age_ms: i64,
}

impl Store {
    /// The public key is among those that are served.
    pub(crate) async fn keep_key(&self, signer: &Signer, now_ms: i64) -> Result<(), Error> {
        let public = signer.public();
        if self.keys().await?.iter().any(|it| it.key_id == public.id()) {
            return Ok(());
        }
        let row = key::Model {
            key_id: public.id(),
            public_key: public.to_hex(),
            at_ms: now_ms,
        };
        let tx = self.database.begin().await?;
        let nothing = OnConflict::column(key::Column::KeyId)
            .do_nothing()
            .to_owned();
        key::Entity::insert(row.into_active_model().reset_all())
            .on_conflict(nothing)
            .exec_without_returning(&*tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// The public keys that checkpoints were signed with, the oldest first.
    pub(crate) async fn keys(&self) -> Result<Vec<key::Model>, Error> {
        let keys = key::Entity::find().order_by_asc(key::Column::AtMs);
        Ok(keys.all(self.database.reader()).await?)
    }

    /// Chains that are due are signed. [`Progress::More`] if there are more.
    pub(crate) async fn sign(
        &self,
        signer: &Signer,
        due: Due,
        now_ms: i64,
    ) -> Result<Progress, Error> {
        let sql = format!(
            "SELECT * FROM audit_head WHERE unsigned_records >= $1 \
             OR (unsigned_records > 0 AND unsigned_since_ms <= $2) \
             ORDER BY unsigned_since_ms LIMIT {CHAINS}"
        );
        let values = [due.records.max(1).into(), (now_ms - due.age_ms).into()];
        let reader = self.database.reader();
        let rows = reader.query_all_raw(statement(reader, sql, values)).await?;
        let mut signed = 0;
        for row in &rows {
            let head = head::Model::from_query_result(row, "")?;
            if let Some(book) = Book::of_name(&head.book) {
                signed += usize::from(self.sign_one(signer, &head, book, now_ms).await?);
            }
        }
        Ok(if signed == CHAINS {
            Progress::More
        } else {
            Progress::Idle
        })
    }

    /// Signs a chain up to where its head was read. No if its rows are not what was kept.
    async fn sign_one(
        &self,
        signer: &Signer,
        head: &head::Model,
        book: Book,
        now_ms: i64,
    ) -> Result<bool, Error> {
        if let Some(position) = self.broken(head, book).await? {
            metrics::counter!("penstock_audit_broken_total").increment(1);
            tracing::error!(
                account = head.account,
                "the record chain of {book} is broken at {position}: a row of it was changed; it \
                 is not signed any more"
            );
            return Ok(false);
        }
        let checkpoint = signer.signed(Checkpoint {
            account: head.account.clone(),
            book,
            position: unsigned(head.position),
            hash: head.hash.clone(),
            stored_ms: head.stored_ms,
            at_ms: now_ms,
            key_id: String::new(),
            signature: String::new(),
        });
        let tx = self.database.begin().await?;
        let nothing = OnConflict::columns([
            row::Column::Account,
            row::Column::Book,
            row::Column::Position,
        ])
        .do_nothing()
        .to_owned();
        let insert = row::Entity::insert(row_of(checkpoint).into_active_model().reset_all());
        // Another instance may have been first.
        if insert
            .on_conflict(nothing)
            .exec_without_returning(&*tx)
            .await?
            == 0
        {
            return Ok(false);
        }
        let sql = "UPDATE audit_head SET unsigned_records = unsigned_records - $1, \
                   unsigned_since_ms = $2 WHERE account = $3 AND book = $4";
        let values = [
            head.unsigned_records.into(),
            now_ms.into(),
            head.account.as_str().into(),
            book.name().into(),
        ];
        tx.execute_raw(statement(&*tx, sql, values)).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The first link since the last checkpoint that is not what its hash says, if there is one.
    async fn broken(&self, head: &head::Model, book: Book) -> Result<Option<u64>, Error> {
        let account = head.account.as_str();
        let reader = self.database.reader();
        let last = statement(
            reader,
            "SELECT * FROM audit_checkpoint WHERE account = $1 AND book = $2 \
             ORDER BY position DESC LIMIT 1",
            [account.into(), book.name().into()],
        );
        let last = reader.query_one_raw(last).await?;
        let last = last
            .map(|it| row::Model::from_query_result(&it, ""))
            .transpose()?;
        let (mut position, mut hash) =
            last.map_or((0, GENESIS.to_owned()), |it| (it.position, it.hash));
        while position < head.position {
            let links = links_after(reader, (account, book), position, head.position).await?;
            if links.is_empty() {
                return Ok(Some(unsigned(position + 1)));
            }
            for link in links {
                let is_next = signed(link.position) == position + 1;
                if !is_next || link.computed(&hash) != link.hash {
                    return Ok(Some(unsigned(position + 1)));
                }
                position += 1;
                hash = link.hash;
            }
        }
        Ok((hash != head.hash).then_some(unsigned(position)))
    }

    /// Removes some of the records that were kept before `before_ms`.
    pub(super) async fn prune_ledger(&self, before_ms: i64) -> Result<Progress, Error> {
        let sql = format!(
            "SELECT c.account, c.book, MAX(c.position) AS position FROM audit_checkpoint c \
             WHERE c.stored_ms < $1 AND EXISTS (SELECT 1 FROM audit_link l \
             WHERE l.account = c.account AND l.book = c.book AND l.position <= c.position) \
             GROUP BY c.account, c.book LIMIT {CHAINS}"
        );
        let reader = self.owner.reader();
        let rows = reader
            .query_all_raw(statement(reader, sql, [before_ms.into()]))
            .await?;
        for row in &rows {
            let (account, book): (String, String) =
                (row.try_get("", "account")?, row.try_get("", "book")?);
            if let Some(book) = Book::of_name(&book) {
                self.prune_chain(&account, book, row.try_get("", "position")?)
                    .await?;
            }
        }
        Ok(if rows.is_empty() {
            Progress::Idle
        } else {
            Progress::More
        })
    }

    /// Removes the first links of a chain, up to a checkpoint.
    async fn prune_chain(&self, account: &str, book: Book, end: i64) -> Result<(), DbErr> {
        let tx = self.owner.begin().await?;
        let chain = || [account.into(), book.name().into()];
        let sql = format!(
            "SELECT MAX(position) AS position FROM (SELECT position FROM audit_link \
             WHERE account = $1 AND book = $2 AND position <= $3 ORDER BY position \
             LIMIT {PRUNED_LINKS}) oldest"
        );
        let values = chain().into_iter().chain([end.into()]);
        let found = tx.query_one_raw(statement(&*tx, sql, values)).await?;
        let position: Option<i64> = found.and_then(|it| it.try_get("", "position").ok());
        let Some(position) = position else {
            return Ok(());
        };
        let sql = format!(
            "DELETE FROM {} WHERE account = $1 AND position <= $2",
            records_of(book)
        );
        let values = [account.into(), position.into()];
        tx.execute_raw(statement(&*tx, sql, values)).await?;
        for (table, compare) in [("audit_link", "<="), ("audit_checkpoint", "<")] {
            let sql = format!(
                "DELETE FROM {table} WHERE account = $1 AND book = $2 AND position {compare} $3"
            );
            let values = chain().into_iter().chain([position.into()]);
            tx.execute_raw(statement(&*tx, sql, values)).await?;
        }
        tx.commit().await
    }
}

fn row_of(checkpoint: Checkpoint) -> row::Model {
    row::Model {
        account: checkpoint.account,
        book: checkpoint.book.name().into(),
        position: signed(checkpoint.position),
        hash: checkpoint.hash,
        stored_ms: checkpoint.stored_ms,
        at_ms: checkpoint.at_ms,
        key_id: checkpoint.key_id,
        signature: checkpoint.signature,
    }
}
