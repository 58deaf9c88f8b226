//! What can keep an announcement from being made.

use runtime::{Fault, Kind};
use sea_orm::DbErr;

/// Why something can't be announced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message is larger than the bus carries.
    #[error(
        "{kind} has {bytes} bytes, more than the {most} that a message may have: send less, or a reference"
    )]
    TooLarge {
        /// Its CloudEvents type.
        kind: &'static str,
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The message has no JSON form.
    #[error("{kind} can't be written as JSON")]
    Unwritable {
        /// Its CloudEvents type.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The store didn't take it.
    #[error("the outbox failed")]
    Store(#[from] DbErr),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } => Kind::Invalid,
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::Unwritable { .. } | Self::Store(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "MESSAGE_TOO_LARGE",
            Self::Unwritable { .. } => "MESSAGE_UNWRITABLE",
            Self::Store(_) => "OUTBOX_STORE",
        }
    }
}
