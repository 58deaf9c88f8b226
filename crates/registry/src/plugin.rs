//! What a plug-in is, and what may be done with it. Pure.
//!
//! **Invariants:** a plug-in is known by its name, which its file's name says and which never
//! changes. It never becomes one of another type, since pipelines rely on that.

use contracts::access::SiteRole;
use contracts::message::Caller;
use runtime::Kind;
use serde::{Deserialize, Serialize};
use transfer::Visibility;
use transfer::jar::{self, Data, Direction, Jar, JarName};

use crate::role::Roles;

/// Bytes of a jar, at most.
pub(crate) const LONGEST_JAR: usize = jar::LIMITS.bytes;
/// Plug-ins of an account, at most.
pub(crate) const MOST: u64 = 2_000;
/// Characters of a title or a description, at most.
const LONGEST_TEXT: usize = 4096;

/// What is said of a file that is to be imported.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) jar: JarName,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) visibility: Option<Visibility>,
    pub(crate) force: bool,
}

impl Terms {
    /// Reads what is said. The visibility is looked at before the name.
    pub(crate) fn of(said: contracts::registry::PluginTerms) -> Result<Self, Refused> {
        let visibility = match said.visibility.as_str() {
            "" => None,
            word => {
                Some(Visibility::of(word).ok_or_else(|| Refused::Visibility(crate::shown(word)))?)
            }
        };
        let jar = JarName::of(&said.file_name);
        Ok(Self {
            jar: jar.ok_or_else(|| Refused::JarName(crate::shown(&said.file_name)))?,
            title: text("title", said.title)?,
            description: text("description", said.description)?,
            visibility,
            force: said.force,
        })
    }
}

fn text(field: &'static str, said: String) -> Result<Option<String>, Refused> {
    if said.chars().count() > LONGEST_TEXT || said.contains('\0') {
        return Err(Refused::Text(field));
    }
    Ok(Some(said).filter(|it| !it.is_empty()))
}

/// A jar that was read, and its bytes' checksum and number.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) jar: Jar,
    /// 64 hex digits.
    pub(crate) sha256: String,
    pub(crate) size: usize,
}

/// A port, as its column has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) output: bool,
    pub(crate) data: String,
    pub(crate) optional: bool,
    pub(crate) description: String,
}

impl From<jar::Port> for Port {
    fn from(port: jar::Port) -> Self {
        let data = match port.data {
            Data::Files => "files",
            Data::Rdf => "rdf",
            Data::Relational => "relational",
            Data::Other => "other",
        };
        Self {
            output: port.direction == Direction::Output,
            data: data.into(),
            name: port.name,
            optional: port.is_optional,
            description: port.description,
        }
    }
}

/// Refuses whoever may not import plug-ins: they are there for the whole account.
pub(crate) fn check_import(caller: &Caller) -> Result<(), Refused> {
    let is_somebody = !caller.account.is_empty() && !caller.user_id().is_empty();
    if is_somebody && has_any(caller, SiteRole::ADMINISTRATORS) {
        return Ok(());
    }
    Err(Refused::Denied("import plug-ins"))
}

/// Refuses whoever may not delete a plug-in of this owner.
pub(crate) fn check_delete(caller: &Caller, owner: &str) -> Result<(), Refused> {
    if caller.user_id() == owner || has_any(caller, SiteRole::ADMINISTRATORS) {
        return Ok(());
    }
    Err(Refused::Denied("delete this plug-in"))
}

/// Whether the caller may use a plug-in of this owner and visibility, and see what it is.
pub(crate) fn is_usable(caller: &Caller, owner: &str, visibility: &str) -> bool {
    visibility != Visibility::Private.name()
        || caller.user_id() == owner
        || has_any(caller, SiteRole::ADMINISTRATORS)
}

fn has_any(caller: &Caller, roles: &[SiteRole]) -> bool {
    Roles::known(&caller.roles).has_any(roles)
}

/// Why a plug-in can't be imported, or can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such visibility.
    #[error("visibility: \"{0}\" is none: use PRIVATE, PUBLIC_RO or PUBLIC_RW")]
    Visibility(String),
    /// The file's name doesn't say which plug-in it is.
    #[error(
        "\"{0}\" is not called NAME-VERSION.jar, the version beginning with one digit, a dot and \
         digits"
    )]
    JarName(String),
    /// A text is too long.
    #[error("{0}: has more than {LONGEST_TEXT} characters")]
    Text(&'static str),
    /// One of this name is there.
    #[error("the plug-in {0} is there already: say force to replace it")]
    Exists(String),
    /// It isn't what it says.
    #[error("{0}")]
    Jar(String),
    /// It would become another sort of plug-in.
    #[error("the plug-in {name} is of the type {there}, and the file of the type {new}")]
    OtherType {
        /// Which.
        name: String,
        /// What it is.
        there: String,
        /// What it would be.
        new: &'static str,
    },
    /// The file is too long.
    #[error("the file is longer than {LONGEST_JAR} bytes")]
    TooLong,
    /// The call doesn't begin with what is to be imported.
    #[error("the call doesn't say what it brings before it brings it")]
    NoTerms,
    /// The account's plug-ins have reached their number.
    #[error("the account has {MOST} plug-ins, as many as it may have: delete some first")]
    TooMany,
    /// There is no such plug-in, or the caller may not use it.
    #[error("there is no plug-in \"{0}\"")]
    NoPlugin(String),
    /// The caller may not.
    #[error("to {0} one must be a site administrator")]
    Denied(&'static str),
    /// A list goes on from nowhere.
    #[error("the cursor is none of this list's: begin without one")]
    Cursor,
}

impl Refused {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Visibility(_)
            | Self::JarName(_)
            | Self::Text(_)
            | Self::Jar(_)
            | Self::TooLong
            | Self::NoTerms
            | Self::Cursor => Kind::Invalid,
            Self::Exists(_) => Kind::Exists,
            Self::OtherType { .. } | Self::TooMany => Kind::Conflict,
            Self::NoPlugin(_) => Kind::NotFound,
            Self::Denied(_) => Kind::Denied,
        }
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Visibility(_) => "PLUGIN_VISIBILITY",
            Self::JarName(_) => "PLUGIN_JAR_NAME",
            Self::Text(_) => "FIELD",
            Self::Exists(_) => "PLUGIN_EXISTS",
            Self::Jar(_) => "PLUGIN_JAR",
            Self::OtherType { .. } => "PLUGIN_TYPE",
            Self::TooLong => "PLUGIN_TOO_LONG",
            Self::NoTerms => "PLUGIN_NO_TERMS",
            Self::TooMany => "TOO_MANY_PLUGINS",
            Self::NoPlugin(_) => "NO_PLUGIN",
            Self::Denied(_) => "DENIED",
            Self::Cursor => "CURSOR",
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::message::Actor;
    use contracts::registry::PluginTerms;

    use super::*;

    fn terms(file_name: &str, visibility: &str) -> Result<Terms, Refused> {
        Terms::of(PluginTerms {
            file_name: file_name.into(),
            visibility: visibility.into(),
            ..PluginTerms::default()
        })
    }

    #[test]
    fn the_visibility_is_looked_at_before_the_name() {
        assert_eq!(
            terms("x.jar", "foo").unwrap_err(),
            Refused::Visibility("foo".into())
        );
        assert_eq!(
            terms("x.jar", "").unwrap_err(),
            Refused::JarName("x.jar".into())
        );
        let good = terms("../up/uv-t-x-2.1.5.jar", "PRIVATE").unwrap();
        assert_eq!(
            (&*good.jar.name, good.visibility),
            ("uv-t-x", Some(Visibility::Private))
        );
        assert_eq!((good.title, good.force), (None, false));
    }

    #[test]
    fn private_ones_are_their_owners_and_administrators() {
        let caller = |user: &str, role: &str| Caller {
            account: "a".into(),
            actor: Some(Actor {
                user_id: user.into(),
                ..Actor::default()
            }),
            roles: vec![role.into()],
            ..Caller::default()
        };
        let (ada, bob) = (
            caller("ada", "site_user"),
            caller("bob", "site_administrator"),
        );
        assert!(is_usable(&ada, "ada", "PRIVATE") && is_usable(&bob, "ada", "PRIVATE"));
        assert!(!is_usable(&ada, "bob", "PRIVATE") && is_usable(&ada, "bob", "PUBLIC_RO"));
        assert!(check_import(&ada).is_err() && check_import(&bob).is_ok());
        assert!(check_delete(&ada, "bob").is_err() && check_delete(&ada, "ada").is_ok());
    }
}
