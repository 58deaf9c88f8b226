//! What can keep the registry from doing as asked.

use runtime::{Fault, Kind, fault};
use sea_orm::DbErr;
use tonic::Status;

use crate::secret;

/// What went wrong. No variant holds a token's or a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong, malformed, expired or revoked: the caller isn't told which.
    #[error("the token is not valid: it is wrong, has expired or was revoked")]
    Unauthenticated,
    /// Not a name that a secret can have.
    #[error("\"{0}\" is not a secret's name: use 1 to 128 of A-Z, a-z, 0-9, dot, dash, underscore")]
    Name(String),
    /// Not an account.
    #[error("an account's name has 1 to 128 characters, none of them a control character")]
    Account,
    /// The value is too long.
    #[error("a secret has at most {most} bytes, and this one has {0}", most = secret::LONGEST)]
    TooLong(usize),
    /// The account's secrets have reached their number.
    #[error("account {0} has {most} secrets, as many as it may have: delete some first", most = secret::MOST)]
    TooMany(String),
    /// A page of no or too many names.
    #[error("limit is {0} and must be between 1 and 1000")]
    Limit(u32),
    /// More secrets at once than a step may name.
    #[error("a step may name {most} secrets of {bytes} bytes together: name fewer", most = secret::MOST_AT_ONCE, bytes = secret::MOST_BYTES_AT_ONCE)]
    TooMuchAtOnce,
    /// There are no such secrets in the account.
    #[error("account {account} has no secret {}: set it first", names.join(", "))]
    Unknown {
        /// Whose.
        account: String,
        /// Which are missing.
        names: Vec<String>,
    },
    /// What was given as the administrator's token can't be one.
    #[error(
        "the administrator's token in {origin} {why}: set PENSTOCK_ADMIN_TOKEN to 32 to 512 \
         printable characters without spaces, or remove it to have one made"
    )]
    AdministratorToken {
        /// The option or the file that it came from.
        origin: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What was given as the key isn't one.
    #[error(
        "the key of the secrets in {0} is not a key: 32 bytes are expected, as 64 hex digits or as \
         base64"
    )]
    Key(String),
    /// The store's secrets were sealed with another key.
    #[error(
        "the key of the secrets is not the one that this store was sealed with: bring back the \
         store's own key file, or give every registry the same key with PENSTOCK_REGISTRY__KEY"
    )]
    WrongKey,
    /// A file can't be read or made.
    #[error(transparent)]
    File(#[from] runtime::private_file::Error),
    /// A sealed value doesn't open: it was changed, or moved from another name.
    #[error("the secret {0} is damaged: set it again")]
    Damaged(String),
    /// A row holds what this version can't read.
    #[error("a stored row can't be read: {0}")]
    Row(String),
    /// A change can't be announced.
    #[error("a change can't be announced")]
    Outbox(#[from] outbox::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] DbErr),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unauthenticated => Kind::Unauthenticated,
            Self::Name(_)
            | Self::Account
            | Self::TooLong(_)
            | Self::Limit(_)
            | Self::TooMuchAtOnce => Kind::Invalid,
            Self::TooMany(_) => Kind::Conflict,
            Self::Unknown { .. } => Kind::NotFound,
            Self::Outbox(error) => error.kind(),
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::AdministratorToken { .. }
            | Self::Key(_)
            | Self::WrongKey
            | Self::File(_)
            | Self::Damaged(_)
            | Self::Row(_)
            | Self::Store(_) => Kind::Internal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Name(_) => "NAME",
            Self::Account => "ACCOUNT",
            Self::TooLong(_) => "TOO_LONG",
            Self::TooMany(_) => "TOO_MANY",
            Self::Limit(_) => "LIMIT",
            Self::TooMuchAtOnce => "TOO_MUCH_AT_ONCE",
            Self::Unknown { .. } => "UNKNOWN",
            Self::AdministratorToken { .. } => "ADMINISTRATOR_TOKEN",
            Self::Key(_) => "KEY",
            Self::WrongKey => "WRONG_KEY",
            Self::File(_) => "FILE",
            Self::Damaged(_) => "DAMAGED",
            Self::Row(_) => "ROW",
            Self::Outbox(_) => "OUTBOX",
            Self::Store(_) => "STORE",
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        fault::status(&error)
    }
}
