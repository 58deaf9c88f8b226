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
            Self::Cursor(_) | Self::Id(_) | Self::Nothing | Self::Limit(_) => Kind::Invalid,
            Self::Followers(_) | Self::Slow { .. } => Kind::Busy,
            Self::Draining { .. } => Kind::Unavailable,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Row(_) | Self::Store(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Cursor(_) => "CURSOR",
            Self::Id(_) => "ID",
            Self::Nothing => "NOTHING",
            Self::Limit(_) => "LIMIT",
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
