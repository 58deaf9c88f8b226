//! Group commit for `SQLite`: transactions that wait for the one writer share an fsync.
//!
//! A transaction is a savepoint inside an open one. Who commits releases its savepoint and queues
//! for the writer once more, behind those who were waiting already; the first who gets there
//! commits for all who released before.
//!
//! `SQLite` may undo the whole transaction when a statement or a commit finds the disk full. Then
//! everybody in it is told so, and the connection goes with it: the next one begins on a fresh one.
//!
//! **Invariants:** nobody is told "committed" before the commit that holds the work is on disk; who
//! is told of a failure has left no trace.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait as _,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::away::LOST;
use super::connect::{connect, sqlite};

/// How long a connection that failed may take to close.
const CLOSING: Duration = Duration::from_secs(10);

type Outcome = Result<(), DbErr>;

#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Mutex<Session>>);

#[derive(Debug)]
pub(super) struct Session {
    file: PathBuf,
    /// None after a failure, until somebody begins.
    connection: Option<DatabaseConnection>,
    /// The open transaction around the savepoints.
    open: Option<DatabaseTransaction>,
    /// A savepoint was left without release.
    abandoned: bool,
    /// Released, and waiting for the commit.
    waiting: Vec<oneshot::Sender<Outcome>>,
}

impl Writer {
    /// A writer of `file` over a connection to it that is nobody else's.
    pub(super) fn new(file: &Path, connection: DatabaseConnection) -> Self {
        let session = Session {
            file: file.to_owned(),
            connection: Some(connection),
            open: None,
            abandoned: false,
            waiting: Vec::new(),
        };
        Self(Arc::new(Mutex::new(session)))
    }

    pub(super) async fn begin(&self) -> Result<Turn, DbErr> {
        let mut session = self.0.clone().lock_owned().await;
        session.enter().await?;
        Ok(Turn {
            session,
            writer: self.clone(),
        })
    }
}

impl Session {
    async fn enter(&mut self) -> Result<(), DbErr> {
        self.clear_abandoned().await;
        let entered = self.save_point().await;
        match &entered {
            Ok(()) => self.abandoned = true,
            Err(error) => self.lose(error.clone()).await,
        }
        entered
    }

    async fn save_point(&mut self) -> Result<(), DbErr> {
        if self.open.is_none() {
            let connection = match self.connection.take() {
                Some(connection) => connection,
                None => connect(sqlite(&self.file, 1)).await?,
            };
            self.open = Some(self.connection.insert(connection).begin().await?);
        }
        self.run("SAVEPOINT turn").await
    }

    /// Undoes what a dropped transaction did. That fails if `SQLite` has undone all of the group,
    /// and so the whole group is lost.
    async fn clear_abandoned(&mut self) {
        if !self.abandoned {
            return;
        }
        if let Err(error) = self.run("ROLLBACK TO turn; RELEASE turn").await {
            self.lose(DbErr::Custom(format!("{LOST}: {error}"))).await;
        }
        self.abandoned = false;
    }

    async fn commit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.clear_abandoned().await;
        let Some(open) = self.open.take() else {
            self.answer(&Err(DbErr::Custom(LOST.into())));
            return;
        };
        match open.commit().await {
            Ok(()) => self.answer(&Ok(())),
            Err(error) => self.lose(error).await,
        }
    }

    /// Nothing of the open group is true, and everybody in it hears why.
    ///
    /// The connection is given up: whether a failed `COMMIT` ended its transaction or left it open
    /// is for `SQLite` to know, and closing ends it in any case.
    async fn lose(&mut self, why: DbErr) {
        self.open = None;
        self.abandoned = false;
        let others = self.waiting.len();
        tracing::warn!("the writer of {} failed: {why}", self.file.display());
        metrics::counter!("penstock_store_groups_lost_total").increment(1);
        metrics::counter!("penstock_store_transactions_lost_total").increment(others as u64);
        self.answer(&Err(why));
        if let Some(connection) = self.connection.take() {
            let _ = tokio::time::timeout(CLOSING, connection.close()).await;
        }
    }

    fn answer(&mut self, outcome: &Outcome) {
        for waiter in self.waiting.drain(..) {
            let _ = waiter.send(outcome.clone());
        }
    }

    async fn run(&self, sql: &str) -> Result<(), DbErr> {
        match &self.open {
            Some(open) => open.execute_unprepared(sql).await.map(drop),
            None => Err(DbErr::Custom("no transaction is open".into())),
        }
    }
}

/// One transaction's time with the writer.
#[derive(Debug)]
pub(super) struct Turn {
    session: OwnedMutexGuard<Session>,
    writer: Writer,
}

impl Turn {
    /// # Panics
    /// Never: a turn exists only while the transaction is open.
    pub(super) fn transaction(&self) -> &DatabaseTransaction {
        self.session
            .open
            .as_ref()
            .expect("a turn is inside an open transaction")
    }

    /// Commits in a task of its own: a caller who gives up leaves nothing half-way.
    #[allow(
        clippy::disallowed_methods,
        reason = "ends with the commit; its waiters hear of it"
    )]
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let (told, outcome) = oneshot::channel();
        tokio::spawn(self.settle(told));
        match outcome.await {
            Ok(outcome) => outcome,
            Err(_) => Err(DbErr::Custom("the process is ending".into())),
        }
    }

    /// Releases, and commits for all who have released when its turn comes again.
    async fn settle(mut self, told: oneshot::Sender<Outcome>) {
        if let Err(error) = self.session.run("RELEASE turn").await {
            let _ = told.send(Err(error));
            return;
        }
        self.session.abandoned = false;
        self.session.waiting.push(told);
        drop(self.session);
        self.writer.0.lock().await.commit().await;
    }
}
