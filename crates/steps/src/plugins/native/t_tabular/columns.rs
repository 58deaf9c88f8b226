//! What becomes of the columns of a table: its subject, and a property and a value each.

use std::collections::HashMap;

use oxigraph::model::{Literal, NamedNode, Term};

use super::{Failure, VOCABULARY, encoded, iri, joined};
use crate::plugins::config::Config;

const XSD: &str = "http://www.w3.org/2001/XMLSchema#";

/// A row of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) header: &'a [String],
    pub(super) cells: &'a [String],
    /// From 1.
    pub(super) number: usize,
}

/// What becomes of columns.
#[derive(Debug)]
pub(super) struct Columns {
    base: String,
    key: Key,
    described: Vec<Column>,
    templates: Vec<(NamedNode, String)>,
    skips_blank: bool,
}

#[derive(Debug)]
enum Key {
    /// The number of the row.
    Number,
    Column(usize),
    Template(String),
}

#[derive(Debug)]
struct Column {
    index: usize,
    name: String,
    property: NamedNode,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Text(Option<String>),
    Typed(&'static str),
    /// As the first row has it; a cell that is none of it is a text.
    Guessed(Guess),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guess {
    Long,
    Double,
}

impl Columns {
    /// What becomes of columns with these names, of which these are the first cells.
    pub(super) fn of(
        config: &Config,
        base: &str,
        (header, first): (&[String], &[String]),
    ) -> Result<Self, Failure> {
        let key = match config.said("keyColumn").map(str::trim) {
            None => Key::Number,
            Some(template) if config.flag("advancedKeyColumn", false) => {
                Key::Template(template.to_owned())
            }
            Some(name) => Key::Column(position(header, name)?),
        };
        let mut templates = Vec::new();
        for mapping in config.list("columnsInfoAdv") {
            let mapping = Config::below(mapping);
            let property = mapping
                .said("uri")
                .or_else(|| mapping.said("URI"))
                .unwrap_or_default();
            templates.push((
                iri(&joined(base, property.trim()))?,
                mapping
                    .text("template")
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            ));
        }
        Ok(Self {
            base: base.to_owned(),
            key,
            described: columns(config, base, (header, first))?,
            templates,
            skips_blank: config.flag("ignoreBlankCells", false),
        })
    }

    /// Properties with the names of their columns.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&NamedNode, &str)> {
        self.described
            .iter()
            .map(|it| (&it.property, it.name.as_str()))
    }

    /// What the row is about; nothing where it has no key.
    pub(super) fn subject(&self, row: Row<'_>) -> Result<Option<NamedNode>, Failure> {
        let said = match &self.key {
            Key::Number => Some(format!("{}{}", self.base, row.number)),
            Key::Column(index) => {
                let cell = row.cells.get(*index).map(|it| it.trim());
                let cell = cell.filter(|it| !it.is_empty());
                cell.map(|it| joined(&self.base, &allowed(it)))
            }
            Key::Template(template) => {
                let filled = filled(template.trim_matches(['<', '>', '"']), row, true)?;
                filled.map(|it| joined(&self.base, &it))
            }
        };
        said.map(|it| iri(&it)).transpose()
    }

    /// What is said of it.
    pub(super) fn values(&self, row: Row<'_>) -> Result<Vec<(NamedNode, Term)>, Failure> {
        let mut values = Vec::new();
        for column in &self.described {
            let cell = row.cells.get(column.index).filter(|it| !it.is_empty());
            let value = cell.map(|it| column.kind.value(it)).transpose()?;
            values.push((column.property.clone(), value));
        }
        for (property, template) in &self.templates {
            values.push((property.clone(), term(template, row)?));
        }
        let blank: Term = iri(&format!("{VOCABULARY}blank-cell"))?.into();
        let blank = (!self.skips_blank).then_some(blank);
        let said = values.into_iter();
        Ok(said
            .filter_map(|(property, value)| Some((property, value.or_else(|| blank.clone())?)))
            .collect())
    }
}

/// Those that are described, and the others if they are wanted too.
fn columns(
    config: &Config,
    base: &str,
    (header, first): (&[String], &[String]),
) -> Result<Vec<Column>, Failure> {
    let described: HashMap<_, _> = config.entries("columnsInfo").into_iter().collect();
    let takes_all = config.flag("generateNew", true);
    let guesses = !config.flag("autoAsStrings", false);
    if !config.flag("ignoreMissingColumn", false) {
        for name in described.keys() {
            position(header, name)?;
        }
    }
    let mut columns = Vec::new();
    for (index, name) in header.iter().enumerate() {
        let info = described.get(name.as_str()).map(|it| Config::below(it));
        if info.is_none() && !takes_all {
            continue;
        }
        let said = info
            .as_ref()
            .and_then(|it| it.said("URI").or_else(|| it.said("uri")));
        let property = match said {
            Some(said) => iri(&joined(base, said.trim()))?,
            None => iri(&format!("{base}{}", as_form(name)))?,
        };
        let cell = first.get(index).filter(|_| guesses);
        let guessed = guessed(cell.map_or("", String::as_str));
        let kind = match &info {
            Some(info) => kind(info, guessed)?,
            None => guessed,
        };
        columns.push(Column {
            index,
            name: name.clone(),
            property,
            kind,
        });
    }
    Ok(columns)
}

/// A name as Java's forms write it: that is what columns without an address of their own are called by.
fn as_form(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

/// What the cells of a column are, by the first of them.
fn guessed(first: &str) -> Kind {
    if first.parse::<i64>().is_ok() {
        Kind::Guessed(Guess::Long)
    } else if is_number(first.trim()) {
        Kind::Guessed(Guess::Double)
    } else {
        Kind::Text(None)
    }
}

fn kind(info: &Config, guessed: Kind) -> Result<Kind, Failure> {
    Ok(match info.said("type").unwrap_or("Auto").trim() {
        "Auto" => guessed,
        "String" => Kind::Text(info.said("language").map(|it| it.trim().to_owned())),
        "Integer" => Kind::Typed("int"),
        "Long" => Kind::Typed("long"),
        "Float" => Kind::Typed("float"),
        "Double" => Kind::Typed("double"),
        "Decimal" => Kind::Typed("decimal"),
        "Date" => Kind::Typed("date"),
        "DateTime" => Kind::Typed("dateTime"),
        "Boolean" => Kind::Typed("boolean"),
        "gYear" => Kind::Typed("gYear"),
        other => {
            return Err(Failure::Config(format!(
                "the type {other} of a column is not known"
            )));
        }
    })
}

fn position(header: &[String], name: &str) -> Result<usize, Failure> {
    let found = header.iter().position(|it| it == name);
    found.ok_or_else(|| {
        let header = header.join(", ");
        Failure::Data(format!("the table has no column {name:?}; it has {header}"))
    })
}

impl Kind {
    fn value(&self, cell: &str) -> Result<Term, Failure> {
        let typed = |name: &str| {
            Literal::new_typed_literal(
                cell.trim(),
                NamedNode::new_unchecked(format!("{XSD}{name}")),
            )
        };
        Ok(match self {
            Self::Typed(name) => typed(name).into(),
            Self::Text(Some(language)) => text(cell, language)?.into(),
            Self::Guessed(Guess::Long) if cell.trim().parse::<i64>().is_ok() => {
                typed("long").into()
            }
            Self::Guessed(Guess::Double) if is_number(cell.trim()) => typed("double").into(),
            Self::Text(None) | Self::Guessed(_) => Literal::new_simple_literal(cell).into(),
        })
    }
}

/// A number as people write it: nothing that only programs take for one.
fn is_number(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_digit() || matches!(it, '-' | '+' | '.'))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn text(value: &str, language: &str) -> Result<Literal, Failure> {
    Literal::new_language_tagged_literal(value, language)
        .map_err(|error| Failure::Config(format!("{language:?} is no language: {error}")))
}

/// `<…>` is an IRI, `"…"` a text, perhaps with `@language` or `^^type`; anything else is a text too. Nothing where a
/// cell that is named has nothing.
fn term(template: &str, row: Row<'_>) -> Result<Option<Term>, Failure> {
    if let Some(inner) = template
        .strip_prefix('<')
        .and_then(|it| it.strip_suffix('>'))
    {
        let filled = filled(inner, row, true)?;
        return filled.map(|it| Ok(iri(&it)?.into())).transpose();
    }
    let quoted = template
        .strip_prefix('"')
        .and_then(|it| it.rsplit_once('"'));
    let (inner, kind) = quoted.unwrap_or((template, ""));
    let Some(value) = filled(inner, row, false)? else {
        return Ok(None);
    };
    if let Some(language) = kind.strip_prefix('@') {
        return Ok(Some(text(&value, language)?.into()));
    }
    let datatype = kind
        .strip_prefix("^^")
        .map(|it| it.trim_matches(['<', '>']));
    Ok(Some(match datatype {
        Some(datatype) => Literal::new_typed_literal(value, iri(datatype)?).into(),
        None => Literal::new_simple_literal(value).into(),
    }))
}

/// The template with cells in the place of `{column}`, and as a part of an IRI in that of `{+column}`; `\{` and `\}` are
/// braces. Nothing where one of the cells has nothing.
fn filled(template: &str, row: Row<'_>, is_iri: bool) -> Result<Option<String>, Failure> {
    let (mut text, mut rest) = (String::new(), template.chars());
    while let Some(character) = rest.next() {
        match character {
            '\\' => text.extend(rest.next()),
            '{' => {
                let (name, after) = named(template, rest.as_str())?;
                rest = after.chars();
                let (name, is_part) = match name.strip_prefix('+') {
                    Some(name) => (name.to_owned(), true),
                    None => (name, false),
                };
                let cell = row.cells.get(position(row.header, &name)?);
                let Some(cell) = cell.filter(|it| !it.is_empty()) else {
                    return Ok(None);
                };
                match (is_part, is_iri) {
                    (true, _) => text.push_str(&encoded(cell)),
                    (false, true) => text.push_str(&allowed(cell)),
                    (false, false) => text.push_str(cell),
                }
            }
            character => text.push(character),
        }
    }
    Ok(Some(text))
}

/// The name up to the brace that closes it, and what comes then.
fn named<'t>(template: &str, rest: &'t str) -> Result<(String, &'t str), Failure> {
    let (mut name, mut characters) = (String::new(), rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.extend(characters.next()),
            '}' => return Ok((name, characters.as_str())),
            character => name.push(character),
        }
    }
    Err(Failure::Config(format!(
        "the template {template:?} has no }}"
    )))
}

/// A text with what no IRI may have encoded.
fn allowed(text: &str) -> String {
    let mut allowed = String::with_capacity(text.len());
    for character in text.chars() {
        let is_denied = matches!(
            character,
            '<' | '>' | '"' | '{' | '}' | '|' | '\\' | '^' | '`'
        );
        if is_denied || character.is_whitespace() || character.is_control() {
            allowed.push_str(&encoded(character.encode_utf8(&mut [0; 4])));
        } else {
            allowed.push(character);
        }
    }
    allowed
}
