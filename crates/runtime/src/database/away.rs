//! What an error of a database means to its caller: try later, make room, or mend the program.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// How the error of a transaction begins that was undone together with others.
pub(super) const LOST: &str = "everything that was to be committed together was rolled back";

/// `SQLite`: the file can't grow; neither can its shared memory; `PostgreSQL`: disk full.
const FULL: [&str; 3] = ["13", "4874", "53100"];

/// Whose disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The one under the data directory of this process.
    Own,
    /// That of the database server.
    Server,
}

/// Whether the store (not the statement) is at fault, so that trying later makes sense.
pub fn is_away(error: &DbErr) -> bool {
    if is_broken(error) || full(error).is_some() || matches!(error, DbErr::ConnectionAcquire(_)) {
        return true;
    }
    if let DbErr::Custom(text) = error {
        return text.starts_with(LOST);
    }
    // 57P03: the server is starting up; 57P01/57P02: it is shutting down; 53300: connections full.
    let text = error.to_string();
    [
        "57P01",
        "57P02",
        "57P03",
        "53300",
        "starting up",
        "shutting down",
        "pool timed out",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

/// Which disk is full, if that is why the store failed. Nothing of the transaction is true then.
pub fn full(error: &DbErr) -> Option<Disk> {
    let cause = cause(error)?;
    let code = cause.as_database_error()?.code()?;
    let found = FULL.iter().find(|known| **known == code)?;
    Some(if *found == "53100" {
        Disk::Server
    } else {
        Disk::Own
    })
}

/// Whether a connection has broken.
pub(super) fn is_broken(error: &DbErr) -> bool {
    let (DbErr::Exec(_) | DbErr::Query(_), Some(cause)) = (error, cause(error)) else {
        return matches!(error, DbErr::Conn(_));
    };
    let text = cause.to_string();
    [
        "communicating with database",
        "terminating connection",
        "57P0",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}

fn cause(error: &DbErr) -> Option<&SqlxError> {
    let (DbErr::Exec(failed) | DbErr::Query(failed) | DbErr::Conn(failed)) = error else {
        return None;
    };
    let RuntimeErr::SqlxError(cause) = failed else {
        return None;
    };
    Some(cause)
}
