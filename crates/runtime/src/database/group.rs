//! Group commit for `SQLite`: transactions that wait for the one writer share an fsync.
//!
//! A transaction is a savepoint inside an open one. Who commits releases its savepoint and queues
//! for the writer once more, behind those who were waiting already; the first who gets there
//! commits for all who released before.
//!
//! **Invariant:** nobody is told "committed" before the commit that holds the work is on disk.

use std::sync::Arc;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, TransactionTrait as _,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

type Outcome = Result<(), String>;

#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Mutex<Session>>);

#[derive(Debug)]
pub(super) struct Session {
    connection: DatabaseConnection,
    /// The open transaction around the savepoints.
    open: Option<DatabaseTransaction>,
    /// A savepoint was left without release.
    abandoned: bool,
    /// Released, and waiting for the commit.
    waiting: Vec<oneshot::Sender<Outcome>>,
}

impl Writer {
    /// A writer over a connection that is nobody else's.
    pub(super) fn new(connection: DatabaseConnection) -> Self {
        let session = Session {
            connection,
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

    /// Commits in a task of its own: a caller who gives up doesn't take the others' work along.
    #[allow(
        clippy::disallowed_methods,
        reason = "ends with the commit; its waiters hear of it"
    )]
    fn commit_soon(self) {
        tokio::spawn(async move { self.0.lock().await.commit().await });
    }
}

impl Session {
    async fn enter(&mut self) -> Result<(), DbErr> {
        self.clear_abandoned().await;
        if self.open.is_none() {
            self.open = Some(self.connection.begin().await?);
        }
        self.run("SAVEPOINT turn").await?;
        self.abandoned = true;
        Ok(())
    }

    /// Undoes what a dropped transaction did. If that fails the whole group is lost, and says so.
    async fn clear_abandoned(&mut self) {
        if !std::mem::take(&mut self.abandoned) {
            return;
        }
        if let Err(error) = self.run("ROLLBACK TO turn; RELEASE turn").await {
            self.open = None;
            self.answer(&Err(format!("the group was rolled back: {error}")));
        }
    }

    async fn commit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        self.clear_abandoned().await;
        let Some(open) = self.open.take() else { return };
        let outcome = open.commit().await.map_err(|error| error.to_string());
        self.answer(&outcome);
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

    pub(super) async fn commit(mut self) -> Result<(), DbErr> {
        self.session.run("RELEASE turn").await?;
        self.session.abandoned = false;
        let (told, outcome) = oneshot::channel();
        self.session.waiting.push(told);
        drop(self.session);
        self.writer.commit_soon();
        match outcome.await {
            Ok(outcome) => outcome.map_err(DbErr::Custom),
            Err(_) => Err(DbErr::Custom("the process is ending".into())),
        }
    }
}
