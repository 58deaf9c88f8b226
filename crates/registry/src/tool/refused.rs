//! Why a tool can't be as it is said.

use contracts::access::ToolRight;
use runtime::Kind;

/// What is wrong. No variant holds what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The text is no JSON object.
    #[error("a tool is a JSON object: this is none, or it is nested too deeply")]
    NoObject,
    /// A property has a wrong value.
    #[error("{field}: {why}")]
    Field {
        /// Its path in the document.
        field: String,
        /// What is wrong and what to change.
        why: String,
    },
    /// A property can't be called so.
    #[error("\"{0}\" can't be a property's name: use 1 to 64 printable characters")]
    PropertyName(String),
    /// There are too many at the root.
    #[error("a tool has at most 200 properties at its root: put some into an object")]
    TooManyProperties,
    /// Too many levels.
    #[error("{0}: is nested more than 32 levels deep")]
    TooDeep(String),
    /// The document is too long.
    #[error("the tool has {0} bytes, and may have 262144: take something out")]
    TooLong(usize),
    /// It would be a tool of another kind.
    #[error("tool_identifier: is {0} and stays so: make another tool instead")]
    Identifier(String),
    /// A vault reference that is not the tool's own.
    #[error(
        "{0}: refers to a vault key that this tool does not have: give the secret itself as a text"
    )]
    Reference(String),
    /// There are too many secrets.
    #[error("a tool has at most 256 secrets")]
    TooManySecrets,
    /// There is no such tool, or the caller may not know of it.
    #[error("there is no tool \"{0}\"")]
    NoTool(String),
    /// Several tools have the name.
    #[error("several tools are called \"{name}\": name one by its id ({})", ids.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Whose it is.
        ids: Vec<String>,
    },
    /// The caller may see it but not do this.
    #[error("{}", denied(*right))]
    Denied {
        /// What was wanted.
        right: ToolRight,
    },
    /// It is switched off.
    #[error("the tool {0} is not active: set active to true")]
    Inactive(String),
    /// The account's tools have reached their number.
    #[error("the account has 10000 tools, as many as it may have: delete some first")]
    TooMany,
    /// A list goes on from nowhere.
    #[error("the cursor is none of this list's: begin without one")]
    Cursor,
}

fn denied(right: ToolRight) -> String {
    match right {
        ToolRight::Create => {
            "to make a tool one must be a user of the site, and not only read".into()
        }
        ToolRight::List => "the list of all tools is for power users and administrators".into(),
        ToolRight::View
        | ToolRight::Use
        | ToolRight::Edit
        | ToolRight::EditRules
        | ToolRight::Delete => {
            format!(
                "to {} this tool one must be its {}",
                right.deed(),
                right.holders()
            )
        }
    }
}

impl Refused {
    /// That a property is wrong.
    pub(crate) fn field(field: &str, why: impl Into<String>) -> Self {
        Self::Field {
            field: field.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::NoObject
            | Self::Field { .. }
            | Self::PropertyName(_)
            | Self::TooManyProperties
            | Self::TooDeep(_)
            | Self::TooLong(_)
            | Self::Identifier(_)
            | Self::Reference(_)
            | Self::TooManySecrets
            | Self::Cursor => Kind::Invalid,
            Self::NoTool(_) => Kind::NotFound,
            Self::Denied { .. } => Kind::Denied,
            Self::Ambiguous { .. } | Self::Inactive(_) | Self::TooMany => Kind::Conflict,
        }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NoObject => "NO_OBJECT",
            Self::Field { .. } => "FIELD",
            Self::PropertyName(_) => "PROPERTY_NAME",
            Self::TooManyProperties => "TOO_MANY_PROPERTIES",
            Self::TooDeep(_) => "TOO_DEEP",
            Self::TooLong(_) => "TOO_LONG",
            Self::Identifier(_) => "IDENTIFIER",
            Self::Reference(_) => "REFERENCE",
            Self::TooManySecrets => "TOO_MANY_SECRETS",
            Self::NoTool(_) => "NO_TOOL",
            Self::Ambiguous { .. } => "AMBIGUOUS",
            Self::Denied { .. } => "DENIED",
            Self::Inactive(_) => "INACTIVE",
            Self::TooMany => "TOO_MANY_TOOLS",
            Self::Cursor => "CURSOR",
        }
    }
}
