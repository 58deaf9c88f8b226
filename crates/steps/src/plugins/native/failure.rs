//! Why a plug-in fails.

use std::io;

use crate::plugins::unit;

/// Why a plug-in fails.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Its configuration can't be meant.
    #[error("the configuration: {0}")]
    Config(String),
    /// What it was given is not what it can work on.
    #[error("{0}")]
    Data(String),
    /// What it checks isn't so.
    #[error("{0}")]
    Check(String),
    /// More than a plug-in may handle.
    #[error("{0}; take it in smaller parts")]
    TooMuch(String),
    /// The system refused.
    #[error("{what}: {source}")]
    System {
        /// What was being done, or which file.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// A server failed or can't be reached.
    #[error("{what}")]
    Remote {
        /// What was asked, and what came of it.
        what: String,
        /// Whether asking again can help.
        may_pass: bool,
    },
    /// A data unit can't be read or written.
    #[error(transparent)]
    Unit(#[from] unit::Error),
}

impl Failure {
    /// Names what was being done when the system refused. A bound that was met stays one.
    pub(super) fn at(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| match source.get_ref().and_then(|it| it.downcast_ref::<Bound>()) {
            Some(bound) => Self::TooMuch(format!("{what}: {bound}")),
            None => Self::System { what, source },
        }
    }

    /// Whether it may be over when it is tried again.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Config(_) | Self::Data(_) | Self::Check(_) | Self::TooMuch(_) | Self::Unit(_) => {
                false
            }
            Self::System { .. } => true,
            Self::Remote { may_pass, .. } => *may_pass,
        }
    }

    /// The simple names of the exceptions that would tell the same in Java.
    pub fn exceptions(&self) -> &'static [&'static str] {
        match self {
            Self::Config(_) => &["DPUConfigException", "DPUException", "Exception"],
            Self::Data(_) | Self::Check(_) | Self::TooMuch(_) => &["DPUException", "Exception"],
            Self::System { .. } => &["IOException", "DPUException", "Exception"],
            Self::Remote { .. } => &[
                "IOException",
                "ConnectException",
                "SocketException",
                "SocketTimeoutException",
                "UnknownHostException",
                "HttpException",
                "HttpHostConnectException",
                "ConnectTimeoutException",
                "QueryEvaluationException",
                "RepositoryException",
                "DPUException",
                "Exception",
            ],
            Self::Unit(_) => &["DataUnitException", "DPUException", "Exception"],
        }
    }
}

/// A bound that was met, on its way through an [`io::Error`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there are more than {0} bytes of it")]
pub(super) struct Bound(pub(super) u64);

impl From<Bound> for io::Error {
    fn from(bound: Bound) -> Self {
        Self::other(bound)
    }
}
