//! Templates of a connector: text with places such as `{{ with.job }}`.
//!
//! A place names a value, or several of which the first that is there counts (`with.ref or "main"`); `?` says that
//! none need be there, and `| filter` gives it a form. A value is inserted as it is and never read again as a template.

mod place;

use std::fmt::Write as _;

use serde_json::{Map, Value};

use place::{Operand, Piece, malformed, pieces};

/// What a rendered text may come to, in bytes.
const MAX_RENDERED: usize = 1024 * 1024;
const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// The key of a map whose value, a map itself, is put in its place.
const SPREAD: &str = "...";

/// Why a template can't be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Not a template.
    #[error("`{template}`: {why}")]
    Malformed {
        /// The template, or the place in it.
        template: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is known by this name.
    #[error("`{0}` has no value")]
    Missing(String),
    /// The value is not what the filter or the place takes.
    #[error("`{place}` must be {what}")]
    Shape {
        /// What was asked for.
        place: String,
        /// What it should be.
        what: &'static str,
    },
    /// A value would lead to another place of the tool than the template says.
    #[error("`{0}` would lead elsewhere: `.` and `..` are no parts of a path")]
    Path(String),
    /// Too much.
    #[error("a text is longer than 1 MiB once its places have their values")]
    TooLong,
}

/// What places can name: a value by each of a few roots.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope<'a>(Vec<(&'static str, &'a Value)>);

impl<'a> Scope<'a> {
    pub(super) fn with(mut self, root: &'static str, value: &'a Value) -> Self {
        self.0.push((root, value));
        self
    }

    /// The value at a path; null is none.
    fn value(&self, path: &str) -> Option<&'a Value> {
        let mut keys = path.split('.');
        let root = keys.next()?;
        let (_, value) = self.0.iter().find(|(name, _)| *name == root)?;
        let found = keys.try_fold(*value, |value, key| value.get(key))?;
        (!found.is_null()).then_some(found)
    }
}

/// What a value becomes where it is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encode {
    /// Itself.
    No,
    /// A part of an address's path, percent-encoded.
    Path,
}

/// The text that a template comes to; nothing if it is one optional place without a value.
pub(super) fn text(
    template: &str,
    scope: &Scope<'_>,
    encode: Encode,
) -> Result<Option<String>, Error> {
    let pieces = pieces(template)?;
    if let [Piece::Place(place)] = pieces.as_slice() {
        let value = place.value(scope)?;
        return value.map(|value| place.text(&value, encode)).transpose();
    }
    let mut rendered = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => rendered.push_str(text),
            Piece::Place(place) => {
                if let Some(value) = place.value(scope)? {
                    rendered.push_str(&place.text(&value, encode)?);
                }
            }
        }
        if rendered.len() > MAX_RENDERED {
            return Err(Error::TooLong);
        }
    }
    Ok(Some(rendered))
}

/// The value that a tree of templates comes to. What is one place becomes that value, whatever its type; a key or
/// item without a value is left out.
pub(super) fn value(template: &Value, scope: &Scope<'_>) -> Result<Option<Value>, Error> {
    match template {
        Value::String(template) => {
            let pieces = pieces(template)?;
            match pieces.as_slice() {
                [Piece::Place(place)] => place.value(scope),
                _ => Ok(text(template, scope, Encode::No)?.map(Value::String)),
            }
        }
        Value::Array(items) => {
            let mut rendered = Vec::with_capacity(items.len());
            for item in items {
                rendered.extend(value(item, scope)?);
            }
            Ok(Some(Value::Array(rendered)))
        }
        Value::Object(entries) => map(entries, scope).map(|map| Some(Value::Object(map))),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Some(template.clone())),
    }
}

fn map(entries: &Map<String, Value>, scope: &Scope<'_>) -> Result<Map<String, Value>, Error> {
    let mut rendered = Map::new();
    for (key, template) in entries {
        let Some(found) = value(template, scope)? else {
            continue;
        };
        match (key.as_str(), found) {
            (SPREAD, Value::Object(more)) => rendered.extend(more),
            (SPREAD, _) => {
                return Err(Error::Shape {
                    place: template.to_string(),
                    what: "a map",
                });
            }
            (_, found) => {
                if let Some(key) = text(key, scope, Encode::No)? {
                    rendered.insert(key, found);
                }
            }
        }
    }
    Ok(rendered)
}

/// Sees that a template can be read and names these roots only.
pub(super) fn check(template: &str, roots: &[&str]) -> Result<(), Error> {
    for piece in pieces(template)? {
        let Piece::Place(place) = piece else { continue };
        for operand in &place.any {
            let Operand::Path(path) = operand else {
                continue;
            };
            let root = path.split('.').next().unwrap_or_default();
            if !roots.contains(&root) {
                let why = format!(
                    "`{path}` names nothing here; there are {}",
                    roots.join(", ")
                );
                return Err(malformed(template, why));
            }
        }
    }
    Ok(())
}

/// [`check`] for a tree of templates.
pub(super) fn check_value(template: &Value, roots: &[&str]) -> Result<(), Error> {
    match template {
        Value::String(text) => check(text, roots),
        Value::Array(items) => items.iter().try_for_each(|item| check_value(item, roots)),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            check(key, roots)?;
            check_value(value, roots)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A value as text: JSON where it is no single value.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Percent-encodes all but what is never special in an address.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &str, encode: Encode) -> Result<Option<String>, Error> {
        let with = json!({"job": "team a/web", "n": 3, "none": null, "odd": "{{ with.job }}",
            "map": {"a": "x", "b": 1}, "up": "../x"});
        text(template, &Scope::default().with("with", &with), encode)
    }

    #[test]
    fn places_take_values() {
        for (template, encode, expected) in [
            ("plain", Encode::No, Some("plain")),
            ("", Encode::No, Some("")),
            (
                "{{ with.job }}-{{with.n}}",
                Encode::No,
                Some("team a/web-3"),
            ),
            (
                "/job/{{ with.job }}",
                Encode::Path,
                Some("/job/team%20a%2Fweb"),
            ),
            (
                "/job/{{ with.job | path /job/ }}/x",
                Encode::Path,
                Some("/job/team%20a/job/web/x"),
            ),
            (
                "{{ with.none or with.gone or \"main\" }}",
                Encode::No,
                Some("main"),
            ),
            ("{{ with.gone? }}", Encode::No, None),
            ("a{{ with.gone? }}b", Encode::No, Some("ab")),
            ("{{ with.odd }}", Encode::No, Some("{{ with.job }}")),
            (
                "{{ with.map | assignments }}",
                Encode::No,
                Some(r#"["a=x","b=1"]"#),
            ),
        ] {
            let got = rendered(template, encode);
            assert_eq!(
                got.as_ref().map(Option::as_deref),
                Ok(expected),
                "{template}"
            );
        }
    }

    #[test]
    fn what_can_not_be_rendered_is_named() {
        for (template, encode, expected) in [
            ("{{ with.gone }}", Encode::No, "`with.gone` has no value"),
            (
                "{{ with.n | pairs }}",
                Encode::No,
                "`with.n | pairs` must be a map",
            ),
            ("{{ with.up | path }}", Encode::Path, "would lead elsewhere"),
            ("{{ with.n", Encode::No, "is not closed"),
            ("{{ a b }}", Encode::No, "write names such as"),
            ("{{ with.n | upper }}", Encode::No, "the filters are"),
        ] {
            let message = rendered(template, encode).unwrap_err().to_string();
            assert!(message.contains(expected), "{template}: {message}");
        }
        assert!(check("{{ secret.x }}", &["with"]).is_err());
        assert!(check("{{ with.x or \"y\" }}", &["with"]).is_ok());
    }

    #[test]
    fn trees_keep_types_and_leave_out_what_is_not_there() {
        let with = json!({"n": 3, "map": {"b": 1, "n": 9}});
        let template = json!({"n": "{{ with.n }}", "...": "{{ with.map? }}", "x": "{{ with.x? }}",
            "l": ["{{ with.x? }}", true, null], "p": "{{ with.map | pairs }}", "{{ with.x? }}": 1});
        let got = value(&template, &Scope::default().with("with", &with))
            .unwrap()
            .unwrap();
        let pairs = json!([{"key": "b", "value": "1"}, {"key": "n", "value": "9"}]);
        assert_eq!(got, json!({"n": 3, "b": 1, "l": [true, null], "p": pairs}));
    }
}
