//! What can keep the scheduler from doing as asked.

use runtime::{Fault, Kind};
use sea_orm::DbErr;
use tonic::Status;

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

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoHello => Kind::Invalid,
            Self::OldBoot { .. } => Kind::Conflict,
            Self::NoExecutor(_) => Kind::NotFound,
            Self::Pipeline(_) => Kind::Unavailable,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Outbox(_) | Self::Store(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::NoHello => "NO_HELLO",
            Self::OldBoot { .. } => "OLD_BOOT",
            Self::NoExecutor(_) => "NO_EXECUTOR",
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
