//! Why an executor can't start.

use std::io;
use std::path::PathBuf;

use runtime::lock;

/// What keeps an executor from starting.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the work directory, or it can't be made.
    #[error(transparent)]
    Directory(#[from] lock::Error),
    /// A file or directory that it needs can't be used.
    #[error("the executor can't use {}: check that it exists and may be written", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file that holds name and boot number isn't what this program wrote.
    #[error("{} is damaged ({why}): remove it, and give executor.name if the old name is to be kept", path.display())]
    Identity {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A name that no executor can have.
    #[error("executor.name \"{0}\" can't be used: write 1 to 128 letters, digits, dots, - and _")]
    Name(String),
    /// The control group for steps can't be used.
    #[error("executor.cgroup {} can't be used: give the directory of a writable cgroup v2, or none", path.display())]
    Cgroup {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What snapshots of workspaces are to be kept in can't be used.
    #[error("executor.snapshot_store can't be used: {0}")]
    SnapshotStore(String),
    /// The HTTP client can't be made.
    #[error("HTTP steps can't be carried out: {0}")]
    Http(String),
}

impl Error {
    pub(crate) fn unusable(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Unusable { path, source }
    }
}
