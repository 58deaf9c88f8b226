//! What can keep the registry from doing as asked.

use runtime::{Fault, Kind, fault};
use sea_orm::DbErr;
use tonic::Status;

use crate::{plugin, secret, tool};

/// What went wrong. No variant holds a token, a password or a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Wrong, malformed, expired or revoked: the caller isn't told which.
    #[error("the token is not valid: it is wrong, has expired or was revoked")]
    Unauthenticated,
    /// The call doesn't say who calls.
    #[error("the call doesn't say who calls")]
    NoCaller,
    /// The caller may not.
    #[error("this {0}")]
    Denied(&'static str),
    /// A field can't be what it is to be.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it, and what to write.
        why: String,
    },
    /// There is no such user in the account, or the caller may not see it.
    #[error("there is no user \"{0}\"")]
    NoUser(String),
    /// There is no such group in the account.
    #[error("there is no group \"{0}\"")]
    NoGroup(String),
    /// There is no such token in the account, or the caller may not see it.
    #[error("there is no token \"{0}\"")]
    NoToken(String),
    /// Another user has this address.
    #[error("another user of the account has the e-mail address {0}")]
    EmailTaken(String),
    /// Another group has this name.
    #[error("another group of the account is called \"{0}\"")]
    GroupTaken(String),
    /// Another live token of its owner has this name.
    #[error(
        "another token of this user that is still good is called \"{0}\": choose another name, or revoke it"
    )]
    TokenTaken(String),
    /// There are as many as there may be.
    #[error("{whose} has {most} {what}, as many as it may have")]
    Full {
        /// Who has them.
        whose: &'static str,
        /// Of what.
        what: &'static str,
        /// How many.
        most: u64,
    },
    /// The account would have nobody left who can manage it.
    #[error("this is the account's last active site administrator: make another one first")]
    LastAdministrator,
    /// An inactive user gets no tokens.
    #[error("the user is not active: activate it first")]
    Inactive,
    /// The configuration decides about this token.
    #[error("this token is set by the server's configuration: change it there")]
    Installed,
    /// A token that is over can't be replaced.
    #[error("this token is no longer good: make a new one")]
    TokenEnded,
    /// A token is replaced once.
    #[error("this token was replaced already, by {0}")]
    Replaced(String),
    /// A login or a password is wrong: the caller isn't told which.
    #[error("the name or the password is wrong")]
    SignIn,
    /// Too many sign-ins have failed.
    #[error("too many sign-ins have failed: try again in {0} s")]
    SignIns(i64),
    /// Who changes its own password has to know it.
    #[error("the current password is wrong: who changes its own password knows it")]
    CurrentPassword,
    /// A password can't be hashed.
    #[error("a password can't be hashed: {0}")]
    Hash(String),
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
    /// Only whoever gave the key can change it.
    #[error(
        "the key of the secrets is not this registry's to change: give every registry a new key \
         after the present one (\"present,new\", in registry.key or as lines of the key file) and \
         restart it, then the new one before it (\"new,present\") and restart it again"
    )]
    KeyGiven,
    /// A tool can't be as it is said, or can't be had.
    #[error(transparent)]
    Tool(#[from] tool::Refused),
    /// A plug-in can't be imported, or can't be had.
    #[error(transparent)]
    Plugin(#[from] plugin::Refused),
    /// The store of plug-ins' files is none.
    #[error("registry.plugin_store: {0}")]
    PluginStore(String),
    /// The store of plug-ins' files doesn't do as it is told.
    #[error("the store of plug-ins' files failed")]
    Files(#[from] object_store::Error),
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
            Self::Unauthenticated | Self::NoCaller | Self::SignIn => Kind::Unauthenticated,
            Self::Denied(_) | Self::CurrentPassword => Kind::Denied,
            Self::SignIns(_) => Kind::Busy,
            Self::NoUser(_) | Self::NoGroup(_) | Self::NoToken(_) | Self::Unknown { .. } => {
                Kind::NotFound
            }
            Self::EmailTaken(_) | Self::GroupTaken(_) | Self::TokenTaken(_) => Kind::Exists,
            Self::Tool(refused) => refused.kind(),
            Self::Plugin(refused) => refused.kind(),
            Self::Files(_) => Kind::Unavailable,
            Self::TooMany(_)
            | Self::KeyGiven
            | Self::Full { .. }
            | Self::LastAdministrator
            | Self::Inactive
            | Self::Installed
            | Self::TokenEnded
            | Self::Replaced(_) => Kind::Conflict,
            Self::Field { .. }
            | Self::Name(_)
            | Self::Account
            | Self::TooLong(_)
            | Self::Limit(_)
            | Self::TooMuchAtOnce => Kind::Invalid,
            Self::Outbox(error) => error.kind(),
            Self::Store(error) if runtime::database::is_away(error) => Kind::Unavailable,
            Self::AdministratorToken { .. }
            | Self::PluginStore(_)
            | Self::Hash(_)
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
            Self::NoCaller => "NO_CALLER",
            Self::Denied(_) => "DENIED",
            Self::Field { .. } => "FIELD",
            Self::NoUser(_) => "NO_USER",
            Self::NoGroup(_) => "NO_GROUP",
            Self::NoToken(_) => "UNKNOWN_TOKEN",
            Self::EmailTaken(_) => "EMAIL_TAKEN",
            Self::GroupTaken(_) => "GROUP_TAKEN",
            Self::TokenTaken(_) => "TOKEN_NAME_TAKEN",
            Self::Full { .. } => "FULL",
            Self::LastAdministrator => "LAST_ADMINISTRATOR",
            Self::Inactive => "USER_INACTIVE",
            Self::Installed => "INSTALLED_TOKEN",
            Self::TokenEnded => "TOKEN_ENDED",
            Self::Replaced(_) => "TOKEN_REPLACED",
            Self::SignIn => "SIGN_IN",
            Self::SignIns(_) => "SIGN_INS",
            Self::CurrentPassword => "CURRENT_PASSWORD",
            Self::Hash(_) => "HASH",
            Self::Name(_) => "NAME",
            Self::Account => "ACCOUNT",
            Self::TooLong(_) => "TOO_LONG",
            Self::TooMany(_) => "TOO_MANY",
            Self::Limit(_) => "LIMIT",
            Self::TooMuchAtOnce => "TOO_MUCH_AT_ONCE",
            Self::Unknown { .. } => "UNKNOWN",
            Self::KeyGiven => "KEY_GIVEN",
            Self::Tool(refused) => refused.reason(),
            Self::Plugin(refused) => refused.reason(),
            Self::PluginStore(_) => "PLUGIN_STORE",
            Self::Files(_) => "FILES",
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
