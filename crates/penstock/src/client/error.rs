//! Why a client command could not do as it was told, and the exit code that says so.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use super::problem::Problem;
use crate::USAGE;

/// The exit code when the server can't be reached (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address was said, and none was found.
    #[error(
        "no server runs on this machine with its data in {}: start one with `penstock up`, or say \
         where it is with --server or --data-dir",
        .0.display()
    )]
    NoServer(PathBuf),
    /// No token was said, and none was found.
    #[error(
        "there is no token: say one with --token or PENSTOCK_TOKEN ({} can't be read: {why})",
        .file.display()
    )]
    NoToken {
        /// Where it was looked for.
        file: PathBuf,
        /// What the kernel said.
        why: io::Error,
    },
    /// No token was said for a server that is not of this machine.
    #[error(
        "the token in {} is for the server of this machine and is not sent to {server}: say the \
         one to show there with --token or PENSTOCK_TOKEN",
        .file.display()
    )]
    OthersServer {
        /// Whom it would have been shown.
        server: String,
        /// Where it lies.
        file: PathBuf,
    },
    /// An address or a token that can't be one.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers there, or the connection was lost.
    #[error(
        "the server at {server} can't be reached: {why} (does it run? `penstock up` starts one; \
         --server says where another is)"
    )]
    Unreachable {
        /// Where it was tried.
        server: String,
        /// What the network said.
        why: String,
        /// Whether it can have received the request.
        sent: bool,
    },
    /// The server refused, and said why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The server's answer isn't one of this API's.
    #[error("the answer of {server} makes no sense here ({why}): is it a penstock server?")]
    Nonsense {
        /// Who answered.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file can't be read.
    #[error("{0} can't be read: {1}")]
    File(String, io::Error),
    /// The server refused what a file holds, and said why.
    #[error("{file}: {problem}")]
    RefusedFile {
        /// Which.
        file: String,
        /// Why.
        problem: Box<Problem>,
    },
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Whether trying again later makes sense: the server is away or restarting.
    pub fn is_away(&self) -> bool {
        match self {
            Self::NoServer(_) | Self::NoToken { .. } | Self::Unreachable { .. } => true,
            Self::Refused(problem) => problem.is_away(),
            Self::Usage(_)
            | Self::OthersServer { .. }
            | Self::Nonsense { .. }
            | Self::File(..)
            | Self::RefusedFile { .. }
            | Self::Output(_) => false,
        }
    }

    /// Prints it to standard error and answers the exit code.
    pub fn tell(&self) -> ExitCode {
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::SUCCESS;
        }
        let label = if io::stderr().is_terminal() {
            "\x1b[1;31merror:\x1b[0m"
        } else {
            "error:"
        };
        // Nothing is left to do when even this fails.
        let _ = writeln!(io::stderr(), "{label} {self}");
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        if self.is_away() {
            return UNAVAILABLE;
        }
        match self {
            Self::Usage(_) | Self::OthersServer { .. } | Self::File(..) => USAGE,
            Self::NoServer(_)
            | Self::NoToken { .. }
            | Self::Unreachable { .. }
            | Self::Refused(_)
            | Self::Nonsense { .. }
            | Self::RefusedFile { .. }
            | Self::Output(_) => 1,
        }
    }
}
