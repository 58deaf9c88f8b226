//! What a group of users may be called, and how many there may be.

use contracts::id::is_object_id;

use crate::Error;

/// Groups of an account, at most.
pub(crate) const MOST: u64 = 1000;
/// Members of a group, at most.
pub(crate) const MOST_MEMBERS: usize = 1000;
/// Groups of a user, at most: each request of it carries their names.
pub(crate) const MOST_OF_USER: u64 = 50;
/// The longest name, in characters.
const LONGEST_NAME: usize = 25;

/// Checks a group's name. One that looks like an id would be taken for one.
pub(crate) fn checked_name(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count());
    let is_plain = !text.chars().any(|it| it.is_control() || it == '/');
    if fits && is_plain && !is_object_id(text) && !matches!(text, "." | "..") {
        return Ok(text.to_owned());
    }
    Err(Error::Field {
        field: "group",
        why: format!(
            "\"{}\" can't be a group's name: write 1 to {LONGEST_NAME} characters, without control \
             characters and slashes, that are not 24 hex digits",
            crate::shown(text)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_no_id() {
        for (name, fits) in [
            ("developers", true),
            ("Team \u{dc}", true),
            (&*"n".repeat(25), true),
            (&*"n".repeat(26), false),
            (&*"a".repeat(24), false),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("a\0", false),
        ] {
            assert_eq!(checked_name(name).is_ok(), fits, "{name:?}");
        }
    }
}
