//! What can keep the audit log from doing as asked.

use runtime::{Fault, Kind, fault};
use sea_orm::DbErr;
use tonic::Status;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a cursor of ours.
    #[error("\"{0}\" is not a cursor: give one from an earlier answer, or none to begin")]
    Cursor(String),
    /// Not a run's or pipeline's id.
    #[error("{0}")]
    Id(#[from] contracts::id::Malformed),
    /// Neither a pipeline nor a run was named.
    #[error("name a pipeline or a run")]
    Nothing,
    /// A page of no or too many entries.
    #[error("limit is {0} and must be between 1 and 1000")]
    Limit(u32),
    /// Two times, or one, that can't be.
    #[error("from_ms and to_ms must be 0 or a time after 1970, the second after the first")]
    Times,
    /// Records were removed while they were read.
    #[error("the oldest of these records were removed meanwhile: ask again")]
    Removed,
    /// What was given as the key isn't one.
    #[error(
        "the key of the record chain in {0} is not a key: 32 bytes are expected, as 64 hex digits or \
         as base64"
    )]
    Key(String),
    /// The file of the key can't be read or made.
    #[error(transparent)]
    File(#[from] runtime::private_file::Error),
    /// The store can't be opened.
    #[error(transparent)]
    Open(#[from] runtime::database::Error),
    /// Two roles were set up, and the one that runs may change what it keeps.
    #[error(
        "the role {0} of database.url may change audit records, although audit_log.database_owner is \
         set: give it a role that neither owns the tables nor is a superuser (docs/audit.md)"
    )]
    Role(String),
    /// As many followers as this instance serves.
    #[error("{0} followers are served already: try again later, or ask for pages")]
    Followers(u32),
    /// A follower did not take what it asked for.
    #[error("the follower was too slow and was dropped: resume after {resume}")]
    Slow {
        /// The cursor after what it was sent.
        resume: String,
    },
    /// This process ends.
    #[error("the audit log is shutting down: resume after {resume}")]
    Draining {
        /// The cursor after what was sent.
        resume: String,
    },
    /// A row holds what this version can't read.
    #[error("a stored row can't be read: {0}")]
    Row(String),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] DbErr),
}

impl Error {
    /// Whether the store is away, so that trying later makes sense.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Store(error) if runtime::database::is_away(error))
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Cursor(_) | Self::Id(_) | Self::Nothing | Self::Limit(_) | Self::Times => {
                Kind::Invalid
            }
            Self::Followers(_) | Self::Slow { .. } => Kind::Busy,
            Self::Draining { .. } => Kind::Unavailable,
            Self::Removed => Kind::Conflict,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Key(_)
            | Self::File(_)
            | Self::Open(_)
            | Self::Role(_)
            | Self::Row(_)
            | Self::Store(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Cursor(_) => "CURSOR",
            Self::Id(_) => "ID",
            Self::Nothing => "NOTHING",
            Self::Limit(_) => "LIMIT",
            Self::Times => "TIMES",
            Self::Removed => "REMOVED",
            Self::Key(_) => "KEY",
            Self::File(_) => "FILE",
            Self::Open(_) => "OPEN",
            Self::Role(_) => "ROLE",
            Self::Followers(_) => "FOLLOWERS",
            Self::Slow { .. } => "SLOW",
            Self::Draining { .. } => "DRAINING",
            Self::Row(_) => "ROW",
            Self::Store(_) => "STORE",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        fault::status(&error)
    }
}
