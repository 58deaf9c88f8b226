//! What went wrong, as far as a caller would act differently.
//!
//! A service has an error enum whose variants are faults of its domain. Each says its [`Kind`] (the
//! only vocabulary of outcomes) and its reason; [`status`] makes a gRPC status of it and keeps
//! internals inside.

use std::error::Error;
use std::fmt::Write as _;

use sea_orm::DbErr;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::database::{self, Disk};
use crate::disk;

/// The reason of a status that says that a store's disk is full. Its code is `UNAVAILABLE`.
pub const DISK_FULL: &str = "DISK_FULL";

/// The outcomes that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller fixes the request.
    Invalid,
    /// The caller signs in.
    Unauthenticated,
    /// The caller asks for rights.
    Denied,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// The caller looks again: the thing is not in the state that the request needs.
    Conflict,
    /// Something of this name is there already.
    Exists,
    /// The caller waits.
    Busy,
    /// The client retries by itself.
    Unavailable,
    /// It took too long.
    Late,
    /// Ours to mend. Logged once; the caller learns no details.
    Internal,
}

impl Kind {
    /// The gRPC code.
    pub const fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Denied => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Conflict => Code::FailedPrecondition,
            Self::Exists => Code::AlreadyExists,
            Self::Busy => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Late => Code::DeadlineExceeded,
            Self::Internal => Code::Internal,
        }
    }

    /// The kind of an answer's code.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the other codes are nobody's outcome here"
    )]
    pub const fn of_code(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::Denied,
            Code::NotFound => Self::NotFound,
            Code::FailedPrecondition => Self::Conflict,
            Code::AlreadyExists => Self::Exists,
            Code::ResourceExhausted => Self::Busy,
            Code::Unavailable | Code::Aborted => Self::Unavailable,
            Code::DeadlineExceeded | Code::Cancelled => Self::Late,
            _ => Self::Internal,
        }
    }
}

/// An error of a service's domain.
pub trait Fault: Error {
    /// What a caller can do about it.
    fn kind(&self) -> Kind;

    /// The variant's name in `SCREAMING_SNAKE`, stable for programs.
    fn reason(&self) -> &'static str;
}

/// The gRPC status of a fault. An internal one is logged here, once, with its chain of causes.
///
/// A fault that comes from a full disk says so, whatever else it is: nothing was done, and somebody
/// has to make room.
pub fn status(fault: &dyn Fault) -> Status {
    if let Some(disk) = full(fault) {
        tracing::error!(reason = DISK_FULL, "{}", chain(fault));
        disk::refused();
        return disk_full(disk);
    }
    let kind = fault.kind();
    let message = match kind {
        Kind::Internal => {
            tracing::error!(reason = fault.reason(), "{}", chain(fault));
            "internal error".to_owned()
        }
        Kind::Unavailable => {
            tracing::warn!(reason = fault.reason(), "{}", chain(fault));
            fault.to_string()
        }
        Kind::Invalid
        | Kind::Unauthenticated
        | Kind::Denied
        | Kind::NotFound
        | Kind::Conflict
        | Kind::Exists
        | Kind::Busy
        | Kind::Late => fault.to_string(),
    };
    let details = ErrorDetails::with_error_info(fault.reason(), "penstock", []);
    Status::with_error_details(kind.code(), message, details)
}

/// Which disk is full, if that is at the root of a fault.
fn full(fault: &dyn Fault) -> Option<Disk> {
    let mut source = fault.source();
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<DbErr>() {
            return database::full(error);
        }
        source = cause.source();
    }
    None
}

fn disk_full(disk: Disk) -> Status {
    let message = match disk {
        Disk::Own => {
            "the disk that holds the server's data directory is full: nothing was done; make room \
             on it, and try again"
        }
        Disk::Server => {
            "the disk of the database server is full: nothing was done; make room on it, and try \
             again"
        }
    };
    let details = ErrorDetails::with_error_info(DISK_FULL, "penstock", []);
    Status::with_error_details(Code::Unavailable, message, details)
}

/// The reason that [`status`] put into a status, if one did.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// An error and its causes on one line.
pub fn chain(error: &(impl Error + ?Sized)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the disk {0} is full")]
    struct DiskFull(&'static str);

    impl Fault for DiskFull {
        fn kind(&self) -> Kind {
            Kind::Internal
        }
        fn reason(&self) -> &'static str {
            "DISK_FULL"
        }
    }

    #[test]
    fn an_internal_fault_keeps_its_details_to_itself() {
        let status = status(&DiskFull("/secret/path"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::Internal, "internal error")
        );
        assert_eq!(reason(&status).as_deref(), Some("DISK_FULL"));
    }

    #[test]
    fn every_kind_survives_the_wire() {
        for kind in [
            Kind::Invalid,
            Kind::Unauthenticated,
            Kind::Denied,
            Kind::NotFound,
            Kind::Conflict,
            Kind::Exists,
            Kind::Busy,
            Kind::Unavailable,
            Kind::Late,
            Kind::Internal,
        ] {
            assert_eq!(Kind::of_code(kind.code()), kind);
        }
    }
}
