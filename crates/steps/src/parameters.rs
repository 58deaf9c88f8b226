//! What a run can be given: its parameters' types, and their values once a run starts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::cursor::{Cursor, quoted};
use crate::fault::{Fault, Faults, MAX_FAULTS};
use crate::reader::Reading;
use crate::{expression, suggestion};

/// How long a value may be, in bytes.
pub const MAX_VALUE: usize = 64 * 1024;
/// How long the values of a run may be together, in bytes.
pub const MAX_VALUES: usize = 256 * 1024;

pub(crate) const KEYS: [&str; 4] = ["type", "default", "description", "required"];
pub(crate) const MAX_PARAMETERS: usize = 200;

/// What a definition says of a parameter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Type,
    /// The value of a run that is given none; a string, number or boolean as the type says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether a run must be given a value where there is no default. Otherwise it is empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// What the values of a parameter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Type {
    /// Any text.
    #[default]
    String,
    /// A number as JSON writes it.
    Number,
    /// `true` or `false`.
    Boolean,
}

impl Type {
    /// The text as a value of this type.
    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::String(text.to_owned())),
            Self::Number => serde_json::from_str::<Number>(text).ok().map(Value::Number),
            Self::Boolean => text.parse().ok().map(Value::Bool),
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::String => "must be text",
            Self::Number => "must be a number, such as 12 or 0.5",
            Self::Boolean => "must be true or false",
        }
    }
}

/// The values of a run: what it was given, else the defaults, else nothing; as text, for every declared parameter.
pub fn resolve(
    declared: &BTreeMap<String, Parameter>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Faults> {
    let mut faults = Vec::new();
    let fault = |name: &str, message: String| Fault::at(format!("parameters.{name}"), message);
    for name in given
        .keys()
        .filter(|name| !declared.contains_key(*name))
        .take(MAX_FAULTS)
    {
        let hint = suggestion::did_you_mean(name, declared.keys().map(String::as_str));
        faults.push(Fault::at(
            "parameters",
            format!("there is no parameter {}{hint}", quoted(name)),
        ));
    }
    let mut values = BTreeMap::new();
    for (name, parameter) in declared {
        match value(parameter, given.get(name)) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(message) => faults.push(fault(name, message)),
        }
    }
    if values.values().map(String::len).sum::<usize>() > MAX_VALUES {
        faults.push(Fault::at(
            "parameters",
            format!("the values have more than {MAX_VALUES} bytes together"),
        ));
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(Faults(faults))
    }
}

fn value(parameter: &Parameter, given: Option<&String>) -> Result<String, String> {
    match (given, &parameter.default) {
        (Some(text), _) => {
            if text.len() > MAX_VALUE {
                return Err(format!(
                    "has {} bytes; it may have {MAX_VALUE} at most",
                    text.len()
                ));
            }
            if text.contains('\0') {
                return Err("can't hold the character U+0000".to_owned());
            }
            match parameter.kind.value(text) {
                Some(_) => Ok(text.clone()),
                None => Err(parameter.kind.expected().to_owned()),
            }
        }
        (None, Some(Value::String(text))) => Ok(text.clone()),
        (None, Some(value)) => Ok(value.to_string()),
        (None, None) if parameter.required => Err("is required and was not given".to_owned()),
        (None, None) => Ok(String::new()),
    }
}

pub(crate) fn read(reading: &mut Reading, at: &Cursor<'_>) -> BTreeMap<String, Parameter> {
    let mut parameters = BTreeMap::new();
    for (name, at) in reading.entries(at, MAX_PARAMETERS).unwrap_or_default() {
        if !expression::is_name(name) {
            let message = "is no name of a parameter: a letter or `_`, then letters, digits, `_` and `-`, 128 at most";
            reading.fault(at.fault(message));
        }
        parameters.insert(name.to_owned(), parameter(reading, &at));
    }
    parameters
}

fn parameter(reading: &mut Reading, at: &Cursor<'_>) -> Parameter {
    if !reading.fields(at, &KEYS) {
        // `day:` with nothing behind it is a text without default.
        return Parameter::default();
    }
    let types = [
        ("string", Type::String),
        ("number", Type::Number),
        ("boolean", Type::Boolean),
    ];
    let kind = reading.word(&at.key("type"), &types).unwrap_or_default();
    let default_at = at.key("default");
    let default = reading.text(&default_at, MAX_VALUE).and_then(|text| {
        let value = kind.value(&text);
        if value.is_none() {
            reading.fault(default_at.fault(kind.expected()));
        }
        value
    });
    Parameter {
        kind,
        default,
        description: reading
            .string(&at.key("description"), MAX_VALUE)
            .unwrap_or_default(),
        required: reading.flag(&at.key("required")).unwrap_or(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> BTreeMap<String, Parameter> {
        let source = "
name: x
parameters:
  day: {default: 2024-01-01}
  rows: {type: number, default: 1.50}
  dry: {type: boolean, default: true}
  who: {required: true}
  note:
steps: []
";
        crate::Definition::from_source(source).unwrap().parameters
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_are_given_or_default_or_empty() {
        let values = resolve(&declared(), &given(&[("who", "me"), ("dry", "false")])).unwrap();
        let expected = [
            ("day", "2024-01-01"),
            ("dry", "false"),
            ("note", ""),
            ("rows", "1.5"),
            ("who", "me"),
        ];
        assert_eq!(values, given(&expected));
    }

    #[test]
    fn every_wrong_value_is_named() {
        let faults = resolve(
            &declared(),
            &given(&[
                ("dya", "x"),
                ("rows", "many"),
                ("dry", "yes"),
                ("note", "a\0b"),
            ]),
        )
        .unwrap_err();
        assert_eq!(
            faults.to_string(),
            "parameters: there is no parameter \"dya\"; did you mean `day`?\n\
             parameters.dry: must be true or false\n\
             parameters.note: can't hold the character U+0000\n\
             parameters.rows: must be a number, such as 12 or 0.5\n\
             parameters.who: is required and was not given"
        );
    }

    #[test]
    fn values_are_bounded() {
        let long = "x".repeat(MAX_VALUE + 1);
        let faults = resolve(&declared(), &given(&[("who", &long)])).unwrap_err();
        assert!(faults.to_string().contains("65537 bytes"));
        let declared: BTreeMap<_, _> = (0..5)
            .map(|index| (format!("p{index}"), Parameter::default()))
            .collect();
        let full = "x".repeat(MAX_VALUE);
        let given = declared
            .keys()
            .map(|name| (name.clone(), full.clone()))
            .collect();
        assert!(
            resolve(&declared, &given)
                .unwrap_err()
                .to_string()
                .contains("together")
        );
    }
}
