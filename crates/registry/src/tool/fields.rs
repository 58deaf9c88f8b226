//! The shapes of a document's known properties.

use contracts::id::is_object_id;
use contracts::tool::{IDENTIFIER, Shape, attribute_of};
use serde_json::Value;

use super::{Refused, is_unprintable};

/// A tool's name: a text that is not blank.
pub(super) fn name(said: Option<Value>) -> Result<String, Refused> {
    let name = required("name", said)?;
    let plain = name.trim();
    if plain.is_empty() || is_unprintable(plain) {
        return Err(Refused::field("name", "is blank, or not printable"));
    }
    Ok(plain.to_owned())
}

/// The kind of tool: any printable text.
pub(super) fn identifier(said: Option<Value>) -> Result<String, Refused> {
    let identifier = required(IDENTIFIER, said)?;
    let plain = identifier.trim();
    let fits = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    if plain.is_empty() || !plain.chars().all(fits) {
        let why = "is no kind of tool: use letters, digits, dot, dash and underscore";
        return Err(Refused::field(IDENTIFIER, why));
    }
    Ok(plain.to_owned())
}

/// True or false, also as text.
pub(super) fn flag(name: &str, said: Option<Value>) -> Result<Option<bool>, Refused> {
    match said {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(flag)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(_) => Err(Refused::field(name, "must be true or false")),
    }
}

/// Refuses a value that the attribute of this name can't have. An extra may be anything.
pub(super) fn check(name: &str, value: &Value) -> Result<(), Refused> {
    let Some(attribute) = attribute_of(name) else {
        return Ok(());
    };
    let wrong = |why: &str| Err(Refused::field(name, why));
    match (attribute.shape, value) {
        (Shape::Text(most), Value::String(text)) => check_length(name, text, most),
        (Shape::Id, Value::String(id)) if id.is_empty() || is_object_id(id) => Ok(()),
        (Shape::Flag, Value::Bool(_))
        | (Shape::Object, Value::Object(_))
        | (Shape::List | Shape::Rules, Value::Array(_)) => Ok(()),
        (Shape::Objects, Value::Array(list)) if list.iter().all(Value::is_object) => Ok(()),
        (Shape::Text(_), _) => wrong("must be a text"),
        (Shape::Id, _) => wrong("must be an id of 24 hex digits, or an empty text"),
        (Shape::Flag, _) => wrong("must be true or false"),
        (Shape::Object, _) => wrong("must be an object"),
        (Shape::Objects, _) => wrong("must be a list of objects"),
        (Shape::List | Shape::Rules, _) => wrong("must be a list"),
    }
}

fn required(name: &str, said: Option<Value>) -> Result<String, Refused> {
    let Some(said) = said else {
        return Err(Refused::field(name, "is missing"));
    };
    check(name, &said)?;
    match said {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Refused::field(name, "must be a text"))
        }
    }
}

fn check_length(name: &str, text: &str, most: usize) -> Result<(), Refused> {
    let length = text.trim().chars().count();
    if length > most {
        let why = format!("has {length} characters and may have {most}");
        return Err(Refused::field(name, why));
    }
    if text.contains('\0') {
        return Err(Refused::field(name, "holds U+0000"));
    }
    Ok(())
}
