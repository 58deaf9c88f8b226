//! What a user may be called, and how it is found.

use contracts::id::is_object_id;

use crate::Error;

/// Users of an account, at most.
pub(crate) const MOST: u64 = 10_000;
/// The longest name, in characters.
const LONGEST_NAME: usize = 100;
/// The longest e-mail address, in bytes.
const LONGEST_EMAIL: usize = 254;

/// What a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody, with an e-mail address.
    Person,
    /// A program.
    Service,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    /// Reads a kind; unsaid is a person.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "" | "person" => Ok(Self::Person),
            "service" => Ok(Self::Service),
            other => Err(Error::Field {
                field: "kind",
                why: format!("\"{}\" is neither person nor service", crate::shown(other)),
            }),
        }
    }
}

/// What becomes of something that may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Patch<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is absent from now on.
    Clear,
    /// It is this from now on.
    Set(T),
}

impl<T> Patch<T> {
    /// From what was said, where nothing means absent.
    pub(crate) fn said(new: Option<T>) -> Self {
        new.map_or(Self::Clear, Self::Set)
    }

    /// What it is, when it was `old`.
    pub(crate) fn over(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }
}

/// An e-mail address, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    /// Reads an address; nothing for an empty text.
    ///
    /// Only what would break something is refused: whether mail arrives, only sending it shows.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let is_plain = text.len() <= LONGEST_EMAIL
            && !text
                .chars()
                .any(|it| it.is_control() || it.is_whitespace() || it == '/');
        let parts = text.rsplit_once('@').filter(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !local.contains('@')
        });
        if is_plain && parts.is_some() {
            return Ok(Some(Self(text.to_owned())));
        }
        Err(Error::Field {
            field: "email",
            why: format!("\"{}\" is not an e-mail address", crate::shown(text)),
        })
    }

    /// Under which it is unique and found, whatever its case.
    pub(crate) fn key(&self) -> String {
        key(&self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of a text that may be an address.
pub(crate) fn key(text: &str) -> String {
    text.to_lowercase()
}

/// Checks a user's name.
pub(crate) fn checked_name(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Error::Field {
        field: "name",
        why: format!("write 1 to {LONGEST_NAME} characters, none of them a control character"),
    })
}

/// Refuses a person that nobody could write to.
pub(crate) fn check_kind(kind: Kind, email: Option<&Email>) -> Result<(), Error> {
    match (kind, email) {
        (Kind::Person, None) => Err(Error::Field {
            field: "email",
            why: "a person has one; only a user of kind service may go without".into(),
        }),
        (Kind::Person | Kind::Service, _) => Ok(()),
    }
}

/// How a user is named by who looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// Its id.
    Id(String),
    /// The key of its e-mail address.
    Email(String),
}

impl Reference {
    /// Reads a reference; an empty one is the caller, whose id is `own`.
    pub(crate) fn parse(text: &str, own: &str) -> Self {
        match text {
            "" | "me" => Self::Id(own.to_owned()),
            id if is_object_id(id) => Self::Id(id.to_owned()),
            other => Self::Email(key(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_parts_and_no_case() {
        for (text, fits) in [
            ("ada@example.org", true),
            ("\u{fc}ber@b\u{fc}cher.example", true),
            ("a+b@localhost", true),
            ("ada", false),
            ("@example.org", false),
            ("ada@", false),
            ("a@b@c", false),
            ("a b@c", false),
            ("a/b@c", false),
            ("a@b\n", false),
            (&*format!("{}@c", "a".repeat(253)), false),
        ] {
            assert_eq!(Email::parse(text).is_ok(), fits, "{text:?}");
        }
        assert_eq!(Email::parse("").unwrap(), None);
        let email = Email::parse("Ada@Example.ORG").unwrap().unwrap();
        assert_eq!(
            (email.as_str(), email.key().as_str()),
            ("Ada@Example.ORG", "ada@example.org")
        );
    }

    #[test]
    fn a_name_is_printable() {
        assert_eq!(checked_name(" Ada L. ").unwrap(), "Ada L.");
        for wrong in ["", "  ", "a\nb", &*"n".repeat(101)] {
            assert!(checked_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_reference_is_an_id_an_address_or_oneself() {
        let id = "5e1cbf251c26d68f7ce6361e";
        for (text, expected) in [
            ("", Reference::Id("own".into())),
            ("me", Reference::Id("own".into())),
            (id, Reference::Id(id.into())),
            ("Ada@X.org", Reference::Email("ada@x.org".into())),
        ] {
            assert_eq!(Reference::parse(text, "own"), expected);
        }
    }
}
