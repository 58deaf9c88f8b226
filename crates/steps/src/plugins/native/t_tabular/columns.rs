//! What becomes of the columns of a table: its subject, and a property and a value each.

use std::collections::HashMap;

use oxigraph::model::{Literal, NamedNode, Term};

use super::{Failure, VOCABULARY, encoded, iri};
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
    Auto,
    Text(Option<String>),
    Typed(&'static str),
}

impl Columns {
    pub(super) fn of(config: &Config, base: &str, header: &[String]) -> Result<Self, Failure> {
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
                iri(property.trim())?,
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
            described: columns(config, base, header)?,
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

    /// What the row is about.
    pub(super) fn subject(&self, row: Row<'_>) -> Result<NamedNode, Failure> {
        let value = match &self.key {
            Key::Number => row.number.to_string(),
            Key::Column(index) => encoded(row.cells.get(*index).map_or("", |it| it.trim())),
            Key::Template(template) => {
                let filled = filled(template.trim_matches(['<', '>', '"']), row, true)?;
                return if filled.contains(':') {
                    iri(&filled)
                } else {
                    iri(&format!("{}{filled}", self.base))
                };
            }
        };
        iri(&format!("{}{value}", self.base))
    }

    /// What is said of it.
    pub(super) fn values(&self, row: Row<'_>) -> Result<Vec<(NamedNode, Term)>, Failure> {
        let mut values = Vec::new();
        for column in &self.described {
            let cell = row.cells.get(column.index).map_or("", String::as_str);
            if !cell.is_empty() {
                values.push((column.property.clone(), column.kind.value(cell)?));
            } else if !self.skips_blank {
                values.push((
                    column.property.clone(),
                    iri(&format!("{VOCABULARY}blank-cell"))?.into(),
                ));
            }
        }
        for (property, template) in &self.templates {
            values.push((property.clone(), term(template, row)?));
        }
        Ok(values)
    }
}

/// Those that are described, and the others if they are wanted too.
fn columns(config: &Config, base: &str, header: &[String]) -> Result<Vec<Column>, Failure> {
    let described: HashMap<_, _> = config.entries("columnsInfo").into_iter().collect();
    let takes_all = config.flag("generateNew", true);
    let auto = if config.flag("autoAsStrings", false) {
        Kind::Text(None)
    } else {
        Kind::Auto
    };
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
            Some(said) => iri(said.trim())?,
            None => iri(&format!("{base}{}", encoded(name)))?,
        };
        let kind = match &info {
            Some(info) => kind(info, &auto)?,
            None => auto.clone(),
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

fn kind(info: &Config, auto: &Kind) -> Result<Kind, Failure> {
    Ok(match info.said("type").unwrap_or("Auto").trim() {
        "Auto" => auto.clone(),
        "String" => Kind::Text(info.said("language").map(|it| it.trim().to_owned())),
        "Integer" => Kind::Typed("integer"),
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
            Self::Auto if cell.trim().parse::<i64>().is_ok() => typed("integer").into(),
            Self::Auto if is_number(cell.trim()) => typed("double").into(),
            Self::Text(None) | Self::Auto => Literal::new_simple_literal(cell).into(),
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

/// `<…>` is an IRI, `"…"` a text, perhaps with `@language` or `^^<type>`; anything else is a text too.
fn term(template: &str, row: Row<'_>) -> Result<Term, Failure> {
    if let Some(inner) = template
        .strip_prefix('<')
        .and_then(|it| it.strip_suffix('>'))
    {
        return Ok(iri(&filled(inner, row, true)?)?.into());
    }
    let quoted = template
        .strip_prefix('"')
        .and_then(|it| it.rsplit_once('"'));
    let Some((inner, kind)) = quoted else {
        return Ok(Literal::new_simple_literal(filled(template, row, false)?).into());
    };
    let value = filled(inner, row, false)?;
    if let Some(language) = kind.strip_prefix('@') {
        return Ok(text(&value, language)?.into());
    }
    let datatype = kind.strip_prefix("^^<").and_then(|it| it.strip_suffix('>'));
    Ok(match datatype {
        Some(datatype) => Literal::new_typed_literal(value, iri(datatype)?).into(),
        None => Literal::new_simple_literal(value).into(),
    })
}

/// The template with cells in the place of `{column}`; `{+column}` is never encoded.
fn filled(template: &str, row: Row<'_>, is_iri: bool) -> Result<String, Failure> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| Failure::Config(format!("the template {template:?} has no }}")))?;
        let (name, is_encoded) = match name.strip_prefix('+') {
            Some(name) => (name, false),
            None => (name, is_iri),
        };
        let cell = row
            .cells
            .get(position(row.header, name)?)
            .map_or("", String::as_str);
        if is_encoded {
            text.push_str(&encoded(cell));
        } else {
            text.push_str(cell);
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}
