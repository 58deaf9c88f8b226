//! What can keep the scheduler from doing as asked.

use outbox::Deaf;
use runtime::Kind;
use sea_orm::DbErr;
use tonic::Status;

use crate::calendar::Fault;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stream must begin with a hello that says who it is.
    #[error(
        "the stream must begin with a hello: a name of up to 256 characters and 1 to 10000 slots"
    )]
    NoHello,
    /// A later start of the same executor is at work.
    #[error(
        "executor \"{name}\" boot {boot} is over: a later boot of it is at work (two executors \
         need two names and two work directories)"
    )]
    OldBoot {
        /// Its name.
        name: String,
        /// The boot that is over.
        boot: u64,
    },
    /// Nobody of this name holds a lease.
    #[error("there is no executor \"{0}\"")]
    NoExecutor(String),
    /// No schedule is known by this id or number, or it is hidden from the caller.
    #[error("there is no schedule \"{0}\"")]
    NoSchedule(String),
    /// A pipeline has as many schedules as it may have.
    #[error("the pipeline has {0} schedules, which is the most: remove one first")]
    TooMany(u64),
    /// A field of the request can't be what it is.
    #[error("{0}")]
    Invalid(String),
    /// A row holds what this version can't read.
    #[error("a stored row can't be read: {0}")]
    Row(String),
    /// The pipeline service can't be asked.
    #[error("the pipeline service can't be asked: {0}")]
    Pipeline(String),
    /// A message can't be announced.
    #[error("a message can't be announced")]
    Outbox(#[from] outbox::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] DbErr),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Pipeline(status.message().to_owned())
    }
}

/// What says when a schedule is due can't be what it is.
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Invalid(fault.to_string())
    }
}

impl From<Error> for Deaf {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Outbox(error) => error.into(),
            Error::NoHello
            | Error::OldBoot { .. }
            | Error::NoExecutor(_)
            | Error::NoSchedule(_)
            | Error::TooMany(_)
            | Error::Invalid(_)
            | Error::Row(_)
            | Error::Pipeline(_) => Self::AtFault(error.to_string()),
        }
    }
}

impl runtime::Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoHello | Self::Invalid(_) => Kind::Invalid,
            Self::OldBoot { .. } | Self::TooMany(_) => Kind::Conflict,
            Self::NoExecutor(_) | Self::NoSchedule(_) => Kind::NotFound,
            Self::Pipeline(_) => Kind::Unavailable,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Outbox(_) | Self::Store(_) | Self::Row(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoHello => "NO_HELLO",
            Self::OldBoot { .. } => "OLD_BOOT",
            Self::NoExecutor(_) => "NO_EXECUTOR",
            Self::NoSchedule(_) => "NO_SCHEDULE",
            Self::TooMany(_) => "TOO_MANY_SCHEDULES",
            Self::Invalid(_) => "INVALID",
            Self::Row(_) => "ROW",
            Self::Pipeline(_) => "PIPELINE_AWAY",
            Self::Outbox(_) => "OUTBOX",
            Self::Store(_) => "STORE",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        runtime::fault::status(&error)
    }
}
