//! The places of a template: read, and given their values.

use serde_json::Value;

use super::{CLOSE, Encode, Error, OPEN, Scope, as_text, encoded};

#[derive(Debug, PartialEq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Place(Place<'t>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Place<'t> {
    /// As it is written.
    said: &'t str,
    /// The first that is there counts.
    pub(super) any: Vec<Operand<'t>>,
    is_optional: bool,
    filter: Option<Filter<'t>>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Operand<'t> {
    Path(&'t str),
    Text(&'t str),
}

#[derive(Debug, PartialEq)]
enum Filter<'t> {
    /// Parts between slashes, put together with this.
    Path(&'t str),
    /// A map as a list of `{key, value}`.
    Pairs,
    /// A map as a list of `key=value`.
    Assignments,
    /// As JSON.
    Json,
}

pub(super) fn malformed(template: &str, why: impl Into<String>) -> Error {
    Error::Malformed {
        template: template.chars().take(100).collect(),
        why: why.into(),
    }
}

pub(super) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Error> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find(OPEN) {
        let (before, from_open) = rest.split_at(open);
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let inner = &from_open[OPEN.len()..];
        let close = inner
            .find(CLOSE)
            .ok_or_else(|| malformed(template, "`{{` is not closed by `}}`"))?;
        pieces.push(Piece::Place(place(inner[..close].trim())?));
        rest = &inner[close + CLOSE.len()..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn place(said: &str) -> Result<Place<'_>, Error> {
    let (operands, filter) = match said.split_once('|') {
        Some((operands, filter)) => (operands.trim(), Some(read_filter(said, filter.trim())?)),
        None => (said, None),
    };
    let (operands, is_optional) = match operands.strip_suffix('?') {
        Some(operands) => (operands.trim(), true),
        None => (operands, false),
    };
    let any = operands
        .split(" or ")
        .map(|it| operand(said, it.trim()))
        .collect::<Result<_, _>>()?;
    Ok(Place {
        said,
        any,
        is_optional,
        filter,
    })
}

fn operand<'t>(said: &str, text: &'t str) -> Result<Operand<'t>, Error> {
    if let Some(quoted) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        return Ok(Operand::Text(quoted));
    }
    let is_path = text.split('.').all(|part| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    });
    if is_path {
        Ok(Operand::Path(text))
    } else {
        Err(malformed(
            said,
            "write names such as with.job, or text in quotes",
        ))
    }
}

fn read_filter<'t>(said: &str, filter: &'t str) -> Result<Filter<'t>, Error> {
    match filter {
        "path" => Ok(Filter::Path("/")),
        "pairs" => Ok(Filter::Pairs),
        "assignments" => Ok(Filter::Assignments),
        "json" => Ok(Filter::Json),
        _ => filter
            .strip_prefix("path ")
            .map(|between| Filter::Path(between.trim()))
            .ok_or_else(|| malformed(said, "the filters are path, pairs, assignments and json")),
    }
}

impl Place<'_> {
    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, Error> {
        let found = self.any.iter().find_map(|operand| match operand {
            Operand::Path(path) => scope.value(path).cloned(),
            Operand::Text(text) => Some(Value::from(*text)),
        });
        match found {
            Some(value) => self.filtered(value).map(Some),
            None if self.is_optional => Ok(None),
            None => Err(Error::Missing(self.said.to_owned())),
        }
    }

    fn filtered(&self, value: Value) -> Result<Value, Error> {
        let entries = |value: Value| {
            let Value::Object(entries) = value else {
                return Err(self.shape("a map"));
            };
            Ok(entries)
        };
        Ok(match (&self.filter, value) {
            (Some(Filter::Pairs | Filter::Assignments), list @ Value::Array(_)) => list,
            (Some(Filter::Pairs), value) => entries(value)?
                .into_iter()
                .map(|(key, value)| serde_json::json!({"key": key, "value": as_text(&value)}))
                .collect(),
            (Some(Filter::Assignments), value) => entries(value)?
                .into_iter()
                .map(|(key, value)| Value::from(format!("{key}={}", as_text(&value))))
                .collect(),
            (Some(Filter::Json), value) => Value::from(value.to_string()),
            (Some(Filter::Path(_)) | None, value) => value,
        })
    }

    pub(super) fn text(&self, value: &Value, encode: Encode) -> Result<String, Error> {
        let text = as_text(value);
        match (encode, &self.filter) {
            (Encode::No, _) => Ok(text),
            (Encode::Path, Some(Filter::Path(between))) => {
                let parts = text
                    .trim_matches('/')
                    .split('/')
                    .filter(|part| !part.is_empty());
                let parts = parts
                    .map(|part| self.part(part))
                    .collect::<Result<Vec<_>, _>>()?;
                if parts.is_empty() {
                    return Err(self.shape("a path"));
                }
                Ok(parts.join(between))
            }
            (Encode::Path, Some(Filter::Pairs | Filter::Assignments | Filter::Json) | None) => {
                self.part(&text)
            }
        }
    }

    fn part(&self, text: &str) -> Result<String, Error> {
        if matches!(text, "." | "..") {
            return Err(Error::Path(self.said.to_owned()));
        }
        if text.is_empty() {
            return Err(self.shape("more than an empty text"));
        }
        Ok(encoded(text))
    }

    fn shape(&self, what: &'static str) -> Error {
        Error::Shape {
            place: self.said.to_owned(),
            what,
        }
    }
}
